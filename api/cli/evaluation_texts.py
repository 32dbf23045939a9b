"""What `seogo eval` says, in Korean and English."""

from __future__ import annotations

from api.cli.texts import ui_language

_TEXTS: dict[str, tuple[str, str]] = {
    "no_such_file": ("그런 파일이나 폴더가 없습니다.", "no such file or folder"),
    "asking": ("질문하는 중", "Asking"),
    "ranking": ("순위", "Ranking"),
    "questions": ("문항", "Questions"),
    "written": ("보고서", "Report"),
    "left_out": ("빠진 문항", "Questions left out"),
    "unreviewed": ("검토하지 않아 뺀 문항", "Left out because nobody reviewed them"),
    "skip_hint": (
        "문서가 없는 문항을 빼고 평가하려면 --skip-missing을 주세요.",
        "To leave out questions whose documents are not there, give --skip-missing.",
    ),
    "nothing_left": ("평가할 문항이 남지 않았습니다.", "No question is left to measure."),
    "measure": ("지표", "Measure"),
    "difference": ("차이", "Difference"),
    "wins": ("나아짐", "Better"),
    "losses": ("나빠짐", "Worse"),
    "ties": ("같음", "Same"),
    "only_one": ("한쪽에만 있는 문항", "Questions of only one run"),
    "regressions": ("가장 나빠진 문항", "Worst regressions"),
    "gains": ("가장 나아진 문항", "Greatest gains"),
    "before": ("전", "Before"),
    "after": ("후", "After"),
    "rank": ("정답 순위", "Rank"),
    "question": ("질문", "Question"),
    "no_foreign": ("다른 주제의 문항이 없습니다", "No questions in"),
    "gate_open": ("모든 지표가 기준 안에 있습니다.", "Every measure is within its bound."),
    "gate_closed": ("기준보다 떨어진 지표", "Measures below their bound"),
    "baseline": ("기준", "Baseline"),
    "found": ("결과", "Found"),
    "bound": ("허용 폭", "Bound"),
    "baseline_written": ("기준 파일을 썼습니다", "Baseline written"),
    "kind": ("종류", "Kind"),
    "language": ("언어", "Language"),
    "weights_now": ("지금 가중치", "Weights now"),
    "weights_chosen": ("고른 가중치", "Chosen"),
    "held_out": ("따로 둔 절반의 nDCG@10", "nDCG@10 held out"),
    "gain": ("차이 [95%]", "Gain [95 %]"),
    "verdict": ("판정", "Verdict"),
    "taken": ("더 나음", "better"),
    "too_few": ("문항이 모자람", "too few questions"),
    "one_leg": ("검색 방식이 하나뿐임", "one leg only"),
    "unweighted": ("dbsf 결합에는 가중치가 없음", "the fusion dbsf knows no weights"),
    "rescored": ("토큰 벡터로 다시 정렬해 가중치가 정하는 것이 없음", "vectors of tokens order the hits, not weights"),
    "the_same": ("지금이 최선", "already the best"),
    "not_better": ("더 낫다고 할 수 없음", "not shown to be better"),
    "mixed": (
        "문서와 코드 컬렉션을 함께 기대해 쓰지 않은 문항",
        "Questions not used, since they expect documents and code together",
    ),
    "stored": (
        "저장했습니다. 실행 중인 서버는 다시 시작해야 씁니다.",
        "Stored. Servers that run already use it after a restart.",
    ),
    "nothing_stored": ("저장할 것이 없습니다.", "There is nothing to store."),
    "apply_hint": ("쓰려면 --apply를 주세요.", "To use this, give --apply."),
    "no_weights": ("학습한 가중치가 없습니다.", "No weights were learned."),
    "forgotten": ("지운 가중치", "Weights forgotten"),
    "space": ("임베딩 공간", "Embedding space"),
    "learned_on": ("학습에 쓴 문항", "Learned on"),
    "measured_at": ("측정 시각", "Measured at"),
    "in_use": ("사용 중", "in use"),
    "no_chat": (
        "질문 초안을 쓰려면 모델이 필요합니다. 설정의 rag.generation.models나 rag.chat.url에 내부망 주소를 적어 주세요.",
        "Drafting questions needs a model: set rag.generation.models, or rag.chat.url, to an address inside the network.",
    ),
    "drafting": ("초안을 쓰는 중", "Drafting"),
    "drafted": ("초안", "Drafts"),
    "drafting_stopped": ("모델이 멈춰 여기까지만 썼습니다", "The model failed, so the drafts end here"),
    "nothing_drafted": (
        "쓸 수 있는 초안이 없어 파일을 만들지 않았습니다.",
        "No draft could be used, and no file was written.",
    ),
    "thrown": ("버린 초안", "Thrown away"),
    "review_hint": (
        "사람이 검토한 줄의 검토 열에 예를 적은 뒤 `seogo eval run`에 주세요.",
        "Have a person review each row and write y in the column reviewed, then give the sheet to `seogo eval run`.",
    ),
    "sheet_name": ("파일 이름은 .xlsx나 .csv로 끝나야 합니다", "The file's name must end in .xlsx or .csv"),
}


def text(name: str) -> str:
    """The text called `name`, in the terminal's language."""
    korean, english = _TEXTS[name]
    return korean if ui_language() == "ko" else english
