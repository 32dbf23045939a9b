from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.domain.language import CollectionKind, Language
from rag.domain.passage import LegScore
from rag.index.base import DENSE, LEARNED, SPARSE, LegHit
from rag.retrieval.fusion import SPREADS, FusedHit, FusionProfile, fuse, fuse_kinds, profile_for

PROSE = profile_for(Language.ENGLISH, CollectionKind.DOCUMENTS)
CODE = profile_for(Language.ENGLISH, CollectionKind.CODE)


def chunk(number: int) -> UUID:
    return UUID(int=number)


def leg(**scores: float) -> list[LegHit]:
    """Hits from `c7=0.5`: chunk 7 with score .5, best first."""
    hits = [LegHit(chunk(int(name[1:])), score) for name, score in scores.items()]
    return sorted(hits, key=lambda hit: (-hit.score, hit.chunk_id))


def order(hits: list[FusedHit]) -> list[int]:
    return [hit.chunk_id.int for hit in hits]


def by_chunk(hits: list[FusedHit]) -> dict[int, FusedHit]:
    return {hit.chunk_id.int: hit for hit in hits}


def test_the_formula() -> None:
    profile = FusionProfile(lexical=5.0, spread=0.1)
    hits = by_chunk(fuse({DENSE: leg(c1=0.6, c2=0.4), SPARSE: leg(c1=5.0, c2=10.0)}, profile, limit=2))
    assert hits[1].score == pytest.approx((0.6 + 0.5 * 0.5) / 1.5)
    assert hits[2].score == pytest.approx((0.4 + 0.5 * 1.0) / 1.5)


def test_every_hit_tells_where_it_stood() -> None:
    legs = {DENSE: leg(c1=0.6, c2=0.4), SPARSE: leg(c3=9.0, c1=5.0)}
    hits = by_chunk(fuse(legs, PROSE, limit=2))
    assert hits[1].legs == {DENSE: LegScore(1, 0.6), SPARSE: LegScore(2, 5.0)}
    assert hits[1].estimated == ()
    assert hits[2].legs == {DENSE: LegScore(2, 0.4)}
    assert hits[2].estimated == (SPARSE,)
    assert hits[3].estimated == (DENSE,)


def test_a_korean_question_without_dense_leg_keeps_the_lexical_order() -> None:
    hits = fuse({SPARSE: leg(c4=8.0, c2=9.0, c3=1.0)}, profile_for(Language.KOREAN, CollectionKind.DOCUMENTS), limit=3)
    assert order(hits) == [2, 4, 3]
    assert [hit.score for hit in hits] == pytest.approx([1.0, 8 / 9, 1 / 9])
    assert all(hit.estimated == () for hit in hits)


def test_a_question_without_lexical_hits_keeps_the_dense_order() -> None:
    assert order(fuse({DENSE: leg(c1=0.1, c2=0.7), SPARSE: []}, PROSE, limit=2)) == [2, 1]
    assert fuse({}, PROSE) == []


def test_on_code_the_dense_leg_leads_and_on_prose_the_lexical_one_can_overrule_it() -> None:
    legs = {DENSE: leg(c1=0.7, c2=0.45), SPARSE: leg(c2=10.0, c1=1.0)}
    assert order(fuse(legs, CODE, limit=2)) == [1, 2]
    assert order(fuse(legs, PROSE, limit=2)) == [2, 1]


def test_a_lexical_list_that_is_not_full_holds_all_so_missing_means_nothing() -> None:
    dense = leg(c1=0.5, c2=0.5, c3=0.5)
    open_list = by_chunk(fuse({DENSE: dense, SPARSE: leg(c1=10.0, c2=9.0)}, PROSE, limit=3))
    full_list = by_chunk(fuse({DENSE: dense, SPARSE: leg(c1=10.0, c2=9.0, c9=8.0)}, PROSE, limit=3))
    assert open_list[3].score == pytest.approx(0.5 / 1.5)
    assert full_list[3].score == pytest.approx((0.5 + 0.5 * 0.8) / 1.5)


def dense_and_lexical() -> dict[str, list[LegHit]]:
    """Ten hits in both lists, the cosine rising with the BM25 score; chunk 99 only in the lexical one, at the top."""
    both = range(1, 11)
    return {
        DENSE: leg(**{f"c{n}": 0.2 + 0.04 * n for n in both}),
        SPARSE: leg(c99=10.0, **{f"c{n}": float(n) - 0.5 for n in both}),
    }


def test_a_hit_that_has_no_dense_vector_is_not_buried() -> None:
    legs = dense_and_lexical()
    named = fuse(legs, PROSE, limit=10, without_dense={chunk(99)})
    unnamed = fuse(legs, PROSE, limit=10)
    assert order(named)[0] == 99
    assert by_chunk(named)[99].score > by_chunk(unnamed)[99].score
    assert order(unnamed).index(99) > 0


def test_it_is_found_out_when_the_dense_list_is_not_full() -> None:
    legs = dense_and_lexical()
    assert order(fuse(legs, PROSE, limit=11)) == order(fuse(legs, PROSE, limit=11, without_dense={chunk(99)}))
    assert order(fuse(legs, PROSE)) == order(fuse(legs, PROSE, limit=11))


def test_an_estimate_never_leaves_the_range_of_the_dense_scores() -> None:
    legs = dense_and_lexical()
    legs[SPARSE] = leg(c99=1000.0, **{f"c{n}": float(n) for n in range(1, 11)})
    assert by_chunk(fuse(legs, PROSE, limit=11))[99].score <= (0.6 + 0.5) / 1.5 + 1e-9


def with_term_weights() -> dict[str, list[LegHit]]:
    """The same hits, with term weights that rise as the cosines do."""
    return dense_and_lexical() | {LEARNED: leg(**{f"c{n}": 0.03 * n for n in range(1, 11)})}


def test_a_hit_of_which_the_model_has_made_nothing_is_not_buried_by_its_term_weights() -> None:
    legs = with_term_weights()
    named = fuse(legs, PROSE, limit=10, without_dense={chunk(99)})
    assert order(named)[0] == 99
    assert by_chunk(named)[99].estimated == (DENSE, LEARNED)
    assert order(fuse(legs, PROSE, limit=11)) == order(fuse(legs, PROSE, limit=11, without_dense={chunk(99)}))


def test_what_a_full_list_of_term_weights_lacks_stands_below_its_last_hit_and_not_at_nothing() -> None:
    profile = FusionProfile(lexical=1.0, spread=0.1, learned=2.0)
    dense = {DENSE: leg(c1=0.6, c2=0.5, c3=0.5), SPARSE: leg(c1=9.0, c2=9.0, c3=9.0)}
    full = by_chunk(fuse({**dense, LEARNED: leg(c1=0.4, c2=0.3, c9=0.3)}, profile, limit=3))
    assert full[2].score == pytest.approx(full[3].score)
    open_list = by_chunk(fuse({**dense, LEARNED: leg(c1=0.4, c2=0.3)}, profile, limit=3))
    assert open_list[2].score - open_list[3].score == pytest.approx(0.2 * (0.3 / 0.4) / 1.3)


def test_kinds_share_one_lexical_scale() -> None:
    found = {
        CollectionKind.DOCUMENTS: {SPARSE: leg(c1=20.0, c2=15.0)},
        CollectionKind.CODE: {SPARSE: leg(c3=2.0)},
    }
    assert order(fuse_kinds(found, Language.KOREAN, limit=5)) == [1, 2, 3]


def test_kinds_without_dense_vectors_do_not_overtake_those_with_them() -> None:
    found = {
        CollectionKind.CODE: {DENSE: leg(c1=0.7, c2=0.3), SPARSE: leg(c1=10.0, c2=2.0)},
        CollectionKind.DOCUMENTS: {DENSE: [], SPARSE: leg(c3=4.0)},
    }
    assert order(fuse_kinds(found, Language.ENGLISH, limit=5))[0] == 1


def test_an_unmeasured_model_takes_the_spread_of_its_own_list() -> None:
    assert profile_for(Language.ENGLISH, CollectionKind.CODE, "some-model").spread is None
    assert set(SPREADS.values()) == {0.1}
    narrow = {DENSE: leg(c1=0.82, c2=0.81, c3=0.80), SPARSE: leg(c3=10.0, c2=9.5)}
    wide = {DENSE: leg(c1=0.82, c2=0.51, c3=0.20), SPARSE: leg(c3=10.0, c2=9.5)}
    profile = profile_for(Language.ENGLISH, CollectionKind.DOCUMENTS, "some-model")
    assert order(fuse(narrow, profile, limit=3)) == order(fuse(wide, profile, limit=3))


def test_every_language_and_kind_has_a_profile() -> None:
    assert all(profile_for(language, kind).lexical > 0 for language in Language for kind in CollectionKind)


ids = st.integers(1, 12).map(chunk)
cosines = st.dictionaries(ids, st.floats(-1, 1), max_size=10)
bm25 = st.dictionaries(ids, st.floats(0.001, 100), max_size=10)


def hits_of(scores: dict[UUID, float]) -> list[LegHit]:
    return sorted((LegHit(key, score) for key, score in scores.items()), key=lambda hit: (-hit.score, hit.chunk_id))


@given(cosines, bm25, st.sampled_from(CollectionKind), st.integers(10, 20), st.sets(ids))
def test_all_hits_once_best_first_within_bounds(
    dense: dict[UUID, float], sparse: dict[UUID, float], kind: CollectionKind, limit: int, without: set[UUID]
) -> None:
    fused = fuse(
        {DENSE: hits_of(dense), SPARSE: hits_of(sparse)},
        profile_for(Language.ENGLISH, kind),
        limit=limit,
        without_dense=without,
    )
    assert {hit.chunk_id for hit in fused} == dense.keys() | sparse.keys()
    assert len(fused) == len({hit.chunk_id for hit in fused})
    assert fused == sorted(fused, key=lambda hit: (-hit.score, hit.chunk_id))
    assert all(-1.0 <= hit.score <= 1.0 + 1e-9 for hit in fused)
    assert all(set(hit.legs) | set(hit.estimated) <= {DENSE, SPARSE} and hit.legs for hit in fused)


@given(cosines, bm25, st.sampled_from(CollectionKind), st.integers(1, 1000))
def test_the_unit_of_the_lexical_scores_does_not_matter(
    dense: dict[UUID, float], sparse: dict[UUID, float], kind: CollectionKind, factor: int
) -> None:
    profile = profile_for(Language.ENGLISH, kind)
    scaled = {key: score * factor for key, score in sparse.items()}
    first = {h.chunk_id: h.score for h in fuse({DENSE: hits_of(dense), SPARSE: hits_of(sparse)}, profile, limit=10)}
    second = {h.chunk_id: h.score for h in fuse({DENSE: hits_of(dense), SPARSE: hits_of(scaled)}, profile, limit=10)}
    assert first == pytest.approx(second)


@given(st.dictionaries(ids, st.tuples(st.floats(0, 1), st.floats(0.1, 50)), min_size=2, max_size=10))
def test_a_hit_better_in_both_legs_is_never_below(scores: dict[UUID, tuple[float, float]]) -> None:
    legs = {
        DENSE: hits_of({key: pair[0] for key, pair in scores.items()}),
        SPARSE: hits_of({key: pair[1] for key, pair in scores.items()}),
    }
    place = {hit.chunk_id: hit.score for hit in fuse(legs, PROSE, limit=len(scores))}
    for first, (cosine, lexical) in scores.items():
        for second, (other_cosine, other_lexical) in scores.items():
            if cosine >= other_cosine and lexical >= other_lexical:
                assert place[first] >= place[second] - 1e-12
