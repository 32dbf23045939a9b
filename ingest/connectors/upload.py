"""The upload connector: a multipart body becomes blobs and queued versions while it is being received.

The body is never held as a whole: python-multipart hands over pieces as they arrive and each goes straight to the blob store.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

from rag.blobs.store import BlobRef, BlobStore, BlobWriter
from rag.domain.access import GivenRule
from rag.domain.errors import InvalidRequest, SeogoError
from rag.domain.filters import AttributeValue, checked_attributes

_MAX_HEADER_BYTES = 8192
_MAX_FILES = 1000
_MAX_PARTS = 1100
"""Files and fields together; headers of a part are bounded by its parser, to 8 of 4 KiB."""
_MAX_FIELD_BYTES = 1 << 20
"""Of all fields beside the files together."""
_SHOWN = 200
"""Characters of a refused name that the refusal repeats."""

DOCUMENT_FILES = b"files"
DOCUMENT_FIELDS = (b"attributes", b"file_attributes", b"access", b"file_access")


@dataclass(frozen=True, slots=True)
class Details:
    """What is said about a file beside its content.

    Attributes:
        attributes: the document's custom attributes from now on; None leaves those that it has.
        source_url, fetched_at: of a web page's snapshot.
        access: who may read it; None leaves the rule that it has.
        default_access: the same, for a document that is new and has no `access`.
        commit: of a repository's file, the commit that it was read at.
    """

    attributes: Mapping[str, AttributeValue] | None = None
    source_url: str = ""
    fetched_at: datetime | None = None
    access: GivenRule | None = None
    default_access: GivenRule | None = None
    commit: str = ""


@dataclass(frozen=True, slots=True)
class Received:
    """One file of an upload: held as `blob` until it is on record, or refused with `error`."""

    name: str
    blob: BlobRef | None = None
    error: SeogoError | None = None
    details: Details = Details()

    def ruled_by(self, default: GivenRule) -> Received:
        """The same with a rule for a document that is new and brings none."""
        return replace(self, details=replace(self.details, default_access=default))


class UploadReceiver:
    """Feeds on a multipart body; `received` lists its files in order. Not thread-safe.

    Args:
        clean: turns a file name into the name that the document is kept under.
        fields: names of the fields beside the files that are kept.
        others: whether fields of other names are passed over. Else they are refused: with `acces` passed over, a document
            would be open to everybody whom its rule was to keep out.
        file_field: name of the field that holds the files. A file in another one is refused before it is taken: it may be
            meant for something that would then be left undone.
        decode: reads a file name whose encoding nobody states, with U+FFFD for what can't be read.
    """

    def __init__(
        self,
        blobs: BlobStore,
        content_type: str,
        limit: int,
        clean: Callable[[str], str],
        fields: tuple[bytes, ...] = DOCUMENT_FIELDS,
        decode: Callable[[bytes], str] = lambda raw: raw.decode("utf-8", errors="replace"),
        file_field: bytes = DOCUMENT_FILES,
        others: bool = False,
    ) -> None:
        self._blobs = blobs
        self._others = others
        self._decode = decode
        self._limit = limit
        self._clean = clean
        self._kept = fields
        self._file_field = file_field
        self._writer: BlobWriter | None = None
        self._headers: dict[bytes, bytes] = {}
        self._parts = 0
        self._header_name = bytearray()
        self._header_value = bytearray()
        self._name = ""
        self._field = b""
        self._fields: dict[bytes, bytearray] = {}
        self._ended = False
        self.received: list[Received] = []
        self._parser = self._multipart(content_type)

    def feed(self, data: bytes) -> None:
        """Take the next piece of the body.

        Raises:
            PayloadTooLarge: a file passes the limit.
            InvalidRequest: the body is not what its content type says, or a file is in a field that takes none.
        """
        try:
            self._parser.write(data)
        except FormParserError as error:
            raise InvalidRequest(
                detail="multipart body",
                detail_ko="multipart 본문의 형식이 맞지 않거나, 한 부분의 헤더가 너무 많거나 깁니다",
            ) from error

    def finish(self) -> list[Received]:
        """The files, once the whole body was fed.

        Raises:
            InvalidRequest: the body ends early or holds no file, or its attributes are not valid.
        """
        if not self._ended:
            raise InvalidRequest(
                detail="multipart body ends early",
                detail_ko="multipart 본문이 끝나기 전에 끊겼습니다. 다시 올려 주세요",
            )
        if not self.received:
            field = self._file_field.decode()
            raise InvalidRequest(
                detail=f"{field}: there is no file (a part with a file name)",
                detail_ko=f"{field}: 파일이 없습니다(파일 이름이 있는 부분)",
            )
        return self._with_details()

    def _with_details(self) -> list[Received]:
        """The files with what the fields say: `attributes` and `access` about all of them, `file_…` about some, by name."""
        if not self._fields:
            return self.received
        described = b"attributes" in self._fields or b"file_attributes" in self._fields
        common = _json_object(self._fields, b"attributes")
        special = self._by_file(b"file_attributes")
        rule = GivenRule.from_json(_json_object(self._fields, b"access")) if b"access" in self._fields else None
        rules = {name: GivenRule.from_json(given) for name, given in self._by_file(b"file_access").items()}
        found: list[Received] = []
        for item in self.received:
            attributes = checked_attributes({**common, **special.get(item.name, {})}) if described else None
            found.append(replace(item, details=Details(attributes, access=rules.get(item.name, rule))))
        return found

    def _by_file(self, field: bytes) -> dict[str, dict[str, Any]]:
        """A field's objects by the name of the file that each is about."""
        found = {self._clean(name): own for name, own in _json_object(self._fields, field).items()}
        name = field.decode()
        if unknown := found.keys() - {item.name for item in self.received}:
            raise InvalidRequest(
                detail=f"{name}: there is no file {min(unknown)!r} in this upload",
                detail_ko=f"{name}: 이번에 올린 파일 가운데 {min(unknown)!r}이(가) 없습니다",
            )
        if not all(isinstance(own, dict) for own in found.values()):
            raise InvalidRequest(
                detail=f"{name}: an object of objects is needed", detail_ko=f"{name}: 파일마다 JSON 객체여야 합니다"
            )
        return found

    def fields(self) -> dict[str, str]:
        """The fields that were kept, as text."""
        return {name.decode(): bytes(value).decode("utf-8", errors="replace") for name, value in self._fields.items()}

    def abort(self) -> list[BlobRef]:
        """Throw away the file in work; returns the complete ones, whose removal is the caller's: some may be on record."""
        if self._writer is not None:
            self._writer.abort()
            self._writer = None
        return [item.blob for item in self.received if item.blob is not None]

    def _multipart(self, content_type: str) -> MultipartParser:
        kind, options = parse_options_header(content_type)
        boundary = options.get(b"boundary")
        if kind != b"multipart/form-data" or not boundary:
            raise InvalidRequest(
                detail="expected multipart/form-data with a boundary",
                detail_ko="multipart/form-data로, boundary와 함께 보내세요",
            )
        callbacks: MultipartCallbacks = {
            "on_part_begin": self._on_part_begin,
            "on_header_field": self._on_header_field,
            "on_header_value": self._on_header_value,
            "on_header_end": self._on_header_end,
            "on_headers_finished": self._on_headers_finished,
            "on_part_data": self._on_part_data,
            "on_part_end": self._on_part_end,
            "on_end": self._on_end,
        }
        try:
            return MultipartParser(boundary, callbacks)
        except FormParserError as error:
            raise InvalidRequest(
                detail="multipart boundary", detail_ko="multipart의 boundary가 올바르지 않습니다"
            ) from error

    def _on_part_begin(self) -> None:
        self._headers = {}
        self._parts += 1
        if self._parts > _MAX_PARTS:
            raise InvalidRequest(
                detail=f"more than {_MAX_PARTS} parts in one upload",
                detail_ko=f"한 번에 올릴 수 있는 부분은 {_MAX_PARTS}개입니다. 나누어 올리세요",
            )

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]
        self._check_header()

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]
        self._check_header()

    def _check_header(self) -> None:
        if len(self._header_name) + len(self._header_value) > _MAX_HEADER_BYTES:
            raise InvalidRequest(
                detail="part header too long", detail_ko=f"부분의 헤더가 {_MAX_HEADER_BYTES}바이트를 넘습니다"
            )

    def _on_header_end(self) -> None:
        self._headers[bytes(self._header_name).lower()] = bytes(self._header_value)
        self._header_name.clear()
        self._header_value.clear()

    def _known(self, name: bytes) -> bytes:
        """The name of a field that is kept, nothing for one that is passed over."""
        if name in self._kept or self._others:
            return name if name in self._kept else b""
        shown = name.decode("utf-8", errors="replace")[:_SHOWN]
        known = ", ".join(field.decode() for field in (self._file_field, *self._kept))
        english = f"{shown!r}: there is no such field; known are {known}"
        raise InvalidRequest(detail=english, detail_ko=f"{shown!r}: 없는 필드입니다. 쓸 수 있는 필드는 {known}입니다")

    def _on_headers_finished(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        filename, name = options.get(b"filename"), options.get(b"name", b"")
        if filename is None:
            self._field = self._known(name)
            return
        if name != self._file_field:
            shown, wanted = name.decode("utf-8", errors="replace")[:_SHOWN], self._file_field.decode()
            raise InvalidRequest(
                detail=f"{shown!r}: a file goes into the field {wanted!r}",
                detail_ko=f"{shown!r}: 파일은 {wanted!r} 필드에 넣으세요",
            )
        if len(self.received) >= _MAX_FILES:
            raise InvalidRequest(
                detail=f"more than {_MAX_FILES} files in one upload",
                detail_ko=f"한 번에 올릴 수 있는 파일은 {_MAX_FILES}개입니다. 나누어 올리세요",
            )
        given = self._decode(filename)
        try:
            # The name is the document's identity: two that can't be read would be versions of one document.
            if "\ufffd" in given:
                raise InvalidRequest(
                    detail=f"file name {given[:_SHOWN]!r}: neither in UTF-8 nor in CP949",
                    detail_ko=f"파일 이름 {given[:_SHOWN]!r}: UTF-8도 CP949도 아닙니다",
                )
            self._name = self._clean(given)
        except InvalidRequest as error:
            self.received.append(Received(given, error=error))
            return
        self._writer = self._blobs.writer(self._limit)

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._writer is not None:
            self._writer.write(data[start:end])
        elif self._field:
            self._fields.setdefault(self._field, bytearray()).extend(data[start:end])
            if sum(map(len, self._fields.values())) > _MAX_FIELD_BYTES:
                raise InvalidRequest(
                    detail="fields: more than 1 MiB", detail_ko="파일 이외의 필드가 모두 합해 1MiB를 넘습니다"
                )

    def _on_part_end(self) -> None:
        self._field = b""
        if self._writer is None:
            return
        writer, self._writer = self._writer, None
        try:
            self.received.append(Received(self._name, writer.hold(self._name)))
        except SeogoError as error:
            self.received.append(Received(self._name, error=error))

    def _on_end(self) -> None:
        self._ended = True


def _json_object(fields: Mapping[bytes, bytearray], name: bytes) -> dict[str, Any]:
    """A field's JSON object; an empty one where the field is missing."""
    if name not in fields:
        return {}
    try:
        found = json.loads(fields[name])
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(
            detail=f"{name.decode()}: not valid JSON", detail_ko=f"{name.decode()}: JSON이 아닙니다"
        ) from error
    if not isinstance(found, dict):
        raise InvalidRequest(
            detail=f"{name.decode()}: an object is needed", detail_ko=f"{name.decode()}: JSON 객체여야 합니다"
        )
    return found
