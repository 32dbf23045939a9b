"""Weights learned where the answer is known: one leg is right, the other is misled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from api.cli.evaluation import rows_to_store
from rag.domain.language import CollectionKind, Language
from rag.domain.vectors import Embeddings
from rag.embedding.base import Role
from rag.embedding.space import EmbeddingSpace
from rag.evaluation import tuning
from rag.evaluation.judging import Judge
from rag.evaluation.questions import Expected, Question
from rag.evaluation.tuning import Tuned, fetch, first_half, learned, of_both_kinds, tune
from rag.retrieval.fusion import LearnedWeights, profile_for
from rag.retrieval.understanding import QuestionContext
from rag.retrieval.weights import stored_weights
from rag.settings import RetrievalSettings
from rag.store import fusion_weight
from rag.store.base import utc_now
from rag.store.fusion_weight import FusionWeight
from rag.store.session import Database
from tests.support.hash_embedder import HashEmbedder
from tests.support.shelf import Shelf, shelf

GROUP = (Language.ENGLISH, CollectionKind.DOCUMENTS)


class FirstWordEmbedder(HashEmbedder):
    """Texts that begin with the same word have the same direction, nearly."""

    def __init__(self) -> None:
        super().__init__(dense=True)
        self.name = "first-word"

    def embed(self, texts: Sequence[str], role: Role) -> Embeddings:
        whole = super().embed(texts, role).dense
        topic = super().embed([text.split()[0] for text in texts], role).dense
        assert whole is not None and topic is not None
        mixed = topic + np.float32(0.05) * whole
        return Embeddings(dense=mixed / np.linalg.norm(mixed, axis=1, keepdims=True))


def questions(filled: Shelf, count: int) -> list[Tuned]:
    """Tune on `count` questions: the first word leads to the document, its other words to a page that repeats them."""
    found = [Question(f"q{n}", f"topic{n} limit{n} fee{n}", (Expected((f"right{n}.md",)),), n) for n in range(count)]
    judged, problems = Judge(filled.database, filled.policy, filled.permit()).judge(found)
    assert problems == []
    return tune(filled.retriever, fetch(filled.retriever, judged))


def stored(space: str, group: tuple[Language, CollectionKind], lexical: float) -> FusionWeight:
    language, kind = group
    values = {"lexical": lexical, "learned": 2.0, "learned_on": "문항 (40)", "measured_at": utc_now()}
    return FusionWeight(space=space, kind=kind, language=language, **values)


def misled(database: Database, count: int) -> Shelf:
    filled = shelf(database, EmbeddingSpace(HashEmbedder(), FirstWordEmbedder()))
    manuals = filled.collection("설명서")
    for number in range(count):
        filled.add(manuals, f"right{number}.md", [f"topic{number} answer stands here in full"])
        filled.add(manuals, f"decoy{number}.md", [f"decoy{number} limit{number} fee{number}"])
    return filled


def test_the_leg_that_is_right_gets_the_weight(sqlite: Database) -> None:
    filled = misled(sqlite, 40)
    [found] = questions(filled, 40)
    assert (found.language, found.kind, found.questions, found.reason) == (*GROUP, 40, "")
    now, chosen = found.now, found.chosen
    assert now is not None and chosen is not None and found.gain is not None
    assert chosen.lexical < now.lexical == profile_for(*GROUP).lexical
    assert found.after > found.before + 0.2
    assert found.gain.low > 0
    assert learned([found]) == {GROUP: chosen}
    with sqlite.write() as session:
        fusion_weight.put(session, rows_to_store([found], filled.space.name, "문항.xlsx"))
    assert stored_weights(sqlite, filled.space.name) == {GROUP: chosen}
    with sqlite.read() as session:
        assert [row.learned_on for row in fusion_weight.all_weights(session)] == ["문항.xlsx (40)"]


def fusing(filled: Shelf, method: str) -> Shelf:
    retriever = filled.retriever
    settings = RetrievalSettings.model_validate({**retriever.settings.model_dump(), "fusion": method})
    filled.retriever = replace(retriever, settings=settings)
    return filled


def test_weights_are_learned_on_the_fusion_that_will_be_used(sqlite: Database) -> None:
    """Reciprocal ranks put the right page first as they are; by scores the same questions ask for other weights."""
    filled = misled(sqlite, 40)
    [by_scores] = questions(filled, 40)
    [by_ranks] = questions(fusing(filled, "rrf"), 40)
    assert (by_scores.reason, by_ranks.reason) == ("", "the_same")
    found = filled.retriever.search(filled.permit(), "topic3 limit3 fee3", limit=2).passages
    assert found[0].source.source_key == "right3.md"
    assert by_ranks.before == pytest.approx(1.0) and by_scores.before < 0.7
    assert learned([by_ranks]) == {}


def test_what_learns_by_ranks_is_stored_with_the_fusion(sqlite: Database) -> None:
    """Pages that repeat the question stand just behind the right ones by the model, and far before them by the words."""
    filled = fusing(misled(sqlite, 40), "rrf")
    for number in range(40):
        text = f"topic{number} limit{number} fee{number} stand on another page"
        filled.add(filled.collection(f"더 {number}"), f"near{number}.md", [text])
    [found] = questions(filled, 40)
    assert (found.reason, found.taken) == ("", True)
    assert found.chosen is not None and found.chosen.lexical < profile_for(*GROUP).lexical
    assert found.after > found.before + 0.1
    [row] = rows_to_store([found], filled.space.name, "문항.xlsx", "rrf")
    assert (row.learned_on, row.lexical) == ("문항.xlsx (40, rrf)", found.chosen.lexical)


def test_a_fusion_without_weights_teaches_nothing(sqlite: Database) -> None:
    [found] = questions(fusing(misled(sqlite, 24), "dbsf"), 24)
    assert (found.reason, found.taken, found.chosen) == ("unweighted", False, None)


@pytest.mark.parametrize("method", ["rrf", "dbsf"])
def test_lists_fused_here_are_what_the_engine_gives(sqlite: Database, method: str) -> None:
    """Code and documents together, with texts that the model made nothing of, under several weights."""
    filled = misled(sqlite, 30)
    code = filled.collection("코드", kind="code")
    for number in range(30):
        filled.add_code(code, f"src/topic{number}.py", f"topic{number} limit{number} = fee{number % 7}")
    korean = filled.collection("규정")
    for number in range(12):
        filled.add(korean, f"{number}.md", [f"topic{number} 한도 limit{number} 수수료"], language=Language.KOREAN)
    fusing(filled, method)
    for scope in (filled.permit(), filled.permit(code), filled.permit(korean)):
        for lexical in (0.5, 5.0, 12.0):
            weights = {(Language.ENGLISH, kind): LearnedWeights(lexical, 2.0) for kind in CollectionKind}
            tuned = replace(filled.retriever, weights=weights)
            for number in range(5):
                text = f"topic{number} limit{number} fee{number}"
                here = filled.retriever.fused(tuned.raw_lists(scope, text), weights)
                reading = tuned.understander.read(scope, text, QuestionContext())
                engine = tuned._fused(reading.permit, tuned._wordings(reading), reading.language)
                assert [hit.chunk_id for hit in here] == [hit.chunk_id for hit in engine], (lexical, text)
                assert [hit.score for hit in here] == pytest.approx([hit.score for hit in engine])


@pytest.mark.parametrize(("lexical", "first"), [(0.0, "right3.md"), (50.0, "decoy3.md")])
def test_retrieval_uses_what_was_stored_for_its_space_only(sqlite: Database, lexical: float, first: str) -> None:
    filled = misled(sqlite, 30)
    with sqlite.write() as session:
        fusion_weight.put(session, [stored(filled.space.name, GROUP, lexical)])
    weights = stored_weights(sqlite, filled.space.name)
    assert weights == {GROUP: LearnedWeights(lexical, 2.0)}
    tuned = replace(filled.retriever, weights=weights)
    passages = tuned.search(filled.permit(), "topic3 limit3 fee3", limit=1).passages
    assert [passage.source.source_key for passage in passages] == [first]
    assert stored_weights(sqlite, "another space") == {}


def test_weights_are_replaced_and_forgotten(database: Database) -> None:
    for lexical in (1.0, 3.0):
        with database.write() as session:
            fusion_weight.put(session, [stored("공간", (Language.KOREAN, CollectionKind.CODE), lexical)])
    assert stored_weights(database, "공간") == {(Language.KOREAN, CollectionKind.CODE): LearnedWeights(3.0, 2.0)}
    with database.write() as session:
        assert fusion_weight.reset(session, "공간") == 1
    assert stored_weights(database, "공간") == {}


def test_few_questions_teach_nothing(sqlite: Database) -> None:
    [found] = questions(misled(sqlite, 12), 12)
    assert (found.reason, found.taken, learned([found])) == ("too_few", False, {})


def test_with_one_leg_there_is_nothing_to_choose(sqlite: Database) -> None:
    filled = shelf(sqlite, EmbeddingSpace(HashEmbedder(), None))
    manuals = filled.collection("설명서")
    for number in range(24):
        filled.add(manuals, f"right{number}.md", [f"topic{number} answer"])
    [found] = questions(filled, 24)
    assert (found.reason, found.taken) == ("one_leg", False)


def test_weights_that_are_the_best_already_are_left_alone(sqlite: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuning, "LEXICAL_GRID", (0.0, 1.0))
    filled = misled(sqlite, 24)
    [found] = questions(filled, 24)
    assert found.chosen is not None
    filled.retriever = replace(filled.retriever, weights={GROUP: found.chosen})
    [again] = questions(filled, 24)
    assert (again.reason, again.chosen, learned([again])) == ("the_same", found.chosen, {})


def test_the_halves_depend_on_the_question_alone() -> None:
    halves = [first_half(f"질문 {number}") for number in range(200)]
    assert 70 < sum(halves) < 130
    assert halves == [first_half(f"질문 {number}") for number in range(200)]


@pytest.mark.parametrize("kind", list(CollectionKind))
def test_learned_weights_come_before_the_shipped_ones(kind: CollectionKind) -> None:
    weights = {(Language.ENGLISH, kind): LearnedWeights(0.25, 4.0)}
    found = profile_for(Language.ENGLISH, kind, weights=weights)
    assert (found.lexical, found.learned) == (0.25, 4.0)
    assert profile_for(Language.KOREAN, kind, weights=weights) == profile_for(Language.KOREAN, kind)


def test_questions_across_kinds_are_counted_and_not_used(sqlite: Database) -> None:
    filled = misled(sqlite, 3)
    filled.add(filled.collection("코드", kind="code"), "cli.py", ["def main(): pass"])
    expected = (Expected(("right0.md",)), Expected(("cli.py",)))
    judged, _ = Judge(filled.database, filled.policy, filled.permit()).judge(
        [Question("q", "topic0 main", expected, 2)]
    )
    listed = fetch(filled.retriever, judged)
    assert of_both_kinds(listed) == 1
    assert tune(filled.retriever, listed) == []
