from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.text.code import code_summary, defined_names


@pytest.mark.parametrize(
    ("text", "suffix", "summary"),
    [
        ("def writeBoolean(self, n):\n    if (x) {", "py", "python write boolean"),
        ("public static <T> List<T> getAll(int a, String b) throws IOException {", ".java", "java get all"),
        ("func (s *Server) HandleRequest(w http.ResponseWriter) error {", "go", "go handle request"),
        ("export const fetchUser = async (id) => {", "ts", "typescript fetch user"),
        ("int main(int argc, char **argv)\n{", "c", "c main"),
        ("pub fn parse_config(path: &Path) -> Result<Config> {", "rs", "rust parse config"),
        ("create or replace function calc_tax(a int)", "SQL", "sql calc tax"),
        ("class FooBar:\n  def a(self): ...\n  def b_c(self): ...\n  def d(self): ...", "py", "python foo bar a b c"),
        ("private async Task<int> CountAsync(int a) {\n while (x) {", "cs", "c# count async"),
        ("} else if (x > 1) {\n return f(x) {", "java", "java"),
        ("x = 1", "py", "python"),
        ("x = 1", "unknown", ""),
    ],
)
def test_language_and_names_as_words(text: str, suffix: str, summary: str) -> None:
    assert code_summary(text, suffix) == summary


def test_names_in_order_and_once() -> None:
    assert defined_names("def b(): ...\ndef a(): ...\ndef b(): ...") == ["b", "a"]


@pytest.mark.parametrize(
    "text", ["a " * 9000, "a\n" * 9000, " " * 18000, "(" * 9000, "a b(c d" * 2000, "x<" * 9000, "public " * 3000]
)
def test_hostile_texts_take_no_time(text: str) -> None:
    start = time.perf_counter()
    code_summary(text, "py")
    assert time.perf_counter() - start < 2.0


@given(st.text(), st.text(max_size=5))
def test_any_text_has_a_summary_of_one_line(text: str, suffix: str) -> None:
    assert "\n" not in code_summary(text, suffix)
