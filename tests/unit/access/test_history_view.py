"""Texts of a repository's history as a reader sees them: what nobody sees goes, what is hidden is masked, lines stay lines."""

from __future__ import annotations

import pytest

from rag.access.personal_data.reading import HistoryView, _View
from rag.domain.language import CollectionKind
from rag.domain.personal_data import PrivacyPolicy, Treatment

TURNED = '+if level != "user\u202e \u2066// admins\u2069 \u2066":\x1b[2J\u200b\U000e0041\n \t900101-\u200b1234567\n'


def view(policy: PrivacyPolicy, *, raw: bool = False) -> HistoryView:
    return HistoryView(_View(policy, CollectionKind.CODE, raw))


@pytest.mark.parametrize(
    ("policy", "raw", "number"),
    [
        (PrivacyPolicy(), False, "900101-1234567"),
        (PrivacyPolicy(Treatment.MASK), False, "900101-1******"),
        (PrivacyPolicy(Treatment.MASK), True, "900101-1234567"),
    ],
    ids=["shown", "masked", "raw"],
)
def test_a_patch_is_shown_as_it_is(policy: PrivacyPolicy, raw: bool, number: str) -> None:
    seen = view(policy, raw=raw)
    assert seen.text(TURNED) == f'+if level != "user // admins ":[2J\n \t{number}\n'
    assert seen.name("kim\u202e\x1b]0;x\x07") == "kim]0;x"


def test_what_a_policy_holds_back_is_not_shown() -> None:
    assert view(PrivacyPolicy(Treatment.BLOCK)).text(TURNED) is None


def test_figures_of_added_lines_are_no_telephones() -> None:
    patch = "@@ -1,2 +1,4 @@\n+20 2024-01-01\n+31 20240115 5000\n+255 1024 2048\n+20\n+3400\n+2800\n 3000\n"
    assert view(PrivacyPolicy(Treatment.MASK)).text(patch) == patch
    assert view(PrivacyPolicy(Treatment.BLOCK)).text(patch) == patch
