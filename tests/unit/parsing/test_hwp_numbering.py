from __future__ import annotations

import time

import pytest

from ingest.parsing.hwp_equation import equation_text
from ingest.parsing.hwp_model import NumberLevel
from ingest.parsing.hwp_numbering import Counters, bullet_text, shown


@pytest.mark.parametrize(
    ("kind", "numbers"),
    [
        ("DIGIT", {1: "1", 12: "12"}),
        ("CIRCLED_DIGIT", {1: "①", 20: "⑳", 21: "21"}),
        ("ROMAN_CAPITAL", {4: "IV", 9: "IX", 14: "XIV", 1994: "MCMXCIV"}),
        ("ROMAN_SMALL", {3: "iii"}),
        ("LATIN_CAPITAL", {1: "A", 26: "Z", 27: "A"}),
        ("HANGUL_SYLLABLE", {1: "가", 14: "하", 15: "거"}),
        ("CIRCLED_HANGUL_SYLLABLE", {2: "㉯"}),
        ("HANGUL_JAMO", {3: "ㄷ"}),
        ("HANGUL_PHONETIC", {1: "일", 10: "십", 21: "이십일", 110: "백십"}),
        ("IDEOGRAPH", {5: "五", 234: "二百三十四"}),
        ("DECAGON_CIRCLE", {2: "을"}),
        ("무엇", {7: "7"}),
    ],
)
def test_digits(kind: str, numbers: dict[int, str]):
    assert {number: shown(number, kind) for number in numbers} == numbers


def test_numbers_out_of_range_stay_digits():
    assert [shown(number, "HANGUL_SYLLABLE") for number in (0, -3, 10_000)] == ["0", "-3", "10000"]


LEVELS = (
    NumberLevel("제^1장", "DIGIT", 3),
    NumberLevel("^1.^2", "DIGIT"),
    NumberLevel("^n", "DIGIT"),
    NumberLevel("^N", "DIGIT"),
    NumberLevel("", "DIGIT"),
)


def test_levels_begin_again_under_a_new_parent():
    counters = Counters({1: LEVELS, 2: LEVELS})
    labels = [counters.label(1, level) for level in (0, 1, 1, 0, 1, 2, 3)]
    assert labels == ["제3장", "3.1", "3.2", "제4장", "4.1", "4.1.1", "4.1.1.1."]
    assert counters.label(2, 0) == "제3장"


def test_levels_without_a_format_or_a_numbering_show_nothing():
    counters = Counters({1: LEVELS})
    assert [counters.label(1, 4), counters.label(1, 5), counters.label(9, 0), counters.label(1, -1)] == [""] * 4


def test_bullets_of_symbol_fonts_are_shown_by_letters_that_any_font_has():
    assert [bullet_text(bullet) for bullet in ("\uf06c", "\uf0fe", "\ue123", "※")] == ["●", "☑", "•", "※"]


@pytest.mark.parametrize(
    ("script", "text"),
    [
        ("{a+b} over {2}", "(a+b)/(2)"),
        ("x^2 + y_{1} LEQ 3", "x^2 + y_(1) ≤ 3"),
        (
            "E=mr  ^{2} = {nc  ^{2}} over {sqrt {1- {r ^{2}} over {d ^{2}}}}",
            "E=mr^(2) = (nc^(2))/(√(1- (r^(2))/(d^(2))))",
        ),
        ("lim _{TRIANGLE t -> 0} {{TRIANGLE s} over {TRIANGLE t}}", "lim_(△ t → 0) ((△ s)/(△ t))"),
        ("h image 2.5 ^{M _{2}}", "h ≒ 2.5^(M_(2))"),
        ("(abc) {pmatrix{p#q#r}} =(ab)", "(abc) (pmatrix(p; q; r)) =(ab)"),
        ("LEFT | a RIGHT | = {cases{a&(a GEQ 0)#-a&(a<0)}}", "| a | = (cases(a, (a ≥ 0); -a, (a<0)))"),
        ("A RARROW B rarrow C", "A ⇒ B → C"),
        ("eta = psi +- NU", "η = ψ ± Ν"),
        ('"단가" times "수량"', "단가 × 수량"),
        ("SIGMA ~ sigma``pi", "Σ σ π"),
        ("sqrt {x}#", "√(x)"),
        ("vec{F} cdot hat{n}", "vec(F) · hat(n)"),
        ("", ""),
    ],
)
def test_equations(script: str, text: str):
    assert equation_text(script) == text


@pytest.mark.parametrize(
    ("script", "text"),
    [
        ("pmatrix{1 & 2 # 3 & {4 over 5}}", "pmatrix(1, 2; 3, (4 / 5))"),
        ("PMATRIX {1 & 2}", "PMATRIX (1, 2)"),
        ("cases{ x & (x>0) # -x & (x<=0) }", "cases(x, (x>0); -x, (x<=0))"),
        ("eqalign{ y &= ax+b # &= 3x+5 }", "eqalign(y = ax+b; = 3x+5)"),
        ("eqalign{y&=ax # z=&b # u&>=v}", "eqalign(y=ax; z=b; u>=v)"),
        ("matrix{eqalign{a &= b} & {c & d}} e & f", "matrix(eqalign(a = b), (c, d)) e f"),
        ("P&L", "P L"),
        ('"P&L" = 3', "P&L = 3"),
    ],
)
def test_ampersand_parts_cells_and_aligns_lines(script: str, text: str):
    assert equation_text(script) == text


@pytest.mark.parametrize("blank", ["`", "~", " ` ", "&"])
def test_time_of_an_equation_grows_with_its_length(blank: str):
    """From each of a row of blanks all others were looked at: half a minute for these."""
    started = time.process_time()
    assert equation_text(f"a{blank * 40_000}b") == "a b"
    assert time.process_time() - started < 5
