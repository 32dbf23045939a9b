from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.domain.errors import PatternRefused
from rag.text.code_paths import glob_pattern, imports_file, is_test_path, literal_prefix
from rag.text.linear_pattern import LinearPattern


@pytest.mark.parametrize(
    ("pattern", "literals"),
    [
        (r"foo\.bar", ("foo.bar",)),
        (r"def (approve|reject)\(", ("approve", "reject")),
        (r"a+bc?def", ("def",)),
        (r"(abc)+d", ("abc",)),
        (r"(abc)?xyz", ("xyz",)),
        (r"x|abc", ()),
        (r"결제|승인", ("결제", "승인")),
        (r"[a-z]+Service\b", ("Service",)),
        (r"(?i)charge", ("charge",)),
        (r"(?i)tokens", ("to",)),
        (r"a{0}bcd", ("bcd",)),
        (r"\Qa.b\E", ()),
        (r"\x41bc", ()),
    ],
)
def test_what_every_match_holds(pattern: str, literals: tuple[str, ...]) -> None:
    assert LinearPattern.of(pattern).literals == literals


PIECES = st.sampled_from(
    [
        "ab",
        "c",
        "(ab|cd)",
        "(?:abc)?",
        "a*",
        "b+",
        "[ab]+",
        ".",
        "(ab)+",
        "c{2}",
        "a{0,2}",
        "\\w",
        "\\.",
        "|",
        "(?i:Ab)",
        "^",
        "$",
    ]
)


@given(st.lists(PIECES, max_size=6).map("".join), st.text("abcABC.\n", max_size=30), st.booleans())
def test_no_match_is_lost_by_the_literals(pattern: str, text: str, fold: bool) -> None:
    try:
        found = LinearPattern.of(pattern, ignore_case=fold)
    except PatternRefused:
        return
    for start, end in found.spans(text):
        held, wanted = text[start:end], found.literals
        if found.ignores_case:
            held, wanted = held.lower(), tuple(item.lower() for item in wanted)
        assert not wanted or any(item in held for item in wanted), (pattern, held)


def test_lines_are_left_only_by_patterns_that_say_so() -> None:
    assert list(LinearPattern.of(r"a[^x]*b").spans("a1\n2b a3b")) == [(6, 9)]
    assert list(LinearPattern.of(r"a\n\w").spans("a\nb")) == [(0, 3)]
    assert list(LinearPattern.of(r"(?s)a.b").spans("a\nb")) == [(0, 3)]
    assert list(LinearPattern.of(r"^가나$").spans("다\n가나\n라")) == [(2, 4)]


@pytest.mark.parametrize("pattern", [r"(?<=a)b", r"(a)\1", "(", "a" * 1001, "", r"((a{1,500}){1,500}){1,500}"])
def test_patterns_that_are_refused_say_why(pattern: str) -> None:
    with pytest.raises(PatternRefused) as caught:
        LinearPattern.of(pattern)
    assert str(caught.value.params["detail"])


@pytest.mark.parametrize(
    ("glob", "path", "holds"),
    [
        ("*.py", "a/b/c.py", True),
        ("src/**/*.py", "src/c.py", True),
        ("src/**/*.py", "src/x/y/c.py", True),
        ("src/*.py", "src/x/c.py", False),
        ("src/login", "src/login/a.py", True),
        ("src/login", "src/login2/a.py", False),
        ("src/결제/**", "src/결제/승인.py", True),
        ("[!a]*.py", "b.py", True),
        ("[!a]*.py", "a.py", False),
        ("a.c", "abc", False),
        ("**/**/**/**/**/**/**/**/x", "a/" * 40 + "y", False),
    ],
)
def test_globs(glob: str, path: str, holds: bool) -> None:
    assert glob_pattern(glob).holds(path) is holds


def test_a_glob_that_is_none_is_refused() -> None:
    with pytest.raises(PatternRefused):
        glob_pattern("src/[z-a].py")
    assert literal_prefix("src/login/*.py") == "src/login/"
    assert literal_prefix("src/lo*/a.py") == "src/"
    assert literal_prefix("src/login/a.py") == "src/login/a.py"


@pytest.mark.parametrize(
    ("module", "name", "path", "expected"),
    [
        ("payments.gateway", "charge", "bank/src/payments/gateway.py", True),
        ("payments", "gateway", "bank/src/payments/gateway.py", True),
        ("payments", "gateway", "bank/src/payments/__init__.py", True),
        (".", "gateway", "bank/src/payments/gateway.py", True),
        ("./gateway.js", "", "web/src/gateway.ts", True),
        ("../lib/login", "", "web/src/lib/index.ts", False),
        ("kr.bank.pay.Charge", "Charge", "pay/src/main/java/kr/bank/pay/Charge.java", True),
        ("kr.bank.pay", "Charge", "pay/src/main/java/kr/bank/pay/Charge.java", True),
        ("git.bank.kr/team/pay/gateway", "gateway", "pay/gateway/client.go", True),
        ("billing.gateway", "charge", "bank/src/payments/gateway.py", False),
        ("crate::limits", "Checker", "bank/src/limits.rs", True),
        ("limits.h", "limits", "core/include/limits.h", True),
    ],
)
def test_imports_name_files(module: str, name: str, path: str, expected: bool) -> None:
    assert imports_file(module, name, path) is expected


@pytest.mark.parametrize(
    "path",
    [
        "a/test_x.py",
        "tests/x.py",
        "pay/x_test.go",
        "src/test/java/XTest.java",
        "web/x.spec.ts",
        "web/__tests__/x.js",
        "x_spec.rb",
    ],
)
def test_files_of_tests(path: str) -> None:
    assert is_test_path(path)
    assert not is_test_path("src/contest/latest.py") and not is_test_path("src/Testing.javax")
