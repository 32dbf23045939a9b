"""Text as nobody means it, in every text field of the native API: refused or kept, never a 500, never half lost."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.conftest import new_database
from tests.support.probing import api
from tests.support.running import Caller, running, settings_for

HOSTILE = {
    "NUL": "가\x00나",
    "half a surrogate pair": "a\ud800b",
    "halves the wrong way round": "\udc00\ud800",
    "not a character": "\uffff\ufdd0\U0010ffff",
    "direction": "\u202eabc\u2066\u200f",
    "invisible": "\u200b\ufeff\u2060\U000e0041\ufe0f",
    "decomposed": unicodedata.normalize("NFD", "취업규칙"),
    "controls": "\x01\x1b[31m\x7f\x85",
    "only spaces": " \u3000\u2003 ",
}
UNSTORABLE = ("NUL", "half a surrogate pair", "halves the wrong way round")
SCHEMA = api()


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        schema = SCHEMA["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def example_of(schema: dict[str, Any], text: str, depth: int = 0) -> Any:
    """A value of the schema in which every free text is `text`."""
    schema = resolved(schema)
    if "enum" in schema or "const" in schema:
        return schema.get("const", schema.get("enum", [None])[0])
    for choice in ("anyOf", "oneOf"):
        if choice in schema:
            real = [one for one in schema[choice] if one.get("type") != "null"]
            return example_of(real[0], text, depth)
    match schema.get("type"):
        case "string":
            formats = {
                "uuid": "00000000-0000-4000-8000-000000000000",
                "date-time": "2026-01-01T00:00:00Z",
                "date": "2026-01-01",
            }
            return formats.get(schema.get("format", ""), text)
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return False
        case "array":
            return [example_of(schema["items"], text, depth + 1)] if depth < 6 else []
        case "object" if schema.get("properties"):
            return (
                {name: example_of(one, text, depth + 1) for name, one in schema["properties"].items()}
                if depth < 6
                else {}
            )
        case "object":
            return {text: text} if depth < 6 else {}
    return text


def bodies(text: str) -> Iterator[tuple[str, str, Any]]:
    """Each operation of the native API with a JSON body, and the body: all its texts hostile, and all its required alone."""
    for path, operations in SCHEMA["paths"].items():
        for method, operation in operations.items():
            content = operation.get("requestBody", {}).get("content", {}).get("application/json")
            if content is None or not path.startswith(("/api/", "/continue")) or "/admin/" in path:
                continue
            schema = resolved(content["schema"])
            whole = example_of(schema, text)
            yield method.upper(), path, whole
            if isinstance(whole, dict):
                yield method.upper(), path, {name: whole[name] for name in schema.get("required", ()) if name in whole}


def sent(caller: Caller, method: str, path: str, body: Any) -> Any:
    """JSON with every character escaped, as only that way half a surrogate pair arrives."""
    raw = json.dumps(body, ensure_ascii=True).encode()
    return caller.request(method, path, content=raw, headers={"Content-Type": "application/json"})


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.slow)])
def owner(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    """An admin of a service on each store, without a model: texts are what matters here."""
    overrides: dict[str, Any] = {"rag": {"embedding": {"dense": "none"}}}
    if request.param == "postgres":
        cluster = request.getfixturevalue("postgres_cluster")
        overrides["rag"]["store"] = {"url": new_database(cluster)}
        overrides["ingest"] = {"queue_database_url": new_database(cluster)}
    with running(settings_for(tmp_path_factory.mktemp("texts"), overrides)) as service:
        caller = service.caller()
        caller.collection("선반")
        yield caller


@pytest.mark.parametrize("kind", HOSTILE)
def test_no_text_in_any_body_is_an_error_of_ours(owner: Caller, kind: str) -> None:
    count = 0
    for method, path, body in bodies(HOSTILE[kind]):
        address = path.replace("{name}", quote("선반")).replace(
            "{document_id}", "0" * 8 + "-0000-4000-8000-" + "0" * 12
        )
        if "{" in address:
            continue
        answer = sent(owner, method, address, body)
        count += 1
        assert answer.status_code < 500, (kind, method, path, answer.text)
        answer.content.decode("utf-8")
        assert answer.headers["content-type"].partition(";")[0] in ("application/json", "application/problem+json")
    assert count >= 15


@pytest.mark.parametrize("kind", HOSTILE)
def test_no_text_in_an_address_is_an_error_of_ours(owner: Caller, kind: str) -> None:
    text = quote(HOSTILE[kind].encode("utf-8", "surrogatepass"))
    for path in (
        f"/api/v1/collections/{text}",
        f"/api/v1/collections/{text}/documents",
        f"/api/v1/collections/{text}/glossary",
        f"/api/v1/documents/{text}",
        f"/api/v1/chunks/{text}",
        f"/api/v1/generations/{text}/files/{text}",
        f"/api/v1/search?question={text}&collections={text}&as_of={text}",
        f"/api/v1/receipts?document_id={text}&cursor={text}",
        f"/api/v1/feedback?purpose={text}&cursor={text}&since={text}",
        f"/api/v1/collections/{quote('선반')}/documents?cursor={text}&filter={text}&q={text}",
        f"/v1/models/{text}",
        f"/v1/vector_stores/{text}",
        f"/v1/files/{text}/content",
    ):
        answer = owner.get(path)
        assert answer.status_code < 500, (kind, path, answer.text)
        answer.content.decode("utf-8")


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_is_taken_comes_back_as_it_was(owner: Caller, kind: str) -> None:
    """A description, an attribute, a glossary's term: either a 422 and nothing changed, or the same text again."""
    text = HOSTILE[kind]
    before = owner.get(f"/api/v1/collections/{quote('선반')}").json()
    answer = sent(owner, "PATCH", f"/api/v1/collections/{quote('선반')}", {"description": text})
    after = owner.get(f"/api/v1/collections/{quote('선반')}").json()
    if answer.status_code == 200:
        assert kind not in UNSTORABLE and after["description"] == text.strip()
    else:
        assert answer.status_code == 422 and after == before
    entry = {"term": f"약어{kind}", "expansions": [f"x {text} x"], "note": ""}
    answer = sent(owner, "PUT", f"/api/v1/collections/{quote('선반')}/glossary", {"terms": [entry]})
    assert answer.status_code in (200, 422), answer.text
    if kind in UNSTORABLE:
        assert answer.status_code == 422


def trimmed(text: str) -> str:
    """`text` without white space at its ends, as Unicode has it; Python also strips the separators U+001C to U+001F."""
    spaces = "".join(char for char in map(chr, range(0x3001)) if char.isspace() and not 0x1C <= ord(char) <= 0x1F)
    return text.strip(spaces)


# The threads of the service in this process use `random` while Hypothesis draws.
@pytest.mark.filterwarnings("ignore:Do not use the `random` module:hypothesis.errors.HypothesisDeprecationWarning")
@given(text=st.text(max_size=40))
@example(text="\x00")
@example(text="\x1d")
@example(text="\ud83d")
@example(text="😀")
@example(text="\ud83d\ude00")
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_description_is_kept_or_refused(owner: Caller, text: str) -> None:
    answer = sent(owner, "PATCH", f"/api/v1/collections/{quote('선반')}", {"description": text})
    if answer.status_code == 200:
        stored = owner.get(f"/api/v1/collections/{quote('선반')}").json()["description"]
        assert stored == trimmed(text.encode("utf-16", "surrogatepass").decode("utf-16"))
    else:
        assert answer.status_code == 422, answer.text
        assert "\x00" in text or any(unicodedata.category(char) == "Cs" for char in text)
