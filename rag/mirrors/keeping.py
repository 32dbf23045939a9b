"""Commits that a mirror keeps alive whatever the remote does, because versions on record name them: `refs/seogo/<hash>`.

A forced push takes commits from every branch. What answers still, or did once, must go on to open at the commit that it names;
what no version names any more must go.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from rag.domain.errors import RepositoryNotRead
from rag.mirrors import git
from rag.mirrors.mirror import Mirror

_KEPT = "refs/seogo"


def keep(mirror: Mirror, commit: str) -> None:
    """Keep a commit alive with all that belongs to it, also when a forced push takes it from every branch."""
    git.run(mirror.folder, "update-ref", f"{_KEPT}/{commit}", commit, name=mirror.name)


def kept(mirror: Mirror) -> set[str]:
    """The commits that are kept alive."""
    out = git.run(mirror.folder, "for-each-ref", "--format=%(objectname)", _KEPT, name=mirror.name)
    return set(out.decode().split())


def let_go(mirror: Mirror, commits: Iterable[str]) -> None:
    """Keep these no longer: git clears them away, some time, where no branch or tag holds them."""
    _fed(mirror, [f"delete {_KEPT}/{commit}" for commit in commits], "update-ref", "--stdin")


def keep_only(mirror: Mirror, commits: Collection[str], *, timeout_s: float) -> set[str]:
    """Keep these commits and no others; returns those that were let go.

    One that is not here is passed over: the mirror was made anew after the remote had lost it. Where what was let go is in no
    branch or tag either, it is cleared away at once. Only for whoever alone writes into the mirror: what a fetch has received
    and named by no ref yet would be cleared away, too.

    Args:
        timeout_s: longest time for clearing away, which writes all packs anew.

    Raises:
        RepositoryNotRead, RepositoryUnreachable: git failed, or took too long. Repeating it is safe.
    """
    held = kept(mirror)
    for commit in _there(mirror, sorted(set(commits) - held)):
        keep(mirror, commit)
    released = held - set(commits)
    if released:
        let_go(mirror, sorted(released))
        if _fed(mirror, sorted(released), "rev-list", "--max-count=1", "--stdin", "--not", "--all"):
            git.run(mirror.folder, "gc", "--quiet", "--prune=now", name=mirror.name, timeout_s=timeout_s)
    return released


def _there(mirror: Mirror, commits: Sequence[str]) -> list[str]:
    """Those of these commits that the mirror has."""
    if not commits:
        return []
    lines = _fed(mirror, commits, "cat-file", "--batch-check=%(objectname) %(objecttype)").decode().splitlines()
    return [commit for commit, _, kind in (line.partition(" ") for line in lines) if kind == "commit"]


def _fed(mirror: Mirror, lines: Sequence[str], *arguments: str) -> bytes:
    """What a command prints that reads these lines."""
    with git.started(mirror.folder, *arguments, reads=True) as process:
        out, complaint = process.communicate("".join(f"{line}\n" for line in lines).encode())
    if process.returncode != 0:
        raise RepositoryNotRead.because("git_said", name=mirror.name, said=git.said(complaint))
    return out
