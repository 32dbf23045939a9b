"""Which programming language a file is in, by its name and, where that says nothing, its first line."""

from __future__ import annotations

import re

from rag.text.code import LANGUAGE_NAMES

_BY_NAME = {
    "makefile": "make", "gnumakefile": "make", "dockerfile": "dockerfile", "containerfile": "dockerfile",
    "jenkinsfile": "groovy", "rakefile": "ruby", "gemfile": "ruby", "vagrantfile": "ruby", "podfile": "ruby",
    "cmakelists.txt": "cmake", "sconstruct": "python", "sconscript": "python", "wscript": "python", "build": "python",
    "build.bazel": "python", "workspace": "python", ".bashrc": "shell", ".bash_profile": "shell", ".profile": "shell",
    ".zshrc": "shell", ".babelrc": "json", ".eslintrc": "json", ".prettierrc": "json", "pipfile": "toml",
    "cargo.lock": "toml", "poetry.lock": "toml", "uv.lock": "toml", "composer.lock": "json", "pipfile.lock": "json",
}  # fmt: skip
_SHEBANG = re.compile(r"#!\s*(?:\S*/)?(?:env\s+(?:-\S+\s+|\w+=\S*\s+)*)?(?:\S*/)?([A-Za-z]+)")
_INTERPRETERS = {
    "python": "python", "sh": "shell", "bash": "shell", "dash": "shell", "ksh": "shell", "zsh": "shell",
    "node": "javascript", "deno": "typescript", "bun": "typescript", "ruby": "ruby", "php": "php", "perl": "perl",
    "lua": "lua", "rscript": "r",
}  # fmt: skip
_CPP_ONLY = re.compile(
    r"^\s*(?:class\s+\w|namespace\b|template\s*<|using\s+\w|public:|private:|protected:)", re.MULTILINE
)
_SAMPLE = 20_000


def language_of(name: str, text: str) -> str:
    """Name of the language as in `rag.text.code.LANGUAGE_NAMES`; empty when nothing tells."""
    base = name.replace("\\", "/").rpartition("/")[2].lower()
    if base in _BY_NAME:
        return _BY_NAME[base]
    stem, dot, suffix = base.rpartition(".")
    found = LANGUAGE_NAMES.get(suffix, "") if dot else ""
    if found == "c" and suffix == "h" and _CPP_ONLY.search(text[:_SAMPLE]):
        return "c++"
    if found:
        return found
    if stem in _BY_NAME:  # Dockerfile.prod
        return _BY_NAME[stem]
    shebang = _SHEBANG.match(text)
    return _INTERPRETERS.get(shebang[1].lower(), "") if shebang else ""
