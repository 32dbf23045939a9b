"""Paths of source files: globs, modules that they are imported as, and whether they hold tests."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from rag.text.linear_pattern import LinearPattern

_TESTS = re.compile(
    r"(?:^|/)(?:tests?|__tests__|spec|specs|testing)/"
    r"|(?:^|/)(?:test_[^/]*|conftest)\.py$|_test\.(?:py|go|rb|c|cc|cpp|rs|exs?)$|_spec\.rb$"
    r"|[./](?:test|spec)\.[cm]?[jt]sx?$|(?:Tests?|IT|Spec)\.(?:java|kt|cs|scala|groovy|swift|php)$",
)
"""Conventions of pytest, unittest, Go, RSpec, Jest and Vitest, JUnit, NUnit, PHPUnit."""
_MAGIC = re.compile(r"[*?\[]")
ENTRY = ("__init__", "index", "mod", "__main__", "lib", "main")
"""Names of the file that stands for its folder: Python, JavaScript, Rust."""
_SEPARATORS = re.compile(r"::|[./\\]+")


def is_test_path(path: str) -> bool:
    """Whether a file holds tests, by the conventions of its language."""
    return _TESTS.search(path) is not None


def literal_prefix(glob: str) -> str:
    """The folders before the first part of a glob that matches more than one name: `src/login/` of `src/login/*.py`."""
    found = _MAGIC.search(glob)
    head = glob if found is None else glob[: found.start()]
    return head if found is None else head[: head.rfind("/") + 1]


@lru_cache(maxsize=256)
def glob_pattern(glob: str) -> LinearPattern:
    """A pattern for whole paths that the glob holds for.

    `**` is any number of folders, `*` and `?` stay inside one; a glob without a slash holds in any folder; one without
    anything to match is a file or a folder with all that lies in it.

    Raises:
        PatternRefused: it is none.
    """
    glob = glob.strip().removeprefix("./").lstrip("/")
    if not _MAGIC.search(glob):
        named = LinearPattern.literal(glob.rstrip("/"))
        return LinearPattern.of(named + "(?:/(?s:.*))?") if glob.strip("/") else LinearPattern.of("(?s:.*)")
    return LinearPattern.of("".join(_translated(glob if "/" in glob else f"**/{glob}")))


def _translated(glob: str) -> Iterator[str]:
    place = 0
    while place < len(glob):
        rest = glob[place:]
        if rest.startswith("**/"):
            yield "(?:[^/]+/)*"
            place += 3
        elif rest.startswith("**"):
            yield "(?s:.*)"
            place += 2
        elif rest[0] == "[" and (end := rest.find("]", 2)) > 0:
            inside = rest[1:end].replace("\\", "\\\\").replace("[", "\\[")
            yield f"[^/{inside[1:]}]" if inside[0] in "!^" else f"[{inside}]"
            place += end + 1
        else:
            yield {"*": "[^/]*", "?": "[^/]"}.get(rest[0]) or LinearPattern.literal(rest[0])
            place += 1


@lru_cache(maxsize=4096)
def module_parts(path: str) -> tuple[str, ...]:
    """Folders and name of a file as an import would call it: `a`, `b` of `a/b.py` and of `a/b/__init__.py`."""
    parts = path.split("/")
    name = parts[-1].split(".")[0] or parts[-1]
    folders = tuple(part for part in parts[:-1] if part)
    return folders if name in ENTRY and folders else (*folders, name)


@lru_cache(maxsize=16_384)
def import_parts(module: str) -> tuple[str, ...]:
    """Parts of a module as it is written: `payments`, `gateway` of `payments.gateway`, `./gateway.js`, `payments::gateway`."""
    if "/" in module or module.startswith("."):
        module = re.sub(r"\.(?:[cm]?[jt]sx?|h|hpp|hh|css|php|rb|sh|sql)$", "", module)
    else:
        module = re.sub(r"\.(?:h|hpp|hh|inc)$", "", module)
    parts = _SEPARATORS.split(module.strip("\"'<> "))
    return tuple(part for part in parts if part and part not in ("crate", "self", "super", "*"))


def imports_file(module: str, name: str, path: str) -> bool:
    """Whether an import of `name` from `module` may be one of the file at `path`, by the ends of both.

    Java and Kotlin import the class that a file is called after, Go a folder, Python a module or a name of a package.
    """
    target, given = module_parts(path), import_parts(module)
    if not given:  # `from . import login`
        return bool(target) and target[-1] == name
    wanted = [given, (*given, name)] if name and given[-1] != name else [given]
    folder = tuple(path.split("/")[:-1])
    return any(_ends(target, parts) for parts in wanted) or (path.endswith((".go", ".cs")) and _ends(folder, given))


def _ends(path: tuple[str, ...], module: tuple[str, ...]) -> bool:
    """Whether all of a module stands at the end of a path, or all of the path but its first part (the repository) at the end
    of the module, which may begin with a domain or a root package."""
    common = 0
    for one, other in zip(reversed(path), reversed(module), strict=False):
        if one != other:
            break
        common += 1
    return common > 0 and (common == len(module) or common >= max(1, len(path) - 1))
