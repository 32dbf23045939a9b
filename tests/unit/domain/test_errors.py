from __future__ import annotations

import ast
import re
from pathlib import Path
from string import Formatter

import pytest
from hypothesis import given
from hypothesis import strategies as st

import api
import ingest
import rag
from api.errors import STATUS, openai_error, preferred_language, problem
from rag.domain import errors
from rag.domain.errors import SeogoError, all_error_types, error_type_of
from rag.domain.messages import GUARDS, KOREAN, localized, message_for
from rag.domain.repository_reasons import KOREAN_DETAILS, READ_REASONS
from rag.generation.guards import ALL_GUARDS

ERROR_TYPES = [kind for kind in all_error_types() if kind.__module__ == errors.__name__]
each_error = pytest.mark.parametrize("kind", ERROR_TYPES, ids=lambda kind: kind.__name__)


def placeholders(template: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(template) if name is not None}


def drawn_tree() -> tuple[set[tuple[str, str]], dict[str, str]]:
    """(child, parent) pairs and the codes of the tree in the docstring of `errors.py`."""
    edges: set[tuple[str, str]] = set()
    codes: dict[str, str] = {}
    above: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        if not (found := re.fullmatch(r"((?:│   |    )*)(├── |└── )?([A-Z]\w+)(?:\s{2,}(.+))?", line)):
            continue
        depth = len(found[1]) // 4 + bool(found[2])
        if depth:
            edges.add((found[3], above[depth - 1]))
        above = [*above[:depth], found[3]]
        if re.fullmatch("[a-z_]+", found[4] or ""):
            codes[found[3]] = found[4]
    return edges, codes


def test_codes_are_unique_and_stable_in_form() -> None:
    codes = [kind.code for kind in ERROR_TYPES]
    assert len(set(codes)) == len(codes)
    assert all(re.fullmatch("[a-z]+(_[a-z]+)*", code) for code in codes)


def test_the_drawn_tree_is_the_tree() -> None:
    edges, codes = drawn_tree()
    assert edges == {(kind.__name__, kind.__bases__[0].__name__) for kind in ERROR_TYPES[1:]}
    assert codes.items() <= {kind.__name__: kind.code for kind in ERROR_TYPES}.items()
    assert {kind.__name__ for kind in ERROR_TYPES if not kind.__subclasses__()} <= codes.keys()


def test_errors_are_defined_in_errors_py_only() -> None:
    names = {kind.__name__ for kind in ERROR_TYPES}
    for package in (rag, ingest, api):
        for path in Path(package.__path__[0]).rglob("*.py"):
            if path == Path(errors.__file__) or "samples" in path.parts:
                continue
            classes = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ClassDef)]
            bases = {ast.unparse(base).rpartition(".")[2] for node in classes for base in node.bases}
            assert not bases & names, path


@each_error
def test_each_error_speaks_both_languages_with_the_same_placeholders(kind: type[SeogoError]) -> None:
    assert "__doc__" in vars(kind), "an inherited docstring is another error's message"
    assert kind.template_en()
    assert re.search("[가-힣]", KOREAN[kind.code])
    assert placeholders(kind.template_en()) == placeholders(KOREAN[kind.code])


def test_there_is_no_korean_message_without_an_error() -> None:
    assert KOREAN.keys() == {kind.code for kind in ERROR_TYPES}


def test_the_http_table_maps_every_error_and_nothing_else() -> None:
    assert STATUS.keys() == set(ERROR_TYPES)
    assert all(400 <= status <= 599 for status in STATUS.values())


@each_error
def test_formatting_never_raises_without_parameters(kind: type[SeogoError]) -> None:
    error = kind()
    for message in (str(error), localized(error, "ko"), localized(error, "en")):
        assert ("…" in message) >= bool(placeholders(kind.template_en()))
        assert "{" not in message


@each_error
@given(value=st.text() | st.integers() | st.floats())
def test_values_are_shown_as_they_are_even_with_braces(kind: type[SeogoError], value: str | int | float) -> None:
    names = placeholders(kind.template_en())
    error = kind(**dict.fromkeys(names, value))
    for message in (str(error), localized(error, "ko")):
        assert message.count(str(value)) >= len(names)


@each_error
def test_both_response_bodies_carry_code_status_and_the_language_asked_for(kind: type[SeogoError]) -> None:
    error = kind()
    body, openai = problem(error, "ko"), openai_error(error, "ko")["error"]
    assert (body["code"], body["status"], body["title"]) == (kind.code, STATUS[kind], localized(error, "ko"))
    assert (openai["code"], openai["message"]) == (kind.code, localized(error, "ko"))
    assert body["type"].endswith(kind.code)


@each_error
def test_a_code_leads_back_to_its_class(kind: type[SeogoError]) -> None:
    assert error_type_of(kind.code) is kind


def test_a_code_of_a_newer_release_is_told_as_an_internal_error() -> None:
    assert error_type_of("quantum_flux") is SeogoError
    for language in ("ko", "en"):
        assert "Seogo" in message_for("quantum_flux", {}, language) or "서고" in message_for(
            "quantum_flux", {}, language
        )


@pytest.mark.parametrize(
    ("header", "language"),
    [
        (None, "ko"),
        ("", "ko"),
        ("ko", "ko"),
        ("ko-KR,ko;q=0.9,en-US;q=0.8,en;q=0.7", "ko"),
        ("en-US,en;q=0.9,ko;q=0.8", "en"),
        ("EN-gb", "en"),
        ("en;q=0.2, ko;q=0.9", "ko"),
        ("ko,en", "ko"),
        ("en,ko", "en"),
        ("fr-FR, de;q=0.9", "ko"),
        ("fr, en;q=0.1", "en"),
        ("english", "ko"),
        ("*", "ko"),
        ("en;q=,ko;q=abc", "en"),
        (";;;,,q=", "ko"),
        ("en;q=0", "ko"),
        ("ko;q=0, en;q=0.1", "en"),
        ("en;q=nan, ko", "ko"),
        ("en;q=99, ko", "ko"),
        ("en;q=-1, fr", "ko"),
        ("en ; q=0.9 , ko ; q=0.2", "en"),
        ("ko;Q=0.1, en;Q=0.2", "en"),
    ],
)
def test_the_language_follows_accept_language(header: str | None, language: str) -> None:
    assert preferred_language(header) == language


@given(st.text(alphabet="enko-;,q=.0123 *\t", max_size=40) | st.text())
def test_no_header_breaks_the_language(header: str) -> None:
    assert preferred_language(header) in ("ko", "en")


def test_guards_are_called_by_words_of_the_users_language() -> None:
    assert {name for name in ALL_GUARDS if name not in GUARDS} == set()
    stopped = errors.GenerationStopped(name="house", guard="repetition")
    assert "같은 말의 반복" in localized(stopped, "ko") and "again and again" in localized(stopped, "en")
    assert "새 보호" in localized(errors.GenerationStopped(name="house", guard="새 보호"), "ko")


@pytest.mark.parametrize("reason", READ_REASONS)
def test_why_a_repository_was_not_read_is_told_in_the_language_of_the_reader(reason: str) -> None:
    korean, english = READ_REASONS[reason]
    values: dict[str, str | int | float] = {field: f"<{field}>" for field in placeholders(english)}
    error = errors.RepositoryNotRead.because(reason, name="결제", **values)
    assert placeholders(korean) == placeholders(english)
    assert re.search("[가-힣]", korean) and not re.search("[가-힣]", english)
    assert str(error) == localized(error, "en") and english.format(**values) in str(error)
    told = localized(error, "ko")
    assert korean.format(**values) in told and english.format(**values) not in told
    assert message_for(error.code, error.params, "ko") == told


def test_every_reason_that_is_given_is_known_and_none_is_written_out() -> None:
    given: set[str] = set()
    for package in (rag, ingest, api):
        for path in Path(str(package.__file__)).parent.rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            given |= set(re.findall(r"RepositoryNotRead\.because\(\s*\"(\w+)\"", text))
            assert not re.search(r"RepositoryNotRead\(", text.replace("class RepositoryNotRead(", "")), path
    assert given and given <= READ_REASONS.keys()


def test_why_a_repository_is_refused_or_too_large_is_told_in_korean() -> None:
    given: dict[str, set[str]] = {}
    for package in (rag, ingest, api):
        for path in Path(str(package.__file__)).parent.rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and ast.unparse(node.func) in ("RepositoryRefused", "RepositoryTooLarge"):
                    said = {item.arg: item.value for item in node.keywords if item.arg}
                    reason = said.get("reason")
                    assert isinstance(reason, ast.Constant), f"{path}:{node.lineno}"
                    given.setdefault(str(reason.value), set()).update(said)
    assert given.keys() == KOREAN_DETAILS.keys()
    for reason, korean in KOREAN_DETAILS.items():
        assert set(placeholders(korean)) <= given[reason] and re.search("[가-힣]", korean)
    refused = errors.RepositoryRefused(
        name="결제", detail="the host is none of ours", reason="host", host="evil.example"
    )
    assert "호스트 evil.example" in localized(refused, "ko") and "none of ours" not in localized(refused, "ko")
    assert "none of ours" in localized(refused, "en")
    large = errors.RepositoryTooLarge(name="결제", detail="more than 5 files", reason="max_files", limit=5)
    assert message_for(large.code, large.params, "ko").endswith("파일이 5개를 넘습니다(max_files)")


@pytest.mark.parametrize("package", ["embedding", "evaluation", "index", "reranking", "retrieval"])
def test_what_is_wrong_with_models_and_index_is_said_in_korean_too(package: str) -> None:
    """Whoever installs meets a folder or setting that is refused: an English clause in a Korean sentence is half a message."""
    untold = []
    for file in sorted((Path(rag.__file__).parent / package).glob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "ConfigurationError":
                given = {word.arg for word in node.keywords}
                if "detail" in given and "detail_ko" not in given:
                    untold.append(f"{file.name}:{node.lineno}")
    assert untold == []
