"""What a question asks about: its terms without the words that only make it a question."""

from __future__ import annotations

from collections.abc import Container

from rag.text.analysis import BIGRAM_MARK, Analyzer
from rag.text.frequency import PERIOD, without_asking

_PUNCTUATION = " .,;:!?\"'()[]{}<>·…“”‘’「」『』"
_ASKING_KO = (
    "얼마 얼마나 몇 언제 어디 어디서 누구 누가 무엇 무어 뭐 뭣 어떤 어떻 어떻게 어떠하 왜 며칠 어느 무슨 어찌 "
    "알리 설명 궁금 말하 가르치 질문 되 하 있 없 이 그 저 것 수 때 경우 대하 관하 관련 따르 위하 하나 해당 및 등 "
    "또는 좀 주 나오 가능 정하 규정 내용 쓰 이름"
)
_ASKING_EN = (
    "a an the is are was were be been do does did done can could will would shall should may might must has have had "
    "what which who whom whose when where why how many much long often and or of in on at to for from by with about "
    "into as it its this that these those there i you we they my your our their me us tell explain describe show give "
    "list please if any not no so than then them use used using get happen mean before after can"
)


class QuestionReader:
    """Extracts the content terms of questions and texts, with the analyzer that made the index's terms."""

    def __init__(self, analyzer: Analyzer) -> None:
        self._analyzer = analyzer
        self._asking = frozenset(_ASKING_KO.split()) | frozenset(
            term for word in _ASKING_EN.split() for term in (word, *analyzer.terms(word))
        )

    def terms_of(self, text: str) -> dict[str, float]:
        """Weight by term of any text, bigrams left out."""
        terms = self._analyzer.terms(text)
        return {term: weight for term, weight in terms.items() if not term.startswith(BIGRAM_MARK)}

    def bigrams_of(self, question: str) -> frozenset[str]:
        """The Hangul bigrams of what a question asks about, marked."""
        left = without_asking(question)
        terms = self._analyzer.terms(question if left is None else left)
        return frozenset(term for term in terms if term.startswith(BIGRAM_MARK))

    def words_for(self, question: str, terms: Container[str]) -> tuple[str, ...]:
        """The words of the question, as they are written there, that gave any of `terms`."""
        words = (word.strip(_PUNCTUATION) for word in question.split())
        return tuple(dict.fromkeys(word for word in words if any(term in terms for term in self.terms_of(word))))

    def content_terms(self, question: str) -> frozenset[str]:
        """The terms that an answer has to be about; all terms when nothing else is left. How often is a 주기."""
        left = without_asking(question)
        terms = self.terms_of(question if left is None else left).keys()
        return frozenset(terms - self._asking).union([PERIOD] if left is not None else []) or frozenset(terms)
