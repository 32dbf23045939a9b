"""What can be wrong with a proposed sentence, and how that is said to the model that has to write it anew."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from rag.domain.language import Language

REMOVED, UNSUPPORTED = "removed", "unsupported"
"""Kinds of the notes that say that something of an answer did not hold and was left out, or is shown with a mark."""


class ProblemKind(StrEnum):
    """A check that a sentence did not pass."""

    UNCITED = "uncited"
    FACTS = "facts"
    OTHER_SUBJECT = "other_subject"
    NAMES = "names"
    NEGATION = "negation"
    LIMITS = "limits"
    UNHELD = "unheld"
    OTHER_PASSAGE = "other_passage"


@dataclass(frozen=True, slots=True)
class Problem:
    """One of them, and the sentence's own words that it is about."""

    kind: ProblemKind
    words: tuple[str, ...] = ()

    def said(self, language: Language) -> str:
        """One sentence for the model, in Korean for a Korean question."""
        told = _KOREAN if language is Language.KOREAN else _ENGLISH
        return told[self.kind].format(words=", ".join(self.words[:_MAX_WORDS]))


_MAX_WORDS = 8
_KOREAN = {
    ProblemKind.UNCITED: "근거로 삼은 문서 번호가 없거나, 주어지지 않은 번호입니다.",
    ProblemKind.FACTS: "인용한 문서에 없는 숫자·날짜·금액·조항입니다: {words}",
    ProblemKind.OTHER_SUBJECT: "인용한 문서에서 다른 항목의 값입니다: {words}",
    ProblemKind.NAMES: "인용한 문서에 없는 이름·코드입니다: {words}",
    ProblemKind.NEGATION: "인용한 문서와 반대로 말하고 있습니다(부정·의무·허용을 확인하십시오).",
    ProblemKind.LIMITS: "기준의 방향이 인용한 문서와 다릅니다(이상·이하·미만·초과, 전·후): {words}",
    ProblemKind.UNHELD: "인용한 문서에서 확인되지 않는 내용이 들어 있습니다: {words}",
    ProblemKind.OTHER_PASSAGE: "인용한 문서에 그 내용이 없습니다. 인용 번호를 확인하십시오.",
}
_ENGLISH = {
    ProblemKind.UNCITED: "It names no passage, or only numbers that were not given.",
    ProblemKind.FACTS: "These numbers, dates, amounts or provisions are not in the cited passage: {words}",
    ProblemKind.OTHER_SUBJECT: "In the cited passage these values belong to something else: {words}",
    ProblemKind.NAMES: "These names or codes are not in the cited passage: {words}",
    ProblemKind.NEGATION: "It says the contrary of the cited passage; mind negations, duties and permissions.",
    ProblemKind.LIMITS: "These limits are on the other side in the cited passage (at least, at most, before, after): {words}",
    ProblemKind.UNHELD: "The cited passage does not say this: {words}",
    ProblemKind.OTHER_PASSAGE: "The cited passage does not say this; check the number of the passage.",
}
