"""Help of the commands of operators and auditors: English as the code has it, and Korean."""

from __future__ import annotations

HELP: dict[str, str] = {
    "Plan a Qdrant server or cluster: memory, disk, nodes and shards, with the formula of every part.": (
        "Qdrant 서버나 클러스터의 규모를 계산합니다: 메모리, 디스크, 노드, 샤드를 항목별 계산식과 함께 보여 줍니다."
    ),
    "Chunks to hold, such as 250000 or 1e9.": "담을 청크 수. 예: 250000, 1e9",
    "Of the dense vectors; 0 for none.": "밀집 벡터의 차원. 0이면 쓰지 않습니다.",
    "Small copy of the vectors.": "벡터를 줄여 담은 사본(양자화)",
    "Copies of every chunk.": "청크마다 둘 복제본 수",
    "Where full vectors are read from.": "원래 벡터를 읽는 곳(디스크 또는 메모리)",
    "Links per point in the search graph.": "검색 그래프에서 점마다 잇는 연결 수",
    "Distinct terms of a chunk in the lexical leg.": "어휘 검색에서 청크마다의 서로 다른 낱말 수",
    "Of a model's own term weights.": "모델이 가중치를 매기는 낱말 수",
    "Token vectors of a chunk, for late interaction.": "청크마다의 토큰 벡터 수(late interaction)",
    "Their width.": "토큰 벡터의 차원",
    "Memory of a node.": "노드 하나의 메모리(GiB)",
    "Disk of a node.": "노드 하나의 디스크(GiB)",
    "Directories (LDAP, Active Directory): sync.": "디렉터리(LDAP, Active Directory): sync",
    "Bring accounts and groups in step with the directory.": "계정과 그룹을 디렉터리에 맞춥니다.",
    "Name of the directory in the settings; all when left out.": "설정에 적힌 디렉터리의 이름. 생략하면 모두입니다.",
    "Only say what would change.": "무엇이 바뀔지 보여 주기만 합니다.",
    "API keys: create, list, rotate, revoke.": "API 키: create, list, rotate, revoke",
    "Make an API key and print it once.": "API 키를 만들고 한 번만 출력합니다.",
    "read, write, admin, or operator (embedding spaces)": (
        "read(읽기), write(쓰기), admin(관리) 또는 operator(임베딩 공간 운영)"
    ),
    "Tenant, made when it does not exist.": "테넌트. 없으면 만듭니다.",
    "Days until it expires.": "만료될 때까지의 일수",
    "What its chat client shows: annotations, open-webui, or inline+footer.": (
        "채팅 프로그램이 인용을 보여 주는 방식: annotations, open-webui 또는 inline+footer"
    ),
    "Account whose roles count; without, the key is the tenant's.": "역할을 따를 계정. 생략하면 테넌트의 키입니다.",
    "O, S or C: reads documents up to this label.": "O, S 또는 C: 이 등급까지의 문서를 읽습니다.",
    "Show the keys; never their secrets.": "키를 보여 줍니다. 비밀값은 보여 주지 않습니다.",
    "Give the key with this prefix a new secret and print it once.": (
        "이 앞부분을 가진 키에 새 비밀값을 주고 한 번만 출력합니다."
    ),
    "Minutes for which the old secret opens too.": "이전 비밀값도 계속 쓸 수 있는 시간(분)",
    "Put the key with this prefix out of force.": "이 앞부분을 가진 키를 폐기합니다.",
    "Accounts of people and services: create, list, show, set, suspend, resume, delete.": (
        "사람과 서비스의 계정: create, list, show, set, suspend, resume, delete"
    ),
    "Make an account and print its id. There are no passwords: give it a key, or let it sign in with a provider.": (
        "계정을 만들고 ID를 출력합니다. 비밀번호는 없습니다: 키를 주거나 외부 인증으로 로그인하게 하세요."
    ),
    "Unique in the tenant.": "테넌트 안에서 하나뿐인 이름",
    "A service, not a person.": "사람이 아니라 서비스의 계정입니다.",
    "Make it administrator of the tenant.": "테넌트의 관리자로 지정합니다.",
    "For people to read.": "화면에 보여 줄 이름",
    "E-mail address.": "전자 우편 주소",
    "name=value; may be repeated. All of them when it is set.": (
        "name=value. 여러 번 쓸 수 있습니다. 바꿀 때는 속성을 모두 적으세요."
    ),
    "Name of the tenant.": "테넌트의 이름",
    "Show the accounts.": "계정을 보여 줍니다.",
    "Show an account as JSON, with its groups and roles.": "계정을 그룹, 역할과 함께 JSON으로 보여 줍니다.",
    "User name or id.": "사용자 이름 또는 ID",
    "Change an account; what is left out stays.": "계정을 바꿉니다. 생략한 것은 그대로 둡니다.",
    "Take none of its credentials any more; its open streams end within a second.": (
        "계정을 정지하여 자격 증명을 더는 받지 않습니다. 열려 있는 스트림은 1초 안에 끝납니다."
    ),
    "End a suspension.": "계정의 정지를 풉니다.",
    "Delete an account, with its keys, roles and memberships. What is on record of it stays.": (
        "계정을 키, 역할, 소속과 함께 삭제합니다. 이미 남은 기록은 그대로 둡니다."
    ),
    "Groups: create, list, members, add, remove, delete.": "그룹: create, list, members, add, remove, delete",
    "Make a group and print its id.": "그룹을 만들고 ID를 출력합니다.",
    "Show the groups.": "그룹을 보여 줍니다.",
    "Show who was put into a group, one a line, as `add` takes them.": (
        "그룹의 구성원을 `add`가 받는 형식으로 한 줄에 하나씩 보여 줍니다."
    ),
    "Name or id of the group.": "그룹의 이름 또는 ID",
    "Put an account or a group into a group.": "계정이나 그룹을 그룹에 넣습니다.",
    "user:NAME or group:NAME; ids do too.": "user:NAME 또는 group:NAME. ID도 됩니다.",
    "Take an account or a group out of a group.": "계정이나 그룹을 그룹에서 뺍니다.",
    "Delete a group, with its roles. Who was in it stays.": "그룹을 역할과 함께 삭제합니다. 구성원은 그대로 둡니다.",
    "Roles: add, list, remove.": "역할: add, list, remove",
    "Grant a role and print the grant's id. The first administrator of a tenant is made so.": (
        "역할을 주고 그 부여 ID를 출력합니다. 테넌트의 첫 관리자도 이렇게 지정합니다."
    ),
    "user:NAME, group:NAME, attribute:name=value, or everyone; ids do too.": (
        "user:NAME, group:NAME, attribute:name=value 또는 everyone. ID도 됩니다."
    ),
    "viewer, contributor, curator or admin": "viewer(열람자), contributor(기여자), curator(큐레이터) 또는 admin(관리자)",
    "Name or id; the whole tenant when left out.": "이름 또는 ID. 생략하면 테넌트 전체입니다.",
    "Show who has which role where.": "누가 어디에 어떤 역할을 가졌는지 보여 줍니다.",
    "Take a role back.": "역할을 거둡니다.",
    "Id of the grant.": "역할 부여 ID",
    "Keys that blobs and secrets are encrypted with: new, status, rotate, encrypt.": (
        "원본과 비밀값을 암호화하는 키: new, status, rotate, encrypt"
    ),
    "Make a key. Name its file first under `rag.encryption.key_files`, and keep a copy where the store is not.": (
        "키를 만듭니다. 그 파일을 `rag.encryption.key_files`의 맨 앞에 적고, 사본을 저장소가 아닌 곳에 보관하세요."
    ),
    "File to write; it must not be there.": "쓸 파일. 이미 있으면 안 됩니다.",
    "What is encrypted, and with which keys.": "무엇을 어떤 키로 암호화했는지 보여 줍니다.",
    "Wrap every data key under the first key of the settings. Blobs are not written anew, and stay readable meanwhile.\n\n"
    "Data keys of stored secrets, too. Restart what serves and works with the new settings first: until then it wraps under the\n"
    "old key. A key that the status names no more can go from the settings.": (
        "모든 데이터 키를 설정의 첫 번째 키로 다시 감쌉니다. 원본은 다시 쓰지 않으며, 그동안에도 읽을 수 있습니다.\n\n"
        "저장된 비밀값의 데이터 키도 다시 감쌉니다. 먼저 서비스와 작업 프로세스를 새 설정으로 다시 시작하세요. 그 전에는 "
        "예전 키로 감쌉니다. status에 더는 나오지 않는 키는 설정에서 빼도 됩니다."
    ),
    "Encrypt the blobs and stored secrets from before there was a key. May be broken off and repeated.": (
        "키가 생기기 전의 원본과 비밀값을 암호화합니다. 중단했다가 다시 실행해도 됩니다."
    ),
    "The search index: rebuild, optimize, verify; migrate, rollback, spaces, drop.": (
        "검색 색인: rebuild, optimize, verify, migrate, rollback, spaces, drop"
    ),
    "Change the embedding model while the service answers: build, compare, switch. Can be interrupted and repeated.": (
        "서비스하면서 임베딩 모델을 바꿉니다: 만들고, 비교하고, 전환합니다. 중단했다가 다시 실행해도 됩니다."
    ),
    "Model: minilm, folder, flag, openai_http, none.": "모델: minilm, folder, flag, openai_http, none",
    "Folder of the model.": "모델 폴더",
    "YAML file with an `embedding` section, instead of --to.": "--to 대신, `embedding` 항목이 있는 YAML 파일",
    "Evaluation questions: BEIR-style folder, or CSV, XLSX or JSON lines with question and document.": (
        "평가 문항: BEIR 형식 폴더, 또는 질문과 문서가 있는 CSV, XLSX, JSON Lines"
    ),
    "How much lower nDCG@10 may be.": "nDCG@10이 낮아져도 되는 폭",
    "Switch in any case; the record says so.": "어떤 경우에도 전환합니다. 그랬다고 기록에 남습니다.",
    "Whether to switch, or only build.": "전환까지 할지, 만들기만 할지 정합니다.",
    "Languages that reach the model, such as ko,en,code,other; without it, those that it knows.": (
        "모델에 보낼 언어. 예: ko,en,code,other. 생략하면 모델이 아는 언어입니다."
    ),
    "Longest passage, in the model's tokens.": "가장 긴 문단의 길이(모델의 토큰 수)",
    "Decide without questions whose documents are not here, and say so.": (
        "문서가 없는 질문은 빼고 나머지로 판단하며, 뺐다고 알립니다."
    ),
    "Go back to the embedding space before the last switch.": "마지막으로 전환하기 전의 임베딩 공간으로 되돌립니다.",
    "Show the embedding spaces.": "임베딩 공간을 보여 줍니다.",
    "Remove an embedding space that does not answer; no going back to it.": (
        "답변에 쓰지 않는 임베딩 공간을 지웁니다. 지운 공간으로는 되돌릴 수 없습니다."
    ),
    "Id of the space.": "임베딩 공간 ID",
    "Fill the index again from the database and the blobs.": "데이터베이스와 원본으로 색인을 다시 만듭니다.",
    "Put the segments of the embedded index together and drop deleted points; run it while nothing serves.": (
        "내장 색인의 조각을 합치고 삭제된 점을 비웁니다. 서비스를 멈춘 동안 실행하세요."
    ),
    "Compare record, index and originals; the exit code is 1 when they differ.\n\n"
    "Unfinished versions, open jobs and dead leases are listed, but are no difference: while something is ingested they are\n"
    "normal. With --json, `healthy` says that nothing differs (exit code 0), `settled` that nothing is left to be done either.": (
        "기록, 색인, 원본을 비교합니다. 서로 다르면 종료 코드가 1입니다.\n\n"
        "끝나지 않은 버전, 열린 작업, 만료된 점유는 보여 주지만 차이로 치지 않습니다: 처리 중에는 정상입니다. "
        "--json의 `healthy`는 차이가 없다는 뜻(종료 코드 0)이고, `settled`는 남은 일도 없다는 뜻입니다."
    ),
    "The database: upgrade, current.": "데이터베이스: upgrade, current",
    "Bring the schema to this version.": "스키마를 이 버전에 맞춥니다.",
    "Show the revision of the database and the one needed.": "데이터베이스의 리비전과 필요한 리비전을 보여 줍니다.",
    "Quality on labelled questions: run, answers, compare, gate, tune, weights, synthesize.": (
        "정답이 있는 문항으로 재는 품질: run, answers, compare, gate, tune, weights, synthesize"
    ),
    "Ask every question and measure what was found: a table here, a report in HTML, the run as JSON.": (
        "모든 문항을 질문하고 찾은 것을 잽니다: 화면에는 표, HTML 보고서, JSON 실행 결과를 냅니다."
    ),
    "Question sheet (xlsx, csv: question, document, place, quote) or BEIR-style folder.": (
        "문항 파일(xlsx, csv: 열 question, document, place, quote) 또는 BEIR 형식의 폴더"
    ),
    "Folder for run, report and TREC files; made here by default.": (
        "실행 결과, 보고서, TREC 파일을 둘 폴더. 기본값은 현재 폴더에 새로 만듭니다."
    ),
    "Leave out questions whose documents are not there, and say so.": "문서가 없는 문항을 빼고, 뺐다고 알립니다.",
    "Ask every question with and without the passages that answer it: citations, numbers, false answers and refusals.": (
        "정답 문단이 있을 때와 뺐을 때 모두 질문합니다: 인용, 숫자, 오답, 거절을 잽니다."
    ),
    "Questions, one a line or labelled, about which the store holds nothing: all should be refused.": (
        "문서가 다루지 않는 질문. 한 줄에 하나씩이거나 문항 파일이며, 모두 거절해야 맞습니다."
    ),
    "Configured model that answers; the router chooses when left out.": "답할 모델(설정된 것). 생략하면 라우터가 고릅니다.",
    "Folder for report, picture and JSON; made here by default.": (
        "보고서, 그림, JSON을 둘 폴더. 기본값은 현재 폴더에 새로 만듭니다."
    ),
    "Compare two runs question by question: second minus first, with intervals, wins, losses and regressions.": (
        "두 실행 결과를 문항마다 비교합니다: 둘째에서 첫째를 뺀 차이를 구간, 나아짐, 나빠짐, 가장 나빠진 문항과 함께 냅니다."
    ),
    "Folder of a run, or its run.json.": "실행 결과의 폴더, 또는 그 안의 run.json",
    "search (what users get), fused, sparse, dense, learned.": (
        "순위: search(사용자가 받는 것), fused, sparse, dense, learned"
    ),
    "Ranking of the second run; the same as --ranking when left out.": "둘째 실행의 순위. 생략하면 --ranking과 같습니다.",
    "Exit with 1 when a measure fell further below the baseline than its bound.": (
        "기준보다 허용 폭 넘게 떨어진 지표가 있으면 종료 코드 1로 끝냅니다."
    ),
    "Baseline file.": "기준 파일",
    "Make the baseline from this run.": "이 실행 결과로 기준을 만듭니다.",
    "How far a mean may fall, with --write.": "평균이 떨어져도 되는 폭(--write와 함께)",
    "Learn fusion weights: chosen on one half of the questions, measured on the other.": (
        "융합 가중치를 학습합니다: 문항의 절반으로 고르고, 나머지 절반으로 잽니다."
    ),
    "Store what was learned; retrieval uses it from then on.": "학습한 가중치를 저장합니다. 그때부터 검색에 쓰입니다.",
    "Show the fusion weights that were learned.": "학습한 융합 가중치를 보여 줍니다.",
    "Forget those of the embedding space in use.": "쓰고 있는 임베딩 공간의 가중치를 지웁니다.",
    "Draft questions from your documents with the configured generator or chat model, for a person to review.": (
        "설정된 생성 모델이나 대화 모델로 문서에서 문항 초안을 만듭니다. 사람이 검토해야 합니다."
    ),
    "Questions wanted.": "만들 문항 수",
    "Another number samples other passages.": "난수 씨앗. 수를 바꾸면 다른 문단을 고릅니다.",
    "The audit trail: verify, reseal, export, report, replay.": "감사 기록: verify, reseal, export, report, replay",
    "Follow every chain to its end; name the first entry that does not hold. Exit code 1 when one does not, 3 when one holds in\n"
    "itself and neither a seal nor an anchor speaks for it, or the anchors end before the last that was told.": (
        "모든 사슬을 끝까지 따라가며 처음 어긋난 기록을 알려 줍니다. 어긋나면 종료 코드가 1이고, "
        "그 자체로는 맞지만 봉인도 외부 확인점도 없는 사슬이 있거나, "
        "외부 확인점이 마지막으로 알린 끝까지 이어지지 않으면 3입니다."
    ),
    "Name of one tenant; all when left out.": "테넌트 하나의 이름. 생략하면 모두입니다.",
    "File of anchors; that of the settings when left out.": "외부 확인점 파일. 생략하면 설정에 적힌 파일입니다.",
    "Seal chains of audit.older_seal_key_files with the key of audit.seal_key_file. Each is looked at first,\n"
    "and takes entries meanwhile. Exit code 1 when one is not sealed.": (
        "audit.older_seal_key_files의 열쇠로 봉인한 사슬을 audit.seal_key_file의 열쇠로 다시 봉인합니다. 봉인하기 전에 먼저 "
        "검증하며, 그동안에도 기록은 쌓입니다. 봉인하지 못한 사슬이 있으면 종료 코드가 1입니다."
    ),
    "Also chains that bear no seal that holds, or a cut that nobody vouches for.": (
        "맞는 봉인이 없거나 아무도 보증하지 않는 삭제가 있는 사슬도 봉인합니다."
    ),
    "Write entries, one a line: JSON as it is hashed, or OCSF or CEF for a SIEM.": (
        "기록을 한 줄에 하나씩 씁니다: 해시한 그대로의 JSON, 또는 SIEM용 OCSF나 CEF"
    ),
    "Why; it is put on the trail with the export.": "내보내는 까닭. 내보낸 사실과 함께 감사 기록에 남습니다.",
    "File to write; standard output else.": "쓸 파일. 생략하면 표준 출력입니다.",
    "jsonl, ocsf or cef.": "jsonl, ocsf 또는 cef",
    "Name of the tenant; `default` when left out.": "테넌트의 이름. 생략하면 `default`입니다.",
    "Id of a principal or credential, or part of a name.": "주체나 자격 증명의 ID, 또는 이름의 일부",
    "Kind, or group such as document; may be repeated.": "행위의 종류, 또는 document 같은 묶음. 여러 번 쓸 수 있습니다.",
    "Entries that name this document (id).": "이 문서(ID)를 가리키는 기록",
    "From this date or instant on (ISO 8601).": "이 날짜나 시각부터(ISO 8601)",
    "To the end of this date, or before this instant.": "이 날짜의 끝까지, 또는 이 시각 전까지",
    "Who saw which documents, how often, when first and last, and from where.": (
        "누가 어떤 문서를 몇 번, 처음과 마지막에 언제, 어디서 보았는지 보여 줍니다."
    ),
    "Write the report as CSV (UTF-8 with BOM).": "보고서를 CSV로 씁니다(BOM이 있는 UTF-8).",
    "Ask again what an answer was searched for. Exit code 1 when passages or scores differ; what differs is named.": (
        "답변을 위해 했던 검색을 다시 합니다. 문단이나 점수가 다르면 종료 코드가 1이며, 무엇이 다른지 알려 줍니다."
    ),
    "Id of the answer, of the completion or of the response.": "답변, completion 또는 response의 ID",
    "Read the versions of the moment of the question.": "질문했던 시각의 버전을 읽습니다.",
    "Evidence for auditors: pack.": "감사인에게 낼 증거: pack",
    "Versions, settings without secrets, components, API, mapping, audit state, test results; with a manifest of hashes.\n\n"
    "The exit code is 1 when the audit trail does not hold: the file is written all the same, and says so.": (
        "버전, 비밀값을 뺀 설정, 구성 요소, API, 대응표, 감사 기록의 상태, 시험 결과를 해시 목록과 함께 묶습니다.\n\n"
        "감사 기록이 온전하지 않으면 종료 코드가 1입니다: 그래도 파일은 쓰고, 그렇다고 적습니다."
    ),
    "ZIP file to write; it must not be there.": "쓸 ZIP 파일. 이미 있으면 안 됩니다.",
    "Results of a test run (pytest --junit-xml).": "시험 결과 파일(pytest --junit-xml)",
    "A bill of materials to put in.": "함께 넣을 소프트웨어 자재 명세서(SBOM)",
}
