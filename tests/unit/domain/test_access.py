"""The algebra of access rules, for all rules and readers."""

from __future__ import annotations

from itertools import product
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.domain.access import (
    EVERYONE,
    MAX_SUBJECTS,
    AccessRule,
    EffectiveRule,
    GivenRule,
    Label,
    Reader,
    Role,
    Subject,
    SubjectKind,
    attribute,
    group,
    highest,
    user,
)
from rag.domain.errors import InvalidRequest

ids = st.integers(0, 4).map(lambda number: UUID(int=number))
subjects = st.one_of(
    ids.map(user),
    ids.map(group),
    st.builds(attribute, st.sampled_from(["부서", "dept"]), st.sampled_from(["인사", "HR", "a=b"])),
    st.just(EVERYONE),
)
labels = st.sampled_from(list(Label))
rules = st.builds(AccessRule, st.frozensets(subjects, max_size=3), st.frozensets(subjects, max_size=3), labels)
readers = st.builds(Reader, st.frozensets(subjects, max_size=4), labels, st.booleans())
FAR = UUID(int=99)


@given(rules, readers)
def test_deny_wins_over_everything(rule: AccessRule, reader: Reader) -> None:
    if rule.deny & reader.subjects:
        assert not rule.permits(reader)


@given(rules, readers)
def test_no_clearance_no_reading_whoever_asks(rule: AccessRule, reader: Reader) -> None:
    if reader.clearance.rank < rule.label.rank:
        assert not rule.permits(reader)


@given(rules, readers)
def test_what_is_left_is_the_list_of_readers(rule: AccessRule, reader: Reader) -> None:
    if not rule.deny & reader.subjects and reader.clearance.covers(rule.label):
        assert rule.permits(reader) == (not rule.allow or reader.curates or bool(rule.allow & reader.subjects))


@given(rules, readers, st.frozensets(subjects, max_size=3))
def test_denying_more_never_opens(rule: AccessRule, reader: Reader, more: frozenset[Subject]) -> None:
    if AccessRule(rule.allow, rule.deny | more, rule.label).permits(reader):
        assert rule.permits(reader)


@given(rules, readers)
def test_a_higher_label_never_opens(rule: AccessRule, reader: Reader) -> None:
    for label in Label:
        if label.rank >= rule.label.rank and AccessRule(rule.allow, rule.deny, label).permits(reader):
            assert rule.permits(reader)


@given(st.lists(rules, max_size=4), readers)
def test_every_level_must_permit(levels: list[AccessRule], reader: Reader) -> None:
    effective = EffectiveRule.of(levels)
    permitted = effective is None or effective.permits(reader)
    assert permitted == all(level.permits(reader) for level in levels)


@given(st.lists(rules, max_size=3), rules, readers)
def test_what_lies_inside_is_never_more_open(levels: list[AccessRule], inner: AccessRule, reader: Reader) -> None:
    outside, inside = EffectiveRule.of(levels), EffectiveRule.of([*levels, inner])
    if inside is None or inside.permits(reader):
        assert outside is None or outside.permits(reader)


@given(st.lists(rules, min_size=1, max_size=3))
def test_a_rule_comes_back_from_its_text_and_the_text_is_its_identity(levels: list[AccessRule]) -> None:
    effective = EffectiveRule.of(levels)
    if effective is None:
        assert all(level.trivial for level in levels)
        return
    assert EffectiveRule.parse(effective.text) == effective
    assert effective.label == max((level.label for level in levels), key=lambda label: label.rank)
    twin = EffectiveRule.of([AccessRule.from_json(level.to_json()) for level in levels])
    assert twin is not None and twin.id_in(FAR) == effective.id_in(FAR)
    assert effective.id_in(FAR) != effective.id_in(UUID(int=98))


@given(rules)
def test_a_trivial_rule_holds_nobody_back(rule: AccessRule) -> None:
    nobody = Reader(frozenset(), Label.OPEN)
    if rule.trivial:
        assert rule.permits(nobody) and AccessRule.from_json(None) == rule


@given(subjects)
def test_a_subject_comes_back_from_its_text(subject: Subject) -> None:
    assert Subject.parse(subject.text) == subject


@pytest.mark.parametrize(
    "text",
    ["", "user", "user:", "user:kim", "group:1", "everyone:", "everyone:x", "attribute:", "attribute:dept",
     "attribute:=x", "attribute:dept=", "attribute:a=\x00", "attribute:a=" + "x" * 300, "root:1"],
)  # fmt: skip
def test_what_names_nobody_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest):
        Subject.parse(text)


def test_roles_include_those_before_them() -> None:
    for one, other in product(Role, Role):
        assert one.includes(other) == (list(Role).index(one) >= list(Role).index(other))
    assert highest([]) is None and highest([None]) is None
    assert highest([Role.VIEWER, None, Role.CURATOR]) is Role.CURATOR


def test_an_id_is_written_in_one_way() -> None:
    assert Subject.parse("user:" + "0" * 31 + "1").value == str(UUID(int=1))
    assert Subject(SubjectKind.EVERYONE).text == "everyone"


names = st.lists(st.text(st.characters(exclude_characters="\x00"), min_size=1, max_size=20), max_size=4)


@given(names, names, labels)
def test_a_rule_as_somebody_states_it_comes_back(allow: list[str], deny: list[str], label: Label) -> None:
    stated = {"allow": allow, "deny": deny, "label": label.value}
    rule = GivenRule.from_json(stated)
    assert rule.to_json() == stated
    assert rule.trivial == (not allow and not deny and label is Label.OPEN)


def test_what_is_not_stated_holds_nobody_back() -> None:
    assert GivenRule.from_json({}) == GivenRule() and GivenRule().trivial
    assert GivenRule.from_json({"allow": ["group:인사팀"]}).allow == ("group:인사팀",)


@pytest.mark.parametrize(
    ("stated", "named"),
    [
        (None, "access"), ([], "access"), ("allow", "access"), ({"allow": [], "role": "admin"}, "access"),
        ({"label": "비밀"}, "access.label"), ({"label": None}, "access.label"),
        ({"allow": "user:kim"}, "access.allow"), ({"allow": None}, "access.allow"), ({"deny": [1]}, "access.deny"),
        ({"deny": [""]}, "access.deny"), ({"deny": ["user:a\x00"]}, "access.deny"),
        ({"deny": ["user:" + "가" * 1000]}, "access.deny"), ({"allow": ["user:a"] * (MAX_SUBJECTS + 1)}, "access.allow"),
    ],
)  # fmt: skip
def test_what_is_no_rule_is_refused_with_its_place(stated: Any, named: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        GivenRule.from_json(stated)
    assert refused.value.params["detail"].startswith(f"{named}:")
