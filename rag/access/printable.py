"""Names and ids that others give: all of them has to be seen by whoever looks at the trail, a list or a terminal."""

from __future__ import annotations

from rag.domain.errors import InvalidRequest


def require_printable(field: str, value: str, most: int) -> None:
    """Refuse what a terminal obeys, what nobody sees, and what is too long.

    Raises:
        InvalidRequest: it is one of these.
    """
    if len(value) > most or not value.isprintable():
        raise InvalidRequest(
            detail=f"{field}: up to {most} printable characters",
            detail_ko=f"{field}: 보이는 글자로 {most}자까지 됩니다",
        )


def require_name(name: str, most: int) -> None:
    """The same for a name, which is more than blanks.

    Raises:
        InvalidRequest: it is one of these.
    """
    if not name.strip() or len(name) > most or not name.isprintable():
        raise InvalidRequest(
            detail=f"name: 1 to {most} printable characters",
            detail_ko=f"name: 보이는 글자로 1~{most}자여야 합니다",
        )
