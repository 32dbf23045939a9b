"""Sources of an answer in the three forms that chat clients show: OpenAI's annotations, Open WebUI's events, a list as text.

Every address leads to this service, which checks the reader's rights again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from api.openai.chat_chunks import Chunks
from api.openai.telling import listed
from api.schemas.search import passage_url
from rag.answering.rendering import RenderedSentence
from rag.domain.answer import Citation
from rag.domain.messages import UiLanguage
from rag.domain.passage import Source
from rag.text.inert import addresses_as_code
from rag.text.invisible import visible

_FLAGGED: dict[UiLanguage, str] = {"ko": "검토 대기", "en": "waits for a review"}
_STATUS: dict[tuple[str, UiLanguage], str] = {
    ("searching", "ko"): "문서를 찾는 중입니다",
    ("searching", "en"): "Searching the documents",
    ("found", "ko"): "근거 후보 {count}건을 읽는 중입니다",
    ("found", "en"): "Reading {count} passages",
    ("done", "ko"): "완료",
    ("done", "en"): "Done",
}
_MARKUP = re.compile(r"([\\`*_\[\]<>#|])")


class SourceBook:
    """Addresses and names of what an answer cites, for one reader."""

    def __init__(self, base_url: str, language: UiLanguage) -> None:
        self._base_url = base_url
        self.language = language
        self._shown: dict[int, Citation] = {}

    def new(self, rendered: RenderedSentence) -> list[Citation]:
        """Those citations of a sentence whose mark the answer has not had before, in the order of their marks."""
        found = {item.number: item for item in rendered.citations if item.number not in self._shown}
        self._shown |= found
        return [found[number] for number in sorted(found)]

    def annotations(self, rendered: RenderedSentence) -> list[dict[str, Any]]:
        """`url_citation` annotations of a sentence."""
        return [
            {
                "type": "url_citation",
                "url_citation": {
                    "url": self._url(item),
                    "title": self._title(item),
                    "start_index": rendered.start,
                    "end_index": rendered.end,
                },
            }
            for item in rendered.citations
        ]

    def footer(self) -> str:
        """The list of all that was cited, as Markdown; empty where nothing was."""
        # Titles are words of documents: nothing in them may become markup, or a link to elsewhere.
        lines = [
            f"[{number}] {_plain(self._title(item))} <{self._url(item)}>"
            for number, item in sorted(self._shown.items())
        ]
        return listed(lines, self.language)

    def source_event(self, item: Citation, best: float) -> dict[str, Any]:
        """Open WebUI's `source` event: it numbers sources as they come, and joins those of one `source`; ours is the passage."""
        passage = item.passage
        title, url = self._title(item), self._url(item)
        return {
            "type": "source",
            "data": {
                "source": {"id": str(passage.chunk.id), "name": title},
                "document": [passage.chunk.text],
                "metadata": [{"source": str(passage.chunk.id), "name": title, "source_url": url}],
                "distances": [_relevance(item, best)],
            },
        }

    def status_event(self, name: str, *, done: bool = False, **values: Any) -> dict[str, Any]:
        """Open WebUI's `status` event."""
        description = _STATUS[name, self.language].format(**values)
        return {"type": "status", "data": {"description": description, "done": done}}

    def _url(self, item: Citation) -> str:
        return passage_url(self._base_url, item.passage.chunk.id, item.passage.source, item.anchor)

    def _title(self, item: Citation) -> str:
        """Title of the document, the provision where there is one, and the place: `취업규칙 제24조제1항 (3쪽)`; of source code
        path and lines, with the commit where there is one: `payments/src/login.py:10-24 (abc123def456)`."""
        flag = f" ⚠ {_FLAGGED[self.language]}" if item.passage.source.flagged else ""
        if item.spot:
            commit = item.passage.source.commit[:12]
            return f"{item.spot} ({commit}){flag}" if commit else f"{item.spot}{flag}"
        named = f"{_with_parent(item.passage.source)} {item.provision}".rstrip()
        return f"{named} ({item.anchor.label(self.language)}){flag}"


def source_chunks(book: SourceBook, chunks: Chunks, cited: Iterable[Citation], best: float) -> str:
    """Events of sources that a sentence is the first to cite."""
    return "".join(chunks.beside(event=book.source_event(item, best)) for item in cited)


def _with_parent(source: Source) -> str:
    """With the mail or archive that it lies in, as its own title may be in many of them."""
    return source.title if source.parent is None else f"{source.parent.title} › {source.parent.member}"


def _plain(title: str) -> str:
    """On one line, with nothing that Markdown would read as markup, or make a link."""
    return addresses_as_code(_MARKUP.sub(r"\\\1", " ".join(visible(title).split())))


def _relevance(item: Citation, best: float) -> float:
    """0 to 1, as Open WebUI shows it: the reranker's score, or the share of the best fused one, which has no scale of its own."""
    passage = item.passage
    value = passage.rerank if passage.rerank is not None else passage.score / best if best > 0 else 0.0
    return round(min(1.0, max(0.0, value)), 4)
