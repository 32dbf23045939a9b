"""Help of the commands about documents, collections and questions: English as the code has it, and Korean."""

from __future__ import annotations

HELP: dict[str, str] = {
    "서고 Seogo: on-premise RAG. Upload documents and code, ask, check the citations.": (
        "서고(Seogo): 사내 설치형 RAG. 문서와 코드를 올리고, 질문하고, 인용을 확인합니다."
    ),
    "Configuration file (YAML).": "설정 파일(YAML)",
    "Data folder of the embedded shape.": "한 대로 운영할 때의 데이터 폴더",
    "Use a running server at this address.": "이 주소에서 실행 중인 서버를 씁니다.",
    "API key for --server. Others see it in the list of processes.": (
        "--server에 쓸 API 키. 프로세스 목록에서 다른 사용자에게 보입니다."
    ),
    "File that holds the API key for --server.": "--server에 쓸 API 키가 든 파일",
    "Show the version and exit.": "버전을 보여 주고 끝냅니다.",
    "Print JSON.": "JSON으로 출력합니다.",
    "Serve the API, and ingest in the same process.": "API를 서비스하고, 같은 프로세스에서 문서를 처리합니다.",
    "Address to listen on.": "서비스할 주소",
    "Port to listen on.": "서비스할 포트",
    "Whether this process ingests too.": "이 프로세스가 문서 처리도 할지 정합니다.",
    "First start: migrate, make an admin key, ingest the samples if empty.": (
        "처음 시작: 데이터베이스를 준비하고, 관리자 키를 만들고, 비어 있으면 예제 문서를 넣습니다."
    ),
    "Work on the ingestion queue without serving.": "서비스하지 않고 대기 중인 문서만 처리합니다.",
    "Ingest files and folders; the exit code is 1 when any file failed.": (
        "파일과 폴더를 올려 처리합니다. 하나라도 실패하면 종료 코드가 1입니다."
    ),
    "Files or folders.": "파일 또는 폴더",
    "Collection, made when it does not exist.": "컬렉션. 없으면 만듭니다.",
    "Kind of a new collection; documents when left out.": "새 컬렉션의 종류. 생략하면 documents입니다.",
    "interactive or bulk; by default interactive for a few small files.": (
        "interactive(먼저) 또는 bulk(대량). 작은 파일 몇 개이면 기본값은 interactive입니다."
    ),
    "Keep a collection in step with a folder or bucket; the exit code is 1 when anything could not be taken.\n\n"
    "A file `.seogoaccess` in a folder says who may read what lies in it: a JSON object with allow, deny and label.": (
        "컬렉션을 폴더나 버킷과 동기화합니다. 받지 못한 것이 있으면 종료 코드가 1입니다.\n\n"
        "폴더 안의 파일 `.seogoaccess`에 그 폴더를 누가 읽을 수 있는지 적습니다: allow, deny, label을 담은 JSON 객체입니다."
    ),
    "A folder, or s3://bucket/prefix (AWS_* in the environment).": "폴더 또는 s3://bucket/prefix(환경 변수 AWS_* 사용)",
    "Go on, looking again and again.": "끝내지 않고 계속 살펴 맞춥니다.",
    "Seconds between two looks.": "다시 살필 때까지의 간격(초)",
    "Delete documents whose file is gone.": "파일이 사라진 문서를 삭제합니다.",
    "Say what would be done.": "무엇을 할지 보여 주기만 합니다.",
    "Delete even when more than half of the files are gone.": "파일이 절반 넘게 사라졌어도 삭제합니다.",
    "Pattern on a name or path to leave out; may be repeated.": "제외할 이름이나 경로의 패턴. 여러 번 쓸 수 있습니다.",
    'Rule of new files, as JSON: {"allow": ["group:…"], "label": "S"}. A .seogoaccess file wins.': (
        '새 파일의 열람 규칙(JSON): {"allow": ["group:…"], "label": "S"}. .seogoaccess 파일이 있으면 그 파일이 우선합니다.'
    ),
    "Show the passages for a question.": "질문에 맞는 문단을 찾아 보여 줍니다.",
    "Name or id; may be repeated. All when left out.": "이름 또는 ID. 여러 번 쓸 수 있고, 생략하면 모두입니다.",
    "Ask the versions of then: a date (its end, local time) or an instant (ISO 8601).": (
        "그때의 버전에 질문합니다: 날짜(그날 끝, 현지 시각) 또는 시각(ISO 8601)"
    ),
    'Filter as JSON, such as {"attributes": {"dept": "인사"}}.': 'JSON 필터. 예: {"attributes": {"dept": "인사"}}',
    "Say how the result came about.": "결과가 어떻게 나왔는지 설명합니다.",
    "Answer a question with citations.": "질문에 인용을 달아 답합니다.",
    "Search again for what the first passages leave open. Needs a model.": (
        "처음 찾은 문단으로 부족한 내용을 다시 검색합니다. 모델이 필요합니다."
    ),
    "Write a report with its sources. Needs a model.": "출처를 밝힌 보고서를 씁니다. 모델이 필요합니다.",
    "Ingest the samples and ask three questions.": "예제 문서를 넣고 세 가지를 질문합니다.",
    "Check store, index, models, parsers and egress switches, and say what to do.": (
        "데이터베이스, 색인, 모델, 파서, 외부 통신 설정을 점검하고 할 일을 알려 줍니다."
    ),
    "Who may read: show, set, explain.": "열람 권한: show, set, explain",
    "Print the rules that decide, as JSON.": "적용되는 열람 규칙을 JSON으로 출력합니다.",
    "Id of a document.": "문서 ID",
    "Name or id of a collection.": "컬렉션의 이름 또는 ID",
    "Put a rule in place of the one before; without --allow, --deny and --label it is lifted.": (
        "이전 규칙을 새 규칙으로 바꿉니다. --allow, --deny, --label이 모두 없으면 규칙을 없앱니다."
    ),
    "With --collection: its documents that this JSON filter holds for; {} for all.": (
        "--collection과 함께: 이 JSON 필터에 맞는 문서에만 적용합니다. {}은 전체입니다."
    ),
    "user:NAME, group:NAME, attribute:NAME=VALUE; may be repeated.": (
        "user:NAME, group:NAME, attribute:NAME=VALUE. 여러 번 쓸 수 있습니다."
    ),
    "The same; a denial wins over everything.": "쓰는 법은 같고, 거부가 모든 허용보다 우선합니다.",
    "C confidential, S sensitive, O open.": "C(기밀), S(민감), O(공개)",
    "Also if you can't read it yourself afterwards.": "바꾼 뒤 본인이 읽을 수 없게 되더라도 바꿉니다.",
    "Say why somebody can or can't read a document; the exit code is 1 when not.": (
        "누가 문서를 왜 읽을 수 있는지, 왜 읽을 수 없는지 보여 줍니다. 읽을 수 없으면 종료 코드가 1입니다."
    ),
    "user:NAME, or a name.": "user:NAME 또는 이름",
    "Collections: list, create, style, retention, privacy, delete.": (
        "컬렉션: list, create, style, retention, privacy, delete"
    ),
    "Show the collections.": "컬렉션을 보여 줍니다.",
    "Make a collection.": "컬렉션을 만듭니다.",
    "documents or code": "documents(문서) 또는 code(코드)",
    "Delete a collection with all its documents and print the receipt.": (
        "컬렉션을 그 안의 문서와 함께 삭제하고 삭제 확인서를 출력합니다."
    ),
    "Show what the retention rules would delete now; with --set, change the rules first. Nothing is deleted here.": (
        "보존 규칙에 따라 지금 삭제될 문서를 보여 줍니다. --set을 주면 규칙부터 바꿉니다. 이 명령은 아무것도 삭제하지 않습니다."
    ),
    "NAME=NUMBER, more than once: retired_days, retired_versions, document_days, dated_days; NAME= ends one, the others "
    "stay. Or all rules as JSON; {} for none.": (
        "NAME=NUMBER(이름=수), 여러 번 가능: retired_days, retired_versions, document_days, dated_days. NAME=은 그 규칙을 "
        "끄며 나머지는 그대로입니다. JSON으로 모든 규칙을 줄 수도 있습니다. {}은 규칙 없음입니다."
    ),
    "Show how answers from the collection are written; with options, change it first.": (
        "이 컬렉션의 답변을 어떻게 쓰는지 보여 줍니다. 옵션을 주면 먼저 바꿉니다."
    ),
    "formal, plain or default": "formal(격식체), plain(평이하게) 또는 default(기본)",
    "short, normal, long or default": "short(짧게), normal(보통), long(길게) 또는 default(기본)",
    "prose, list, table, steps or default": "prose(줄글), list(목록), table(표), steps(순서) 또는 default(기본)",
    "Show what is done about personal data in the collection; with options, change it first.": (
        "이 컬렉션이 개인정보를 어떻게 다루는지 보여 줍니다. 옵션을 주면 먼저 바꿉니다."
    ),
    "allow, tag, mask or block: of every kind not named": (
        "allow(허용), tag(표시), mask(가림) 또는 block(차단): 따로 지정하지 않은 모든 종류에 적용"
    ),
    "KIND=TREATMENT, such as resident_number=mask; more than once": (
        "KIND=TREATMENT. 예: resident_number=mask. 여러 번 쓸 수 있습니다."
    ),
    "viewer, contributor, curator or admin see raw values": (
        "원래 값을 볼 수 있는 가장 낮은 역할: viewer, contributor, curator 또는 admin"
    ),
    "NAME=PATTERN in RE2 syntax; more than once": "NAME=PATTERN(RE2 문법). 여러 번 쓸 수 있습니다.",
    "Documents: list, show, versions, set, retry, cancel, release, delete, receipt.": (
        "문서: list, show, versions, set, retry, cancel, release, delete, receipt"
    ),
    "Let a document be searched that is held back for personal data.": (
        "개인정보 때문에 보류된 문서를 검색할 수 있게 합니다."
    ),
    "Why it may be searched; stays on record.": "검색해도 되는 까닭. 기록에 남습니다.",
    "Show the documents of a collection.": "컬렉션의 문서를 보여 줍니다.",
    "Follow the ingestion until it is done, then list.": "처리가 끝날 때까지 진행을 보여 준 뒤 목록을 출력합니다.",
    "Show one document as JSON.": "문서 하나를 JSON으로 보여 줍니다.",
    "Show the versions of a document and when each answered questions, as JSON.": (
        "문서의 버전과, 각 버전이 답변에 쓰인 기간을 JSON으로 보여 줍니다."
    ),
    "Change custom attributes of a document.": "문서의 사용자 정의 속성을 바꿉니다.",
    "name=value; an empty value removes the attribute.": "name=value. 값이 비어 있으면 속성을 없앱니다.",
    "Show the receipt of a deletion as JSON.": "삭제 확인서를 JSON으로 보여 줍니다.",
    "Try a document again that failed, was set aside or was cancelled, or was read only in part.": (
        "실패했거나, 격리되었거나, 취소되었거나, 일부만 읽은 문서를 다시 처리합니다."
    ),
    "Stop the ingestion of a document.": "문서의 처리를 중단합니다.",
    "Delete a document and print the receipt.": "문서를 삭제하고 삭제 확인서를 출력합니다.",
    "Glossaries of collections: show, import, clear.": "컬렉션의 용어집: show, import, clear",
    "Print the glossary, as the CSV file that import reads.": "용어집을 import가 읽는 CSV로 출력합니다.",
    "Name or id of the collection.": "컬렉션의 이름 또는 ID",
    "Put the glossary in FILE in place of the one before.": "이전 용어집을 FILE의 용어집으로 바꿉니다.",
    "CSV (term, expansions a;b;c, note), or JSON as the API takes it.": (
        "CSV(용어, 펼친 말 a;b;c, 비고), 또는 API가 받는 형식의 JSON"
    ),
    "Remove the glossary.": "용어집을 없앱니다.",
    "Ingestion: status, pause, resume, retry, cancel.": "문서 처리: status, pause, resume, retry, cancel",
    "Show what goes on: counts by state, pace, time left.": "진행 상황을 보여 줍니다: 상태별 개수, 속도, 남은 시간",
    "Collection; all when left out.": "컬렉션. 생략하면 모두입니다.",
    "Begin no new ingestion; uploads are taken and wait.": "새 처리를 시작하지 않습니다. 올린 파일은 받아 두고 기다립니다.",
    "End a pause.": "일시 중지를 끝냅니다.",
    "Try everything again that was set aside; with `in_part`, read anew what was read only in part.": (
        "격리된 문서를 모두 다시 처리합니다. `in_part`를 주면 일부만 읽은 문서를 새로 읽습니다."
    ),
    "quarantined (default), failed, cancelled, in_part; may be repeated.": (
        "quarantined(격리, 기본값), failed(실패), cancelled(취소), in_part(일부만 읽음). 여러 번 쓸 수 있습니다."
    ),
    "Cancel everything that waits.": "기다리는 처리를 모두 취소합니다.",
    "Feedback on answers: list, export as evaluation questions.": "답변 피드백: list, 평가 문항으로 내보내는 export",
    "Show what was said, the newest first.": "피드백을 최근 것부터 보여 줍니다.",
    "Why; it is put on the trail.": "보는 까닭. 감사 기록에 남습니다.",
    "up or down; both when left out.": "up(좋음) 또는 down(나쁨). 생략하면 모두입니다.",
    "Given since: an instant with offset (ISO 8601).": "이 시각 이후의 피드백: 시간대가 있는 시각(ISO 8601)",
    "Write answered questions as a sheet that `seogo eval` reads: the question, and the document and words cited first.\n\n"
    "Answers that people found good are marked as reviewed. The others wait for a reviewer, with the corrected answer beside."
    "\n\nRefusals that were wrong are there too, without a document.": (
        "답한 질문을 `seogo eval`이 읽는 표로 씁니다: 질문, 그리고 맨 먼저 인용한 문서와 구절입니다.\n\n"
        "좋다고 평가받은 답변은 검토한 것으로 표시합니다. 나머지는 고친 답변을 곁에 두고 검토를 기다립니다."
        "\n\n잘못 거절한 질문도 문서 칸을 비운 채 들어갑니다."
    ),
    "Sheet to write: .xlsx or .csv.": "쓸 표 파일: .xlsx 또는 .csv",
}
