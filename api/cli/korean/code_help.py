"""Help of `seogo code` and `seogo models`: English as the code has it, and Korean."""

from __future__ import annotations

HELP: dict[str, str] = {
    "Repositories that are kept in step, and programs that a model writes.": "동기화하는 저장소와, 모델이 쓰는 프로그램",
    "Let a model write the program of a specification; the exit code is 1 when it failed or a file's syntax is broken.": (
        "명세에 맞는 프로그램을 모델이 쓰게 합니다. 실패했거나 문법이 깨진 파일이 있으면 종료 코드가 1입니다."
    ),
    "File with the specification, in UTF-8.": "명세 파일(UTF-8)",
    "Repository, or collection of code; may be repeated.": "저장소 또는 코드 컬렉션. 여러 번 쓸 수 있습니다.",
    "Folder for the files; made when missing.": "파일을 둘 폴더. 없으면 만듭니다.",
    "Write over files that exist.": "이미 있는 파일을 덮어씁니다.",
    "None takes the first line of the specification.": "제목. 생략하면 명세의 첫 줄을 씁니다.",
    "Configured model; none leaves the choice to the router.": "설정된 모델. 생략하면 라우터가 고릅니다.",
    "Reason before writing.": "쓰기 전에 추론합니다.",
    "Wait for the end.": "끝날 때까지 기다립니다.",
    "Show the newest generations.": "최근 생성 작업을 보여 줍니다.",
    "Show how far a generation is and, at its end, its manifest, as JSON.": (
        "생성 작업의 진행 상황을, 끝났으면 결과 목록을 JSON으로 보여 줍니다."
    ),
    "Id of the generation.": "생성 작업 ID",
    "Fetch the files of a generation.": "생성 작업의 파일을 받습니다.",
    "Stop a generation.": "생성 작업을 중단합니다.",
    "Delete a generation with all its files.": "생성 작업을 그 파일과 함께 삭제합니다.",
    "Find lines of code by words, by a pattern, or by a symbol; the exit code is 1 when there are none.": (
        "낱말, 패턴, 심볼로 코드의 줄을 찾습니다. 하나도 없으면 종료 코드가 1입니다."
    ),
    "Words, or a pattern of RE2 with --regex.": "낱말. --regex를 주면 RE2 패턴",
    "The query is a pattern.": "검색어를 패턴으로 읽습니다.",
    "Of a pattern.": "패턴에서 대소문자를 가리지 않습니다.",
    "A definition, or inside of which one.": "찾을 정의, 또는 그 안에서 찾을 정의",
    "Repository or collection of code; may be repeated.": "저장소 또는 코드 컬렉션. 여러 번 쓸 수 있습니다.",
    "Glob inside the repository: src/**/*.py, *.java, or a folder.": "저장소 안의 글롭 패턴: src/**/*.py, *.java 또는 폴더",
    "Such as python, java, c++.": "언어. 예: python, java, c++",
    "Show where something is defined; the exit code is 1 when it is nowhere.": (
        "어디에 정의되어 있는지 보여 줍니다. 어디에도 없으면 종료 코드가 1입니다."
    ),
    "Name, its beginning, or its humps: PaySer for PaymentService.": (
        "이름, 이름의 앞부분, 또는 대문자 마디: PaymentService는 PaySer로 찾습니다."
    ),
    "Such as class or function; may be repeated.": "종류. 예: class, function. 여러 번 쓸 수 있습니다.",
    "Show what uses, calls, tests or imports something, or what it calls; the exit code is 1 when nothing does.": (
        "쓰는 곳, 부르는 곳, 안에서 부르는 것, 관련 테스트, 가져다 쓰는 파일 가운데 하나를 보여 줍니다. 없으면 종료 코드 1."
    ),
    "Name, as approve or PaymentService.approve; a path for --of importers.": (
        "이름. 예: approve, PaymentService.approve. --of importers에는 경로를 씁니다."
    ),
    "uses, callers, callees, tests or importers.": (
        "uses(쓰는 곳), callers(부르는 곳), callees(부르는 것), tests(테스트) 또는 importers(가져다 쓰는 파일)"
    ),
    "Print the outline of repositories: the definitions that matter most.": (
        "저장소의 윤곽을 출력합니다: 가장 중요한 정의들입니다."
    ),
    "Repositories; all without any.": "저장소. 생략하면 모두입니다.",
    "What it is for.": "어떤 일에 쓸지",
    "Tokens, such as 4000 or 8k.": "토큰 수. 예: 4000, 8k",
    "Write the context for a large one-shot job: the map, the files that matter whole or trimmed, and what was left out.": (
        "큰 작업을 한 번에 맡길 문맥을 씁니다: 윤곽, 중요한 파일(전체 또는 줄인 것), 그리고 뺀 것의 목록입니다."
    ),
    "Repositories or collections of code.": "저장소 또는 코드 컬렉션",
    "What the context is for; @FILE reads it from a file.": "문맥을 쓸 일. @FILE이라고 쓰면 파일에서 읽습니다.",
    "Tokens, such as 20000 or 100k.": "토큰 수. 예: 20000, 100k",
    "File to write; none prints.": "쓸 파일. 생략하면 화면에 출력합니다.",
    "Show what differs between two branches, tags or commits: files, lines, and the commits in between.": (
        "두 브랜치, 태그, 커밋 사이에 달라진 것을 보여 줍니다: 파일, 줄, 그 사이의 커밋입니다."
    ),
    "Name or id of the repository.": "저장소의 이름 또는 ID",
    "Branch, tag or commit; 1.4 finds v1.4.": "브랜치, 태그 또는 커밋. 1.4라고 쓰면 v1.4도 찾습니다.",
    "The later one; what is indexed when left out.": "나중 것. 생략하면 지금 색인된 커밋입니다.",
    "Only this file or folder.": "이 파일이나 폴더만 봅니다.",
    "Show the lines that changed.": "바뀐 줄을 보여 줍니다.",
    "Index a git repository and keep it in step; the exit code is 1 when it could not be read.": (
        "git 저장소를 색인하고 동기화합니다. 읽지 못하면 종료 코드가 1입니다."
    ),
    "https://…, ssh://…, git@host:path, or a folder on the server.": "https://…, ssh://…, git@host:path 또는 서버의 폴더",
    "Collection of code; made when it is missing.": "코드 컬렉션. 없으면 만듭니다.",
    "None takes the last part of the address.": "이름. 생략하면 주소의 마지막 부분을 씁니다.",
    "Branch or tag; none takes the remote's own branch.": "브랜치 또는 태그. 생략하면 원격 저장소의 기본 브랜치입니다.",
    "Name of a credential of the settings.": "설정에 적힌 자격 증명의 이름",
    "JSON file: include, exclude, gitignore, max_file_kb, path_rules, history.": (
        "JSON 파일: include, exclude, gitignore, max_file_kb, path_rules, history"
    ),
    "Seconds between two looks; 0: on demand alone.": "다시 살필 때까지의 간격(초). 0이면 요청할 때만 살핍니다.",
    "Make a secret for a webhook, and show it.": "웹훅 비밀값을 만들어 보여 줍니다.",
    "Wait until files are searchable.": "파일을 검색할 수 있을 때까지 기다립니다.",
    "Show the repositories that are kept in step.": "동기화하는 저장소를 보여 줍니다.",
    "Show one repository: what it is doing, and why the last look failed where it did.": (
        "저장소 하나를 보여 줍니다: 지금 하는 일과, 마지막 확인이 실패했다면 그 까닭입니다."
    ),
    "Collection, where repositories of several have the name.": "같은 이름의 저장소가 여러 컬렉션에 있을 때의 컬렉션",
    "Look at the remote now; the exit code is 1 when that fails.": (
        "원격 저장소를 지금 확인합니다. 실패하면 종료 코드가 1입니다."
    ),
    "Try files again that could not be read.": "읽지 못했던 파일도 다시 시도합니다.",
    "List the files of a repository.": "저장소의 파일을 보여 줍니다.",
    "Those that are not in the index, and why.": "색인에 없는 파일과 그 까닭을 보여 줍니다.",
    "Delete a repository with all its documents; prints the receipt. Its path rules stay for the next one of its name.": (
        "저장소를 그 문서와 함께 삭제하고 삭제 확인서를 출력합니다. 경로 규칙은 같은 이름의 다음 저장소를 위해 남습니다."
    ),
    "Models: list, show, launch, check.": "모델: list, show, launch, check",
    "Show every model of the catalogue: size, context, licence, and whether it is configured.": (
        "목록의 모든 모델을 보여 줍니다: 크기, 문맥 길이, 라이선스, 설정 여부"
    ),
    "Only models of this kind.": "이 종류의 모델만 보여 줍니다.",
    "Show all that is known of a model, each fact with its source.": "모델에 관해 알려진 것을 출처와 함께 보여 줍니다.",
    "Name or alias of a model.": "모델의 이름 또는 별칭",
    "Print the exact command that serves a model, or run it.": "모델을 서비스하는 명령을 그대로 출력하거나 실행합니다.",
    "What serves it; as in the settings, else vllm.": "모델을 서비스할 엔진. 생략하면 설정, 없으면 vllm",
    "BF16, FP8, AWQ, GPTQ, MXFP4, GGUF-Q4, GGUF-Q6, GGUF-Q8, ….": (
        "양자화: BF16, FP8, AWQ, GPTQ, MXFP4, GGUF-Q4, GGUF-Q6, GGUF-Q8 등"
    ),
    "GPUs that it is spread over.": "모델을 나누어 올릴 GPU 수",
    "Tokens; as in the settings, else the native context.": "문맥 길이(토큰). 생략하면 설정, 없으면 모델의 원래 길이",
    "Adapter as name=path; may be repeated.": "어댑터: name=path. 여러 번 쓸 수 있습니다.",
    "Allow a context above the native one.": "원래 길이보다 긴 문맥을 허용합니다.",
    "Folder of the weights, or a GGUF file; /models/… when left out.": (
        "가중치 폴더 또는 GGUF 파일. 생략하면 /models/… 아래입니다."
    ),
    "What requests call it; as in the settings, else its own name.": "요청에서 부를 이름. 생략하면 설정, 없으면 모델의 이름",
    "Why a licence that forbids commercial use is no hindrance, in words that go on record.": (
        "상업적 이용을 금지하는 라이선스인데도 써도 되는 까닭. 기록에 남습니다."
    ),
    "Run the command in the place of this one.": "출력하는 대신 그 명령을 실행합니다.",
    "Ask every configured engine what it serves; the exit code is 1 when one would not answer as configured.": (
        "설정된 모든 엔진에 무엇을 서비스하는지 묻습니다. 설정대로 답하지 않는 엔진이 있으면 종료 코드가 1입니다."
    ),
}
