from __future__ import annotations

import json
import tracemalloc
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.parsing import frames
from ingest.parsing.wire import (
    WireError,
    WrittenElements,
    decode_document,
    decode_result,
    encode_document,
    encode_result,
)
from rag.domain.anchor import LineAnchor, MessageAnchor, PageAnchor, ParagraphAnchor, SheetAnchor, SlideAnchor
from rag.domain.document import ChildFile, DocumentMetadata, Element, ElementKind, ParsedDocument

text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=50)
count = st.integers(0, 2**31 - 1)
number = st.floats(allow_nan=False, allow_infinity=False, width=32)
box = st.tuples(number, number, number, number)
anchor = st.one_of(
    st.builds(PageAnchor, count, count, st.lists(st.tuples(count, box), max_size=3).map(tuple)),
    st.builds(ParagraphAnchor, count, count),
    st.builds(SheetAnchor, text, text),
    st.builds(SlideAnchor, count, count),
    st.builds(LineAnchor, count, count),
    st.builds(MessageAnchor, text, count, count),
)
element = st.builds(Element, st.sampled_from(ElementKind), text, anchor, count, st.lists(anchor, max_size=3).map(tuple))
metadata = st.builds(DocumentMetadata, text, text, text, st.lists(st.tuples(text, text), max_size=2).map(tuple))
document = st.builds(
    ParsedDocument,
    text,
    text,
    text,
    st.lists(element, max_size=4).map(tuple),
    count,
    st.lists(text, max_size=2).map(tuple),
    metadata,
)


@given(document)
def test_round_trip(original):
    assert decode_document(encode_document(original)) == original


children = st.lists(st.builds(ChildFile, text, st.binary(max_size=40)), max_size=3).map(tuple)


@given(document, children, count)
def test_children_follow_the_document_as_they_are(original, found, next_child):
    whole = replace(original, children=found, next_child=next_child)
    assert decode_result(memoryview(encode_result(whole))) == whole
    assert decode_document(encode_document(whole)) == original


@given(document, children, st.data())
def test_a_result_cut_off_or_with_something_after_it_is_a_wire_error(original, found, data):
    payload = encode_result(replace(original, children=found))
    cut = data.draw(st.integers(0, len(payload) - 1))
    for wrong in (payload[:cut], payload + b"x"):
        with pytest.raises(WireError):
            decode_result(memoryview(wrong))


@pytest.mark.parametrize("names", ['[["a"]]', '[["a", -1]]', '[["\\ud800", 1]]', '[["a", 99999999999]]', "7"])
def test_a_list_of_children_that_lies_is_a_wire_error(names):
    head = encode_document(ParsedDocument("t", "m", "p", ()))
    block = f'{{"children": {names}, "next": 0}}'.encode()
    payload = len(head).to_bytes(4, "big") + head + len(block).to_bytes(4, "big") + block + b"x"
    with pytest.raises(WireError):
        decode_result(memoryview(payload))


json_value = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)


@given(st.one_of(st.binary(max_size=60), json_value.map(lambda value: json.dumps(value).encode())))
def test_whatever_is_no_document_is_a_wire_error(payload):
    with pytest.raises(WireError):
        decode_document(payload)


GOOD = encode_document(
    ParsedDocument("t", "m", "p", (Element(ElementKind.TEXT, "x", PageAnchor(1, 1, ((1, (1.0, 2.0, 3.0, 4.0)),))),))
).decode()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"x"', '"\\ud800"'),
        ('"x"', '"\\u0000"'),
        ('"x"', "7"),
        ('"text"', '"spell"'),
        ("1.0", "NaN"),
        ("1.0", "1e999"),
        ('"pages":0', '"pages":-1'),
        ('"pages":0', '"pages":2147483648'),
        ('"pages":0', '"pages":true'),
        ('"page",1', '"paragraph",1'),
    ],
)
def test_what_a_database_or_the_domain_would_choke_on(old, new):
    assert old in GOOD
    spoiled = GOOD.replace(old, new, 1).encode()
    with pytest.raises(WireError):
        decode_document(spoiled)
    names = b'{"children":[],"next":0,"next_page":0,"seam":""}'
    blocks = (len(block).to_bytes(4, "big") + block for block in (spoiled, names))
    with pytest.raises(WireError):
        decode_result(memoryview(b"".join(blocks)))  # what a child answers is looked at before anybody goes on with it


@given(document, st.data())
def test_elements_that_are_not_held_are_a_sequence_as_any_other(original, data):
    written = decode_result(memoryview(encode_result(original))).elements
    assert isinstance(written, WrittenElements)
    assert len(written) == len(original.elements)
    assert tuple(written) == tuple(written) == original.elements
    assert original.elements == written == original.elements
    assert written != (*original.elements, None) and (not original.elements or written != original.elements[1:])
    place = data.draw(st.integers(-6, 6))
    for of in (lambda items: items[place], lambda items: tuple(items[place:])):
        assert _or_index_error(of, written) == _or_index_error(of, original.elements)
    assert encode_document(replace(original, elements=written)) == encode_document(original)


def _or_index_error(of, items):
    try:
        return of(items)
    except IndexError:
        return IndexError


def test_nesting_bomb():
    with pytest.raises(WireError):
        decode_document(b"[" * 1_000_000)


@given(st.binary(max_size=30))
def test_frames(payload):
    frame = frames.pack("R", payload)
    tag, unpacked = frames.unpack(frame)
    assert (tag, bytes(unpacked)) == ("R", payload)
    assert frames.unpack(frame + b"x") is None
    assert frames.unpack(frame[:-1]) is None
    assert frames.unpack(b"X" + frame[1:]) is None


ROWS, ELEMENTS = 500, 40
LARGE = ParsedDocument(
    "t",
    "text/csv",
    "csv/2",
    tuple(
        Element(
            ElementKind.TABLE,
            "\n".join(f"{row} | name {row}" for row in range(start, start + ROWS)),
            SheetAnchor("rows", f"A{start}:B{start + ROWS}"),
            0,
            tuple(SheetAnchor("rows", f"A{row}:B{row}") for row in range(start, start + ROWS)),
        )
        for start in range(0, ROWS * ELEMENTS, ROWS)
    ),
)


def most_held(work):
    """What `work` gives, the bytes that it held at most, and those that it still holds."""
    tracemalloc.start()
    try:
        result = work()
        held, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return result, most, held


def test_a_large_table_is_written_and_read_an_element_at_a_time():
    payload, most, _ = most_held(lambda: encode_document(LARGE))
    assert most < 3 * len(payload)
    found, most, held = most_held(lambda: decode_document(payload))
    assert found == LARGE
    assert most < 1.2 * held


def test_the_answer_of_a_child_is_read_and_not_held():
    payload = encode_result(LARGE)
    found, most, held = most_held(lambda: decode_result(memoryview(payload)))
    assert held < 1.1 * len(payload) and most < 1.3 * len(payload)
    assert found == LARGE


def test_what_an_earlier_release_wrote_is_still_read():
    lines = encode_document(LARGE).split(b"\n")
    elements = b'"elements":[' + b",".join(lines[1:]) + b"]}"
    head = {key: value for key, value in json.loads(lines[0]).items() if key != "lines"}
    old = json.dumps(head, ensure_ascii=False).encode()[:-1] + b"," + elements
    assert decode_document(old) == LARGE


@pytest.mark.parametrize("lines", [1, 2, ELEMENTS])
def test_a_document_cut_at_the_end_of_a_line_is_a_wire_error(lines):
    whole = encode_document(LARGE).split(b"\n")
    with pytest.raises(WireError):
        decode_document(b"\n".join(whole[:lines]))


@pytest.mark.parametrize("elements", ['{"a":1}', '"ab"', "null", "7", "[null]"])
def test_elements_that_are_no_list_are_a_wire_error(elements):
    head = encode_document(ParsedDocument("t", "m", "p", ())).decode()
    with pytest.raises(WireError):
        decode_document((head[:-1] + f',"elements":{elements}}}').encode())
