"""Why a repository, or what is read beside it, could not be read: Korean and English by a stable code."""

from __future__ import annotations

READ_REASONS: dict[str, tuple[str, str]] = {
    "git_said": ("git이 알린 오류: {said}", "git says: {said}"),
    "git_without_pipes": ("git을 실행하지 못했습니다", "git has no pipes"),
    "output_too_long": ("git의 출력이 {limit_mb}MB를 넘습니다", "more than {limit_mb} MB of output"),
    "blob_cut_off": ("미러의 파일 하나가 중간에서 끊겨 있습니다", "a blob is cut off"),
    "no_folder": ("이 주소에 폴더가 없습니다", "there is no folder at this address"),
    "no_repository": ("이 주소에 git 저장소가 없습니다", "there is no git repository at this address"),
    "shallow_clone": (
        "이력이 잘린 얕은 복제본입니다. 전체 저장소를 주세요(그곳에서 `git fetch --unshallow`를 실행하면 전체가 됩니다)",
        "it is a shallow clone, whose history is cut off: give the whole one (`git fetch --unshallow` there makes it whole)",
    ),
    "host_key": (
        "서버의 호스트 키가 known_hosts_file에 없거나 그 파일의 것과 다릅니다",
        "its host key is not in known_hosts_file, or another than there",
    ),
    "certificate": (
        "서버 인증서를 신뢰하는 인증 기관으로 확인할 수 없습니다",
        "its certificate is not valid for the authorities that are trusted",
    ),
    "moved": ("다른 주소로 보냅니다. 그 주소를 지정하세요", "it sends on to another address: give that one"),
    "no_space": ("서버에 미러를 둘 공간이 없습니다", "no space is left for mirrors on the server"),
    "api_no_list": ("서버의 API가 목록이 아닌 것으로 답했습니다", "its interface answers something else than a list"),
    "api_no_json": ("서버의 API가 JSON이 아닌 것으로 답했습니다", "its interface answers something else than JSON"),
    "api_status": ("서버의 API가 상태 {status}(으)로 답했습니다", "its interface answers with status {status}"),
    "export_empty": (
        "history.export에 이슈도 병합 요청도 없습니다",
        "history.export holds no issues and no requests",
    ),
    "export_line": (
        "내보내기 파일 {file}에 {limit_mb}MB가 넘는 줄이 있습니다",
        "{file}: a line of more than {limit_mb} MB",
    ),
    "export_file": (
        "내보내기 파일 {file}이(가) {limit_mb}MB를 넘습니다. 여러 개로 나누세요",
        "{file}: more than {limit_mb} MB; cut it into several",
    ),
    "export_json": ("내보내기 파일 {file}이(가) 올바른 JSON이 아닙니다", "{file}: not valid JSON"),
    "export_unknown": (
        "내보내기 파일 {file}에 이슈나 병합 요청으로 읽을 수 있는 것이 없습니다. GitLab 항목에는 iid, GitHub·Gitea 항목에는 "
        "number가 있어야 합니다",
        "{file}: nothing in it is an issue or a request: those of GitLab have an iid, those of GitHub and Gitea a number",
    ),
    "archive_kind": (
        "history.export는 폴더나 .tar.gz 파일이어야 합니다",
        "history.export has to be a folder or a .tar.gz file",
    ),
    "archive_damaged": (
        "내보내기 압축 파일 {file}이(가) 손상되었거나 끝까지 있지 않습니다",
        "the archive {file} is damaged or incomplete",
    ),
    "archive_unsafe": (
        "내보내기 압축 파일 {file}에 바깥을 가리키는 이름이 있습니다",
        "the archive {file} has a name that leads out of it",
    ),
    "archive_size": (
        "내보내기 압축 파일 {file}이(가) 풀면 허용된 크기보다 큽니다",
        "the archive {file} unpacks to more than is allowed",
    ),
    "archive_members": (
        "내보내기 압축 파일 {file}에 든 파일이 {limit}개를 넘습니다",
        "the archive {file} has more than {limit} members",
    ),
}
"""By the `reason` of `RepositoryNotRead`: Korean, English."""

KOREAN_DETAILS: dict[str, str] = {
    "credential_host": "이 자격 증명은 호스트 {host}용이 아닙니다",
    "ssh_credential": "SSH에는 ssh_key_file과 known_hosts_file이 있는 자격 증명이 필요합니다",
    "address_characters": "주소가 비어 있거나, 너무 길거나, 주소에 쓸 수 없는 문자가 있습니다",
    "helper_programs": "git 보조 프로그램의 주소는 받지 않습니다",
    "host": "호스트 {host}이(가) repositories.hosts에 없습니다",
    "no_credential": "자격 증명 {credential}이(가) 없습니다",
    "roots": "폴더가 repositories.roots 밖에 있습니다",
    "folder": "폴더를 지정해야 합니다",
    "scheme": "https://…, ssh://…, git@host:path 또는 폴더를 지정해야 합니다",
    "address": "주소 형식이 올바르지 않습니다",
    "password": "주소에 사용자와 암호를 쓰지 않습니다. 자격 증명에 넣으세요",
    "mirror_mb": "{limit}MB를 넘습니다(mirror_mb)",
    "issues": "이슈와 요청이 {limit}개를 넘습니다",
    "issue_page": "이슈 한 페이지가 32MB를 넘습니다",
    "api_url": "history.api_url: https://… 주소가 필요합니다",
    "max_files": "파일이 {limit}개를 넘습니다(max_files)",
}
"""Why a repository is refused, or is too large, by `reason`; what the error says in English stands where it is raised."""
