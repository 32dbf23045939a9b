"""A company rule through the service: found by the number of its articles, cited by paragraph and item."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from api.cli.commands import place
from rag.retrieval.reranking import SecondLook
from tests.support.running import SAMPLES, Caller, Running

STATUTE = """제1장 총칙

제12조(등록) ① 대부업자는 시ㆍ도지사에게 등록하여야 한다.
② 등록의 유효기간은 3년으로 한다.

제12조의2(등록의 제한) ① 다음 각 호의 어느 하나에 해당하는 자는 등록할 수 없다.
1. 미성년자
2. 「형법」 제257조를 위반하여 벌금형을 선고받은 자
② 제1항제2호의 기간은 5년으로 한다.

제13조(검사) 금융감독원장은 제12조제1항에 따라 등록한 자를 검사할 수 있다. 같은 조 제2항의 기간에 따라 한다.
"""


@pytest.fixture(scope="module")
def caller(service: Running) -> Caller:
    made = service.caller(language="ko")
    name = made.collection("rules")
    files = {"취업규칙.docx": (SAMPLES / "취업규칙.docx").read_bytes(), "대부업법.txt": STATUTE.encode()}
    documents = made.ingest(name, files, timeout_s=180)
    assert {item["version"]["state"] for item in documents} == {"active"}
    return made


def ask(caller: Caller, question: str) -> dict[str, Any]:
    answer: dict[str, Any] = caller.post("/api/v1/answers", json={"question": question}).json()
    assert answer["status"] == "answered", answer["abstention"]
    return answer


@pytest.mark.parametrize(
    ("question", "source", "provision"),
    [
        ("위험직무를 담당하는 직원의 명령휴가는 1회에 연속 며칠 동안 실시하나요?", "취업규칙.docx", "제25조의2제1항"),
        ("징계 처분에 이의가 있으면 며칠 이내에 재심을 청구해야 하나요?", "취업규칙.docx", "제68조제1항"),
        ("대부업 등록의 유효기간은 몇 년인가요?", "대부업법.txt", "제12조제2항"),
    ],
)
def test_a_sentence_is_cited_by_its_paragraph(caller: Caller, question: str, source: str, provision: str) -> None:
    citation = ask(caller, question)["sentences"][0]["citations"][0]
    assert (citation["source_key"], citation["provision"]) == (source, provision)
    assert place(citation).startswith(f"{source} {provision}, ")


@pytest.mark.parametrize(
    ("question", "source", "provision"),
    [
        ("제12조의2에서 등록할 수 없는 자는 누구인가요?", "대부업법.txt", "제12조의2제1항–제2항"),
        ("취업규칙 제25조의2는 무슨 내용인가요?", "취업규칙.docx", "제25조의2제1항–제5항"),
        ("제 68 조의 내용을 알려 주세요", "취업규칙.docx", "제68조제1항–제3항"),
    ],
)
def test_a_question_that_names_an_article_finds_it(caller: Caller, question: str, source: str, provision: str) -> None:
    first = caller.search(question)[0]
    assert (first["source_key"], first["provision"]) == (source, provision)


class BlindToNumbers:
    """A reranker as cross-encoders are: all articles are alike to it, the one that was asked for by its number a little less."""

    name = "blind"
    max_tokens = 1000

    def score(self, query: str, passages: Sequence[str], *, deadline: float | None = None) -> list[float]:
        return [0.78 if "미성년자" in passage else 0.8 for passage in passages]


def test_an_article_keeps_its_lead_when_a_reranker_has_read_it(caller: Caller, service: Running) -> None:
    retriever = service.services.rag.retriever
    before = retriever.second_look
    object.__setattr__(retriever, "second_look", SecondLook(BlindToNumbers(), 50, 5000))
    try:
        first, *others = caller.search("제12조의2에서 등록할 수 없는 자는 누구인가요?")
    finally:
        object.__setattr__(retriever, "second_look", before)
    assert (first["provision"], first["rerank"]) == ("제12조의2제1항–제2항", 0.78)
    assert first["boosts"] == {"provision": 0.1} and "provision" not in first["legs"]
    assert {item["rerank"] for item in others} == {0.8}


def test_an_answer_about_an_article_quotes_that_article(caller: Caller) -> None:
    sentences = ask(caller, "취업규칙 제25조의2는 무슨 내용인가요?")["sentences"]
    assert sentences[0]["citations"][0]["provision"].startswith("제25조의2제")


def test_a_passage_tells_what_it_refers_to(caller: Caller) -> None:
    [passage] = [item for item in caller.search("금융감독원장의 검사") if item["provision"] == "제13조"]
    chunk = caller.get(f"/api/v1/chunks/{passage['chunk_id']}").json()
    assert chunk["provision"] == "제13조"
    assert chunk["references"] == ["제12조제1항", "제12조제2항"]


def test_openai_annotations_name_the_provision(caller: Caller) -> None:
    body = {"model": "rag/rules", "messages": [{"role": "user", "content": "대부업 등록의 유효기간은 몇 년인가요?"}]}
    message = caller.post("/v1/chat/completions", json=body).json()["choices"][0]["message"]
    titles = [item["url_citation"]["title"] for item in message["annotations"]]
    assert any("제12조제2항 (" in title for title in titles), titles


def test_a_stranger_learns_no_provision(service: Running, caller: Caller) -> None:
    chunk = caller.search("등록의 유효기간")[0]["chunk_id"]
    stranger = service.caller(language="ko")
    refused = stranger.get(f"/api/v1/chunks/{chunk}")
    assert refused.status_code == 404
    assert "제12조" not in refused.text
    assert stranger.search("제12조 등록의 유효기간") == []
