"""A git repository of a bank's login with two tags, as a mirror, and the rows that its synchronisation would have made."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from uuid import UUID, uuid4

from rag.mirrors.mirror import Mirror, mirror_at
from rag.store.collection import Collection
from rag.store.repository import Repository, RepositoryFile
from tests.support.shelf import Shelf

LOGIN_OLD = '''"""로그인."""

MAX_FAILURES = 5
LIMIT = 3_000_000


def login(user: str, password: str) -> str:
    """비밀번호를 확인하고 세션을 연다."""
    if not verify(user, password):
        raise PermissionError(user)
    return open_session(user)
'''
LOGIN_NEW = '''"""로그인."""

MAX_FAILURES = 3
LIMIT = 3_000_000


def login(user: str, password: str, otp: str) -> str:
    """비밀번호와 일회용 암호를 확인하고 세션을 연다."""
    if not verify(user, password) or not verify_otp(user, otp):
        raise PermissionError(user)
    return open_session(user)
'''
REPORT_OLD = 'def monthly_report(rows):\n    """월간 보고서를 만든다."""\n    return sorted(rows)\n'
REPORT_NEW = 'def monthly_report(rows):\n    """월간 보고서를 만든다."""\n    return sorted(rows, reverse=True)\n'
SALARY_OLD = "RAISE = 2  # 임금 인상률 로그인\n"
SALARY_NEW = "RAISE = 4  # 임금 인상률 로그인\n"
OLD = {
    "src/login.py": LOGIN_OLD,
    "src/report.py": REPORT_OLD,
    "hr/salary.py": SALARY_OLD,
    "src/old_name.py": "".join(f"LINE_{n} = {n}\n" for n in range(20)),
    "src/gone.py": "LEGACY = True\n",
}
NEW = {
    "src/login.py": LOGIN_NEW,
    "src/report.py": REPORT_NEW,
    "hr/salary.py": SALARY_NEW,
    "src/new_name.py": "".join(f"LINE_{n} = {n}\n" for n in range(20)).replace("LINE_3 = 3", "LINE_3 = 33"),
}


def git(folder: Path, *arguments: str) -> str:
    """What a command prints."""
    who = {f"GIT_{role}_{part}": text for role in ("AUTHOR", "COMMITTER") for part, text in _WHO.items()}
    environment = {**os.environ, **who, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    done = subprocess.run(["git", "-C", str(folder), *arguments], env=environment, capture_output=True, check=True)
    return done.stdout.decode()


_WHO = {"NAME": "김개발", "EMAIL": "kim@bank.example", "DATE": "2026-01-02T03:04:05+09:00"}


def commit(folder: Path, files: Mapping[str, str | bytes | None], message: str, tag: str = "") -> str:
    """Write files (None deletes one), commit all, and tag it; returns the hash."""
    for name, content in files.items():
        path = folder / name
        if content is None:
            path.unlink()
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", message)
    if tag:
        git(folder, "tag", "-m", tag, tag)
    return git(folder, "rev-parse", "HEAD").strip()


def working_tree(folder: Path) -> Path:
    """The repository: tag `v1.4`, three commits, tag `v1.5`."""
    folder.mkdir(parents=True)
    git(folder, "init", "-q", "-b", "main")
    commit(folder, OLD, "처음", tag="v1.4")
    commit(folder, {"hr/salary.py": SALARY_NEW}, "임금 협상 결과")
    commit(folder, {"src/login.py": LOGIN_NEW}, "로그인에 2단계 인증을 더한다\n\n감사 지적 사항")
    moved = {"src/new_name.py": NEW["src/new_name.py"], "src/old_name.py": None, "src/gone.py": None}
    commit(folder, {"src/report.py": REPORT_NEW, **moved}, "보고서 정렬, 이름 바꾸기", tag="v1.5")
    return folder


def mirrored(root: Path, identity: UUID, source: Path, name: str) -> Mirror:
    """A mirror of it, without a network."""
    mirror = mirror_at(root, identity, name)
    root.mkdir(parents=True, exist_ok=True)
    git(source, "clone", "-q", "--mirror", str(source), str(mirror.folder))
    return mirror


def indexed(
    shelf: Shelf, collection: Collection, root: Path, source: Path, *, name: str = "payments", ref: str = "v1.5"
) -> tuple[UUID, dict[str, UUID]]:
    """Repository and documents as they are after a synchronisation at `ref`; ids of the repository and, by path, of its files."""
    identity = uuid4()
    mirror = mirrored(root, identity, source, name)
    at = mirror.resolve(ref)
    documents: dict[str, UUID] = {}
    for entry in mirror.tree(at):
        content = mirror.file(at, entry.path) or b""
        documents[entry.path] = shelf.add_code(collection, f"{name}/{entry.path}", content.decode(), commit=at)
    with shelf.database.write() as session:
        session.add(
            Repository(
                id=identity,
                tenant_id=collection.tenant_id,
                collection_id=collection.id,
                name=name,
                url=str(source),
                ref=ref,
                commit=at,
                head=at,
            )
        )
        session.flush()
        session.add_all(
            RepositoryFile(
                repository_id=identity,
                path=entry.path,
                blob=entry.blob,
                size=entry.size,
                document_id=documents[entry.path],
            )
            for entry in mirror.tree(at)
        )
    return identity, documents
