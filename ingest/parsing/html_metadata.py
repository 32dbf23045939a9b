"""What the head of a web page says about it."""

from __future__ import annotations

from typing import Any

from ingest.parsing.characters import one_line
from ingest.parsing.iso_dates import iso_date
from rag.domain.document import DocumentMetadata

_AUTHOR = ("author", "dc.creator", "dcterms.creator", "article:author", "parsely-author")
_CREATED = (
    "article:published_time", "dcterms.created", "dc.date.issued", "dcterms.issued", "datepublished", "dc.date",
    "dcterms.date", "date", "pubdate",
)  # fmt: skip
_MODIFIED = ("article:modified_time", "dcterms.modified", "datemodified", "og:updated_time", "last-modified")
_ATTRIBUTES = (
    ("url", ("og:url",)),
    ("description", ("description", "og:description", "dc.description")),
    ("keywords", ("keywords", "news_keywords")),
    ("site", ("og:site_name", "application-name")),
    ("publisher", ("dc.publisher", "article:publisher", "publisher", "copyright")),
)
_LONGEST = 300
_MOST = 500


def page_metadata(root: Any) -> DocumentMetadata:
    """Author, dates and attributes from `meta` and `link` elements (Dublin Core, Open Graph, plain HTML)."""
    said: dict[str, str] = {}
    for number, meta in enumerate(root.iter("meta")):
        if number >= _MOST:
            break
        name = meta.get("name") or meta.get("property") or meta.get("itemprop") or meta.get("http-equiv") or ""
        value = one_line(meta.get("content", "")[: _LONGEST * 4])[:_LONGEST]
        if value:
            said.setdefault(name.strip().lower(), value)
    attributes = {key: value for key, names in _ATTRIBUTES if (value := _first(said, names))}
    for link in root.iter("link"):
        if link.get("rel", "").lower() == "canonical" and (url := one_line(link.get("href", ""))[:_LONGEST]):
            attributes["url"] = url
            break
    html = next(root.iter("html"), None)
    if html is not None and (language := one_line(html.get("lang", ""))[:16]):
        attributes["language"] = language
    return DocumentMetadata(
        author=_first(said, _AUTHOR),
        created_at=next((found for name in _CREATED if (found := iso_date(said.get(name, "")))), ""),
        modified_at=next((found for name in _MODIFIED if (found := iso_date(said.get(name, "")))), ""),
        attributes=tuple(attributes.items()),
    )


def _first(said: dict[str, str], names: tuple[str, ...]) -> str:
    return next((said[name] for name in names if name in said), "")
