"""Bodies of the answer routes."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, Field

from api.schemas.common import AnchorOut, Body, CollectionNames, Problem
from api.schemas.conversation import HISTORY, INFER_FILTERS, MAX_TURNS, History
from api.schemas.filters import AsOf, FilterIn
from api.schemas.search import CodePlace, ParentOut, PassageOut, TraceOut, code_place, passage_url
from rag.answering.rendering import RenderedSentence
from rag.answering.service import AnswerMode
from rag.domain.answer import Abstention, AbstentionReason, Citation, Note, Sentence, Support, Weakness
from rag.domain.messages import UiLanguage
from rag.text.inert import inert

_ABSTENTION: dict[tuple[AbstentionReason, UiLanguage], str] = {
    (AbstentionReason.NOTHING_FOUND, "ko"): "찾아본 컬렉션({collections})에 이 질문과 관련된 내용이 없습니다.",
    (
        AbstentionReason.NOTHING_FOUND,
        "en",
    ): "The collections searched ({collections}) hold nothing about this question.",
    (AbstentionReason.WEAK_EVIDENCE, "ko"): (
        "찾아본 컬렉션({collections})에서 답의 근거로 삼을 만한 내용을 찾지 못했습니다."
    ),
    (AbstentionReason.WEAK_EVIDENCE, "en"): (
        "Nothing in the collections searched ({collections}) is enough to answer from."
    ),
    (AbstentionReason.NOT_HELD, "ko"): (
        "찾아본 컬렉션({collections})의 내용으로는 모델이 쓴 답을 확인할 수 없어 보여 드리지 않습니다."
    ),
    (AbstentionReason.NOT_HELD, "en"): (
        "What the model wrote is not shown: what was found in the collections searched ({collections}) does not confirm it."
    ),
    (AbstentionReason.CUT_SHORT, "ko"): (
        "모델의 답이 길이 한도에 걸려 한 문장도 끝맺지 못했습니다. 질문을 나누어 물어 주세요. 찾아본 컬렉션: {collections}."
    ),
    (AbstentionReason.CUT_SHORT, "en"): (
        "The model's answer reached its longest before a sentence of it was whole. Please ask for less at a time. "
        "Collections searched: {collections}."
    ),
}
_MISSING: dict[UiLanguage, str] = {"ko": " 근거에 없는 말: {terms}", "en": " Not found in the evidence: {terms}"}
_BECAUSE: dict[Weakness, tuple[str, str]] = {
    Weakness.NAME_MISSING: (
        "질문에 나온 이름이나 번호가 근거에 없습니다.",
        "A name or number of the question stands nowhere in the evidence.",
    ),
    Weakness.LITTLE_COVERED: (
        "질문의 말이 근거에 거의 나오지 않습니다.",
        "Hardly any word of the question occurs in the evidence.",
    ),
    Weakness.NOTHING_STANDS_OUT: (
        "질문에 뚜렷이 들어맞는 부분이 없습니다.",
        "No section fits the question clearly better than the others.",
    ),
    Weakness.SIGNS_DISAGREE: (
        "어느 부분이 답인지 판단의 단서들이 서로 어긋납니다.",
        "The signs disagree about which section answers.",
    ),
    Weakness.POINTS_ELSEWHERE: (
        "가장 가까운 부분은 찾아내지 못한 다른 조문을 가리킵니다.",
        "The nearest section points to a provision that was not found.",
    ),
    Weakness.SCATTERED: (
        "질문의 말이 여러 부분에 흩어져 있습니다.",
        "The words of the question are scattered over several sections.",
    ),
}
_SHOWN_TERMS = 5


class AskIn(Body):
    """A question."""

    question: str = Field(min_length=1, max_length=100_000, examples=["경조휴가는 며칠인가요?"])
    collections: CollectionNames = None
    passages: int | None = Field(None, ge=1, le=50, description="passages that the answer may draw on")
    stream: bool = Field(False, description="answer as server-sent events")
    as_of: AsOf = None
    filter: FilterIn | None = None
    history: History = Field(default_factory=list, max_length=MAX_TURNS, description=HISTORY)
    infer_filters: bool = Field(True, description=INFER_FILTERS)
    mode: AnswerMode = Field(
        "answer",
        description="`steps` searches again for what the first passages leave open; `deep` writes a report. Both need a model",
    )
    model: str = Field("", max_length=300, description="which configured model writes; none leaves the choice here")
    thinking: bool | None = Field(None, description="whether it reasons first; none leaves the choice here")


class CitationOut(CodePlace):
    """The words that a sentence stands on, and where they stand."""

    number: int = Field(description="the mark `[n]` in the answer")
    chunk_id: UUID
    document_id: UUID
    version: int
    collection: str
    source_key: str
    title: str
    source_url: str | None = Field(description="address of the web page, when the source is a snapshot of one")
    fetched_at: datetime | None = Field(description="when the web page was fetched")
    parent: ParentOut | None
    heading_path: list[str]
    quote: str
    start: int = Field(description="first character of the quote in the passage's text")
    end: int
    provision: str = Field(description="of a statute or rule that the quote stands in", examples=["제24조제1항"])
    anchor: AnchorOut
    url: str

    @classmethod
    def of(cls, item: Citation, language: UiLanguage, base_url: str) -> CitationOut:
        """The citation as JSON."""
        source, chunk = item.passage.source, item.passage.chunk
        return cls(
            number=item.number,
            chunk_id=chunk.id,
            document_id=source.document_id,
            version=source.version_number,
            collection=source.collection_name,
            source_key=source.source_key,
            title=source.title,
            source_url=source.source_url or None,
            fetched_at=source.fetched_at,
            parent=ParentOut.of(source),
            heading_path=list(chunk.heading_path),
            quote=item.quote,
            start=item.start,
            end=item.end,
            provision=item.provision,
            anchor=AnchorOut.of(item.anchor, language),
            url=passage_url(base_url, chunk.id, source, item.anchor),
            **code_place(source, item.anchor, is_code=bool(item.spot)),
        )


class SentenceOut(BaseModel):
    """One sentence of an answer."""

    text: str = Field(description="words alone; of a verbatim sentence those of its quotes, which are no Markdown")
    rendered: str = Field(description="as Markdown with marks, as it stands in `text` of the answer")
    support: str = Field(examples=["verbatim", "supported", "unsupported"])
    citations: list[CitationOut]

    @classmethod
    def of(cls, sentence: Sentence, rendered: RenderedSentence, language: UiLanguage, base_url: str) -> SentenceOut:
        """The sentence as JSON."""
        return cls(
            text=sentence.text if sentence.support is Support.VERBATIM else inert(sentence.text),
            rendered=rendered.text,
            support=sentence.support,
            citations=[CitationOut.of(item, language, base_url) for item in sentence.citations],
        )


class AbstentionOut(BaseModel):
    """Why there is no answer."""

    reason: str = Field(examples=["nothing_found", "weak_evidence", "not_held", "cut_short"])
    message: str
    collections: list[str]
    missing_terms: list[str]
    because: list[str] = Field(description="what the evidence lacks, the weightiest first", examples=["scattered"])
    confidence: float = Field(description="that the passages found hold the answer, 0 to 1")

    @classmethod
    def of(cls, item: Abstention, language: UiLanguage) -> AbstentionOut:
        """The refusal as JSON."""
        return cls(
            reason=item.reason,
            message=abstention_message(item, language),
            collections=list(item.collections),
            missing_terms=list(item.missing_terms),
            because=list(item.because),
            confidence=round(item.confidence, 3),
        )


class NoteOut(BaseModel):
    """Something about how the answer came about."""

    kind: str = Field(examples=["model", "omitted", "guard", "repaired"])
    detail: str

    @classmethod
    def of(cls, note: Note) -> NoteOut:
        """The note as JSON."""
        return cls(kind=note.kind, detail=note.detail)


class AnswerOut(BaseModel):
    """An answer with its evidence, or a stated refusal."""

    answer_id: UUID = Field(description="for feedback; the answer is put on record right after it is given")
    status: str = Field(examples=["answered", "abstained"])
    question: str
    text: str = Field(description="the whole answer with marks; the refusal's message when abstained")
    generator: str
    sentences: list[SentenceOut]
    abstention: AbstentionOut | None
    passages: list[PassageOut]
    trace: TraceOut
    notes: list[NoteOut]


def abstention_message(item: Abstention, language: UiLanguage) -> str:
    """The refusal as a sentence for the reader; where the model's answer broke off, nothing is wrong with the evidence."""
    message = _ABSTENTION[item.reason, language].format(collections=", ".join(item.collections) or "–")
    if item.reason is AbstentionReason.CUT_SHORT:
        return message
    if item.missing_terms:
        message += _MISSING[language].format(terms=", ".join(item.missing_terms[:_SHOWN_TERMS]))
        message += "" if message.endswith(".") or not item.because else "."
    return " ".join([message, *(_BECAUSE[reason][0 if language == "ko" else 1] for reason in item.because)])


class AnswerProblem(Problem):
    """An error after the search: nothing was answered, and this is what was found."""

    passages: list[PassageOut] | None = Field(None, description="missing where the search itself failed")
    trace: TraceOut | None = None
