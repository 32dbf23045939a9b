"""Commits that a mirror keeps alive whatever the remote does, because versions on record name them: `refs/seogo/<hash>`.

A forced push takes commits from every branch. What answers still, or did once, must go on to open at the commit that it names,
and what lay beside it there must go: such a commit is kept in part, as a commit of the files alone whose versions name it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator

from rag.domain.errors import RepositoryNotRead
from rag.mirrors import git
from rag.mirrors.mirror import Mirror

_KEPT = "refs/seogo/"


def keep(mirror: Mirror, commit: str) -> None:
    """Keep a commit alive with all that belongs to it, also when a forced push takes it from every branch."""
    git.run(mirror.folder, "update-ref", f"{_KEPT}{commit}", commit, name=mirror.name)


def kept(mirror: Mirror) -> dict[str, str]:
    """The commits that are kept alive, each with what stands for it: itself, or a commit of a part of its files."""
    out = git.run(mirror.folder, "for-each-ref", "--format=%(refname)%00%(objectname)", _KEPT, name=mirror.name)
    rows = (line.partition("\0") for line in out.decode().splitlines())
    return {name.removeprefix(_KEPT): found for name, _, found in rows}


def let_go(mirror: Mirror, commits: Iterable[str]) -> None:
    """Keep these no longer: git clears them away, some time, where no branch or tag holds them."""
    _fed(mirror, (f"delete {_KEPT}{commit}\n" for commit in commits), "update-ref", "--stdin")


def standing_for(mirror: Mirror, commit: str) -> str:
    """The commit to read a kept file from: the one that it names, or the one that holds what is kept of that.

    Raises:
        RefNotFound: the mirror has neither: it was made anew after the remote had lost the commit.
    """
    try:
        found = git.run(mirror.folder, "rev-parse", "--verify", "--quiet", f"{_KEPT}{commit}", name=mirror.name)
    except RepositoryNotRead:
        return mirror.resolve(commit)
    return found.decode().strip()


def keep_only(
    mirror: Mirror,
    commits: Collection[str],
    paths_of: Callable[[str], Collection[str]],
    *,
    indexed: str,
    timeout_s: float,
) -> bool:
    """Keep these commits and no others, and of those that no branch, tag or `indexed` leads to the files alone that versions
    name; returns whether something was cleared away.

    A commit that is not here is passed over: the mirror was made anew after the remote had lost it. Only for whoever alone
    writes into the mirror: what a fetch has received and named by no ref yet would be cleared away, too.

    Args:
        paths_of: the files whose versions name a commit.
        indexed: commit that the index holds; empty for none. It is kept as well, and whole.
        timeout_s: longest time for clearing away, which writes all packs anew.

    Raises:
        RepositoryNotRead, RepositoryUnreachable: git failed, or took too long. Repeating it is safe.
    """
    held, wanted = kept(mirror), {*commits, *([indexed] if indexed else [])}
    for commit in _there(mirror, wanted - held.keys()):
        keep(mirror, commit)
        held[commit] = commit
    lost = _led_to_by_none(mirror, held, indexed)
    released = held.keys() - wanted
    let_go(mirror, sorted(released))
    parts = [
        item for item in sorted(held.keys() & wanted & lost) if _keep_part(mirror, item, held[item], paths_of(item))
    ]
    if not parts and not released & lost:
        return False
    git.run(mirror.folder, "gc", "--quiet", "--prune=now", name=mirror.name, timeout_s=timeout_s)
    return True


def _there(mirror: Mirror, commits: Collection[str]) -> list[str]:
    """Those of these commits that the mirror has."""
    if not commits:
        return []
    asked = (f"{commit}\n" for commit in sorted(commits))
    lines = _fed(mirror, asked, "cat-file", "--batch-check=%(objectname) %(objecttype)").decode().splitlines()
    return [commit for commit, _, kind in (line.partition(" ") for line in lines) if kind == "commit"]


def _led_to_by_none(mirror: Mirror, held: dict[str, str], indexed: str) -> set[str]:
    """The kept commits that no branch, tag or `indexed` leads to; those that are kept in part already among them."""
    named = "".join(f"{found}\n" for found in held.values()) + (f"^{indexed}\n" if indexed else "")
    found = set(_fed(mirror, [named], "rev-list", "--stdin", "--not", "--branches", "--tags").decode().split())
    return {commit for commit, stands in held.items() if stands in found}


def _keep_part(mirror: Mirror, commit: str, stands: str, paths: Collection[str]) -> bool:
    """Let a commit of these files stand for a kept one; returns whether that holds less than what stood for it."""
    tree, named = mirror.tree(stands), set(paths)
    part = [entry for entry in tree if entry.path in named]
    if stands != commit and len(part) == len(tree):
        return False

    def stream() -> Iterator[str]:
        yield f"commit {_KEPT}{commit}\ncommitter seogo <seogo@localhost> 0 +0000\ndata 0\n"
        for entry in part:
            path = entry.path.replace("\\", "\\\\").replace('"', '\\"')
            yield f'M {entry.mode} {entry.blob} "{path}"\n'

    _fed(mirror, stream(), "fast-import", "--quiet", "--force")
    return True


def _fed(mirror: Mirror, lines: Iterable[str], *arguments: str) -> bytes:
    """What a command prints that reads these lines."""
    with git.started(mirror.folder, *arguments, reads=True) as process:
        out, complaint = process.communicate("".join(lines).encode())
    if process.returncode != 0:
        raise RepositoryNotRead.because("git_said", name=mirror.name, said=git.said(complaint))
    return out
