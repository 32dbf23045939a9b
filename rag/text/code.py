"""What a piece of code is about, in words: the line that embedders should see above it."""

from __future__ import annotations

import re

_NAMES = """
python py pyi pyw|javascript js mjs cjs jsx|typescript ts tsx mts cts|java java|kotlin kt kts|go go|rust rs|c c h
c++ cc cpp cxx hpp hh hxx ipp|c# cs|php php phtml|ruby rb rake gemspec|scala scala|swift swift|objective-c m|lua lua|r r
julia jl|perl pl|shell sh bash zsh ksh|powershell ps1|sql sql ddl pks pkb plsql|protobuf proto|cobol cob cbl cpy
abap abap|html html htm xhtml|css css scss less|vue vue|dart dart|elixir ex exs|erlang erl|haskell hs|clojure clj
groovy groovy gradle|terraform tf|yaml yaml yml|toml toml|json json jsonc|xml xml
"""
LANGUAGE_NAMES: dict[str, str] = {
    suffix: name
    for line in _NAMES.strip().split("\n")
    for name, *suffixes in (entry.split() for entry in line.split("|"))
    for suffix in suffixes
}
"""Name of a programming language as people write it in a question, by file suffix."""
DATA_LANGUAGES = frozenset({"json", "yaml", "toml", "xml", "html", "css"})
"""Those among them in which no programs are written."""
CASELESS_LANGUAGES = frozenset({"cobol", "abap", "sql"})
"""Those in which `Z_SETTLE` and `z_settle` are one name."""

_MODIFIERS = (
    r"(?:(?:export|default|public|private|protected|internal|static|final|abstract|async|override|virtual|inline"
    r"|pub(?:\([^)\n]*\))?|unsafe|data|sealed|open|suspend|partial)[ \t]+)*"
)
_KEYWORDS = r"(?:def|class|function\*?|func|fun|fn|interface|struct|enum|trait|module|object|record|impl|sub)"
_OF_TYPE = r"[\w<>\[\],.*&:?@]+[ \t]+"
_DEFINITIONS = (
    re.compile(rf"^[ \t]*{_MODIFIERS}{_KEYWORDS}[ \t]+(?:\([^)\n]*\)[ \t]*)?([A-Za-z_$][\w$]*)", re.MULTILINE),
    re.compile(
        rf"^(?![ \t]*(?:return|else|throw|new)\b)[ \t]*(?:{_OF_TYPE})+\*?([A-Za-z_]\w*)[ \t]*"
        r"\([^;{}()]*\)[^;{}()=]{0,80}\{",
        re.MULTILINE,
    ),
    re.compile(
        r"^[ \t]*(?:export[ \t]+)?(?:const|let|var)[ \t]+(\w+)[ \t]*=[ \t]*(?:async[ \t]*)?(?:\([^)\n]*\)|\w+)[ \t]*=>",
        re.MULTILINE,
    ),
    re.compile(
        r"^[ \t]*CREATE[ \t]+(?:OR[ \t]+REPLACE[ \t]+)?(?:TABLE|VIEW|FUNCTION|PROCEDURE|TRIGGER)[ \t]+"
        r"(?:IF[ \t]+NOT[ \t]+EXISTS[ \t]+)?[\"`\[]?(\w+)",
        re.MULTILINE | re.IGNORECASE,
    ),
)
"""`def f`, `func (r *T) F`, `class C`; `int f(int a) {`; `const f = (a) =>`; `CREATE TABLE t`."""
_STATEMENTS = frozenset(
    ("if", "for", "while", "switch", "catch", "return", "else", "do", "new", "throw", "using", "lock", "when")
)
_HUMPS = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")
_SAMPLE = 8000
_MAX_NAMES = 3


def defined_names(text: str) -> list[str]:
    """Names of the functions, methods and types that `text` defines, in order, each once; common languages, by pattern."""
    sample = text[:_SAMPLE]
    found = sorted((match.start(1), match[1]) for pattern in _DEFINITIONS for match in pattern.finditer(sample))
    return list(dict.fromkeys(name for _, name in found if name not in _STATEMENTS))


def defined_words(text: str) -> str:
    """The first three names that `text` defines, as words: `write boolean` for `def writeBoolean(self)`."""
    return " ".join(word.lower() for name in defined_names(text)[:_MAX_NAMES] for word in _HUMPS.findall(name))
