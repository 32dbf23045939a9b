"""OpenDocument files written by hand: content, styles and metadata in one ZIP archive."""

from __future__ import annotations

from tests.unit.parsing.documents import zip_bytes

_NAMES = ("office", "text", "table", "drawing", "style", "meta", "presentation")
_PREFIXES = {"drawing": "draw"}
NAMESPACES = " ".join(
    f'xmlns:{_PREFIXES.get(name, name)}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"' for name in _NAMES
) + (
    ' xmlns:fo="urn:oasis:names:tc:opendocument:xmlns:xsl-fo-compatible:1.0"'
    ' xmlns:svg="urn:oasis:names:tc:opendocument:xmlns:svg-compatible:1.0"'
    ' xmlns:chart="urn:oasis:names:tc:opendocument:xmlns:chart:1.0"'
    ' xmlns:xlink="http://www.w3.org/1999/xlink" xmlns:dc="http://purl.org/dc/elements/1.1/"'
)


def odf_bytes(
    kind: str, body: str, *, automatic: str = "", styles: str = "", more: dict[str, bytes] | None = None
) -> bytes:
    """An ODF package of the kind `text`, `spreadsheet` or `presentation`.

    Args:
        automatic: automatic styles; `styles`: common ones and master pages.
        more: further parts.
    """
    content = (
        f"<office:document-content {NAMESPACES}><office:automatic-styles>{automatic}</office:automatic-styles>"
        f"<office:body><office:{kind}>{body}</office:{kind}></office:body></office:document-content>"
    )
    return zip_bytes(
        {
            "mimetype": f"application/vnd.oasis.opendocument.{kind}".encode(),
            "content.xml": content.encode(),
            "styles.xml": f"<office:document-styles {NAMESPACES}>{styles}</office:document-styles>".encode(),
            **(more or {}),
        }
    )
