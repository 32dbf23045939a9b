from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.text.code import defined_names, defined_words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("def writeBoolean(self, n):\n    if (x) {", "write boolean"),
        ("public static <T> List<T> getAll(int a, String b) throws IOException {", "get all"),
        ("func (s *Server) HandleRequest(w http.ResponseWriter) error {", "handle request"),
        ("export const fetchUser = async (id) => {", "fetch user"),
        ("int main(int argc, char **argv)\n{", "main"),
        ("pub fn parse_config(path: &Path) -> Result<Config> {", "parse config"),
        ("create or replace function calc_tax(a int)", "calc tax"),
        ("class FooBar:\n  def a(self): ...\n  def b_c(self): ...\n  def d(self): ...", "foo bar a b c"),
        ("private async Task<int> CountAsync(int a) {\n while (x) {", "count async"),
        ("} else if (x > 1) {\n return f(x) {", ""),
        ("x = 1", ""),
    ],
)
def test_names_as_words(text: str, words: str) -> None:
    assert defined_words(text) == words


def test_names_in_order_and_once() -> None:
    assert defined_names("def b(): ...\ndef a(): ...\ndef b(): ...") == ["b", "a"]


@pytest.mark.parametrize(
    "text", ["a " * 9000, "a\n" * 9000, " " * 18000, "(" * 9000, "a b(c d" * 2000, "x<" * 9000, "public " * 3000]
)
def test_hostile_texts_take_no_time(text: str) -> None:
    start = time.perf_counter()
    defined_words(text)
    assert time.perf_counter() - start < 2.0


@given(st.text())
def test_any_text_gives_words_on_one_line(text: str) -> None:
    assert "\n" not in defined_words(text)
