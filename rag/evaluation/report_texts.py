"""What an HTML report says, in Korean and English."""

from __future__ import annotations

from rag.domain.messages import UiLanguage

_TEXTS: dict[str, tuple[str, str]] = {
    "title": ("검색 평가", "Retrieval evaluation"),
    "questions": ("문항", "Questions"),
    "measures": ("지표", "Measures"),
    "about": ("평가 조건", "Conditions"),
    "interval_note": (
        "괄호 안은 문항을 다시 뽑은 95% 부트스트랩 구간입니다. RR@10의 평균이 MRR@10입니다. "
        "이름 뒤의 수는 그 방식이 쓰인 문항 수이며, 쓰이지 않은 문항은 0으로 셉니다.",
        "In brackets: 95 % bootstrap interval over the questions. The mean of RR@10 is MRR@10. "
        "Behind a name: how many of the questions it was asked; the others count as 0.",
    ),
    "rankings_note": (
        "sparse는 어휘 검색, dense는 벡터 검색, learned는 모델의 어휘 가중치, fused는 이들을 합친 순위, "
        "search는 사용자가 실제로 받는 순위(권한 재확인, 재순위화, 중복 제거 뒤)입니다.",
        "sparse: words; dense: vectors; learned: a model's own term weights; fused: these together; search: what a user "
        "gets, after the permission check, reranking and the removal of repeats.",
    ),
    "ranking": ("순위", "Ranking"),
    "found_share": ("k위 안에 정답이 있는 문항", "questions answered within k"),
    "languages": ("언어별", "By language"),
    "collections": ("컬렉션별", "By collection"),
    "group": ("구분", "Group"),
    "worst": ("가장 나쁜 문항", "Worst questions"),
    "none_bad": ("모든 문항이 만점입니다.", "Every question has the full measure."),
    "expected": ("찾아야 할 것", "Expected"),
    "rank_of_expected": ("정답의 순위", "Rank of the expected"),
    "not_found": ("없음", "not found"),
    "instead": ("실제로 나온 것", "What came"),
    "nothing": ("아무것도 나오지 않았습니다.", "Nothing came."),
    "score": ("점수", "score"),
    "left_out": ("빠진 문항", "Questions left out"),
    "unreviewed": ("검토하지 않은 문항", "Not reviewed"),
}

ABOUT: dict[str, tuple[str, str]] = {
    "questions_from": ("문항 파일", "Questions from"),
    "made_at": ("평가 시각", "Made at"),
    "version": ("버전", "Version"),
    "space": ("임베딩 공간", "Embedding space"),
    "reranker": ("재순위화 모델", "Reranker"),
    "fusion": ("융합", "Fusion"),
    "weights": ("학습한 융합 가중치", "Learned fusion weights"),
    "candidates": ("다리마다 후보", "Candidates per leg"),
    "index": ("색인", "Index"),
    "collections": ("컬렉션", "Collections"),
    "documents": ("문서", "Documents"),
}


def text(name: str, language: UiLanguage) -> str:
    """The text called `name`."""
    korean, english = _TEXTS[name]
    return korean if language == "ko" else english


def about_label(name: str, language: UiLanguage) -> str:
    """What a condition of a run is called; one that a newer release wrote keeps its own name."""
    korean, english = ABOUT.get(name, (name, name))
    return korean if language == "ko" else english
