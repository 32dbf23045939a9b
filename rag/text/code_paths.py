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
_HAS_ENTRY = re.compile(r"\.(?:pyi?|[cm]?[jt]sx?|vue|svelte|rs)$")
_NO_FOLDERS = frozenset({"crate", "self", "super", "*", "@", "~", "#"})
"""What stands in an import for the root of the package, as compilers and bundlers have it."""
_SOURCES = frozenset({"src", "lib", "app", "main", "kotlin", "java", "scala", "php", "classes", "sources"})
"""Folders at which the path of a package begins."""
_ROOT_LEFT_OUT = re.compile(r"\.(?:rs|php|kts?|scala)$")
"""Files whose folders need not repeat the root of their package: a crate's name, the prefix of PSR-4, Kotlin's common root."""
_MEMBERS = re.compile(r"\.(?:java|kts?|scala|groovy)$")
"""Files of classes whose members can be imported by their own names: `import static bank.Gateway.charge`."""
_BY_PACKAGE = re.compile(r"\.(?:kts?|scala|groovy)$")
"""Files that are called as they like: what they define is imported from the package that their folder is."""
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
    return folders if folders and is_entry(path) else (*folders, name)


def is_entry(path: str) -> bool:
    """Whether a file stands for its folder; in the languages that know such files alone: `lib.h` is a file like any other."""
    return path.rpartition("/")[2].split(".")[0] in ENTRY and _HAS_ENTRY.search(path) is not None


@lru_cache(maxsize=16_384)
def import_parts(module: str) -> tuple[str, ...]:
    """Parts of a module as it is written: `payments`, `gateway` of `payments.gateway`, `@/payments/gateway.js`,
    `./payments/gateway/index`, `payments::gateway`."""
    by_path = "/" in module or module.startswith(".")
    if by_path:
        module = re.sub(r"\.(?:[cm]?[jt]sx?|h|hpp|hh|css|php|rb|sh|sql)$", "", module)
    else:
        module = re.sub(r"\.(?:h|hpp|hh|inc)$", "", module)
    parts = tuple(part for part in _SEPARATORS.split(module.strip("\"'<> ")) if part and part not in _NO_FOLDERS)
    return parts[:-1] if by_path and parts and parts[-1] == "index" else parts


@lru_cache(maxsize=16_384)
def imported_name(module: str, name: str) -> str:
    """What an import brings, of a row of the symbol index: `name`, or of a module that is taken whole its own name.

    The index has such a module under its last part, as dots and slashes part it: `js` of `./gateway.js`, `crate::gateway`.
    """
    if module != name and (not module.endswith(name) or module[: -len(name)][-1:] not in (".", "/", "\\", ":")):
        return name
    parts = import_parts(module)
    return parts[-1] if parts else name


def imports_file(module: str, name: str, path: str) -> bool:
    """Whether an import of `name` from `module` may be one of the file at `path`, by the ends of both.

    Java imports the class that a file is called after, Kotlin whatever a file of the package has, Go a folder, Python a module
    or a name of a package.
    """
    target, given = module_parts(path), import_parts(module)
    if not given:  # `from . import login`, `use crate::Login`
        return bool(target) and (target[-1] == name or is_entry(path))
    wanted = [given, (*given, name)] if name and given[-1] != name else [given]
    folder = tuple(path.split("/")[:-1])
    if path.endswith((".go", ".cs")) and _ends(folder, given):
        return True
    packages = [given[:-1]] if _BY_PACKAGE.search(path) and len(given) > 1 and given[-1] == name else []
    if _MEMBERS.search(path) and len(given) > 1 and given[-1] == name:
        wanted.append(given[:-1])
    if any(_ends(target, parts) for parts in wanted) or any(_ends(folder, parts) for parts in packages):
        return True
    if not _ROOT_LEFT_OUT.search(path):
        return False
    return any(_below_sources(target, parts) for parts in wanted) or any(_below_sources(folder, p) for p in packages)


def _below_sources(path: tuple[str, ...], module: tuple[str, ...]) -> bool:
    """Whether a module ends with all of a path that lies below the folder of the sources; that folder itself is the root."""
    places = [place for place, part in enumerate(path) if part in _SOURCES]
    if not places:
        return False
    inside = path[places[-1] + 1 :]
    return len(module) == 1 if not inside else module[-len(inside) :] == inside


def _ends(path: tuple[str, ...], module: tuple[str, ...]) -> bool:
    """Whether all of a module stands at the end of a path, or all of the path but its first part (the repository) at the end
    of the module, which may begin with a domain or a root package."""
    common = 0
    for one, other in zip(reversed(path), reversed(module), strict=False):
        if one != other:
            break
        common += 1
    return common > 0 and (common == len(module) or common >= max(1, len(path) - 1))
