"""Over HTTPS and SSH, from real servers on loopback."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from rag.domain.errors import (
    ConfigurationError,
    CredentialsRefused,
    RepositoryNotRead,
    RepositoryRefused,
    RepositoryUnreachable,
    SeogoError,
)
from rag.mirrors import git
from rag.mirrors.fetching import Remote, fetch
from rag.mirrors.mirror import Mirror
from rag.settings_repositories import GitCredential
from tests.support import git_servers, loopback
from tests.support.git_repository import GitRepository


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("served")
    source = GitRepository.new(folder / "work", {"결제/login.py": "def login(): ...\n", "big.bin": os.urandom(200_000)})
    source.git("tag", "v1.4")
    source.bare(folder / "payments.git")
    return folder


@pytest.fixture(scope="module")
def server(served: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[git_servers.HttpsServer]:
    with git_servers.https(tmp_path_factory.mktemp("tls"), served) as running:
        yield running


@pytest.fixture
def https(server: git_servers.HttpsServer) -> git_servers.HttpsServer:
    server.authorizations.clear()
    server.answer, server.location, server.drip_s = 0, "", 0.0
    return server


def secret(folder: Path, text: str) -> Path:
    path = folder / "token"
    path.write_text(f"{text}\n", encoding="utf-8")
    path.chmod(0o600)
    return path


def with_token(folder: Path, server: git_servers.HttpsServer, text: str = git_servers.PASSWORD) -> GitCredential:
    return GitCredential(hosts=(server.host,), username=git_servers.USER, token_file=secret(folder, text))


def fetched(folder: Path, remote: Remote, *, timeout_s: float = 60) -> Mirror:
    mirror = Mirror(folder / "mirrors" / "a.git", "payments")
    fetch(mirror, remote, timeout_s=timeout_s, mirror_mb=100)
    return mirror


def failed(folder: Path, remote: Remote, *, timeout_s: float = 60) -> SeogoError:
    """The error, which leaves no mirror and no word of the secret."""
    with pytest.raises(SeogoError) as raised:
        fetched(folder, remote, timeout_s=timeout_s)
    assert not (folder / "mirrors" / "a.git").exists()
    assert git_servers.PASSWORD not in str(raised.value)
    return raised.value


def test_https_with_a_password_and_a_private_authority(tmp_path: Path, https: git_servers.HttpsServer) -> None:
    remote = Remote(https.url("payments.git"), with_token(tmp_path, https), https.ca_file)
    mirror = fetched(tmp_path, remote)
    assert set(mirror.refs()) == {"refs/heads/main", "refs/tags/v1.4"}
    assert mirror.file(mirror.resolve("v1.4"), "결제/login.py") == b"def login(): ...\n"
    assert all(https.authorizations), "the password goes with the first request: nobody is asked for it"
    for path in mirror.folder.rglob("*"):
        assert not path.is_file() or git_servers.PASSWORD.encode() not in path.read_bytes()
    assert "127.0.0.1" not in (mirror.folder / "config").read_text()


def test_the_password_is_never_among_the_arguments(
    tmp_path: Path, https: git_servers.HttpsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[str]] = []
    real = git.command

    def noting(folder: Path, *arguments: str) -> list[str]:
        seen.append(real(folder, *arguments))
        return seen[-1]

    monkeypatch.setattr(git, "command", noting)
    remote = Remote(https.url("payments.git"), with_token(tmp_path, https), https.ca_file)
    fetched(tmp_path, remote)
    told = " ".join(part for command in seen for part in command)
    assert https.url("payments.git") in told
    assert git_servers.PASSWORD not in told
    assert remote.authorization().removeprefix("Basic ") not in told


@pytest.mark.parametrize("token", ["falsch", None])
def test_wrong_and_missing_passwords_are_refused(
    tmp_path: Path, https: git_servers.HttpsServer, token: str | None
) -> None:
    credential = None if token is None else with_token(tmp_path, https, token)
    error = failed(tmp_path, Remote(https.url("payments.git"), credential, https.ca_file))
    assert type(error) is CredentialsRefused


def test_a_repository_that_is_not_there_looks_like_one_that_is_not_shown(
    tmp_path: Path, https: git_servers.HttpsServer
) -> None:
    remote = Remote(https.url("nothing.git"), with_token(tmp_path, https), https.ca_file)
    assert type(failed(tmp_path, remote)) is CredentialsRefused


def test_a_certificate_of_an_unknown_authority_is_not_taken(tmp_path: Path, https: git_servers.HttpsServer) -> None:
    error = failed(tmp_path, Remote(https.url("payments.git"), with_token(tmp_path, https)))
    assert type(error) is RepositoryNotRead
    assert "certificate" in str(error)
    assert https.authorizations == []


def test_a_redirection_is_not_followed_and_shows_the_password_to_nobody(
    tmp_path: Path, https: git_servers.HttpsServer, served: Path
) -> None:
    (tmp_path / "other").mkdir()
    with git_servers.https(tmp_path / "other", served) as other:
        https.answer, https.location = 302, other.url("payments.git/info/refs?service=git-upload-pack")
        error = failed(tmp_path, Remote(https.url("payments.git"), with_token(tmp_path, https), https.ca_file))
        assert other.authorizations == []
    assert type(error) is RepositoryNotRead
    assert "another address" in str(error)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_server_that_is_busy_or_ill_is_not_reachable(
    tmp_path: Path, https: git_servers.HttpsServer, status: int
) -> None:
    https.answer = status
    remote = Remote(https.url("payments.git"), with_token(tmp_path, https), https.ca_file)
    assert type(failed(tmp_path, remote)) is RepositoryUnreachable


def test_nobody_at_the_port(tmp_path: Path) -> None:
    remote = Remote(f"https://127.0.0.1:{loopback.free_port()}/payments.git")
    assert type(failed(tmp_path, remote)) is RepositoryUnreachable


def test_a_host_without_an_address(tmp_path: Path) -> None:
    assert type(failed(tmp_path, Remote("https://git.invalid/payments.git"))) is RepositoryUnreachable


def test_a_server_that_drips_is_left_when_the_time_is_over(tmp_path: Path, https: git_servers.HttpsServer) -> None:
    https.drip_s = 0.5
    remote = Remote(https.url("payments.git"), with_token(tmp_path, https), https.ca_file)
    assert type(failed(tmp_path, remote, timeout_s=4)) is RepositoryUnreachable
    https.drip_s = 0.0
    assert fetched(tmp_path, remote).resolve("")


def test_a_credential_is_not_shown_to_a_host_that_it_is_not_for(tmp_path: Path, https: git_servers.HttpsServer) -> None:
    credential = GitCredential(hosts=("git.example.kr",), token_file=secret(tmp_path, git_servers.PASSWORD))
    error = failed(tmp_path, Remote(https.url("payments.git"), credential, https.ca_file))
    assert type(error) is RepositoryRefused
    assert https.authorizations == []


def test_a_token_that_others_can_read_is_not_used(tmp_path: Path, https: git_servers.HttpsServer) -> None:
    credential = with_token(tmp_path, https)
    (tmp_path / "token").chmod(0o644)
    error = failed(tmp_path, Remote(https.url("payments.git"), credential, https.ca_file))
    assert type(error) is ConfigurationError
    assert "chmod" in str(error)


@pytest.fixture(scope="module")
def ssh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[git_servers.SshServer]:
    if not git_servers.SSHD.exists():
        pytest.skip(git_servers.SSHD_HINT)
    with git_servers.sshd(tmp_path_factory.mktemp("sshd")) as running:
        yield running


def ssh_credential(server: git_servers.SshServer, **changed: Path) -> GitCredential:
    files = {"ssh_key_file": server.key, "known_hosts_file": server.known_hosts, **changed}
    return GitCredential.model_validate({"hosts": (f"127.0.0.1:{server.port}",), **files})


def test_ssh_with_a_key_and_a_known_host(tmp_path: Path, ssh: git_servers.SshServer, served: Path) -> None:
    mirror = fetched(tmp_path, Remote(ssh.url(served / "payments.git"), ssh_credential(ssh)))
    assert mirror.file(mirror.resolve(""), "결제/login.py") == b"def login(): ...\n"


def test_a_key_that_the_server_does_not_know(tmp_path: Path, ssh: git_servers.SshServer, served: Path) -> None:
    credential = ssh_credential(ssh, ssh_key_file=ssh.key.parent.parent / "host")
    assert type(failed(tmp_path, Remote(ssh.url(served / "payments.git"), credential))) is CredentialsRefused


def test_a_host_that_is_not_the_one_known(tmp_path: Path, ssh: git_servers.SshServer, served: Path) -> None:
    other = tmp_path / "known_hosts"
    key = ssh.key.with_name("client.pub").read_text().split()
    other.write_text(f"[127.0.0.1]:{ssh.port} {key[0]} {key[1]}\n")
    error = failed(tmp_path, Remote(ssh.url(served / "payments.git"), ssh_credential(ssh, known_hosts_file=other)))
    assert type(error) is RepositoryNotRead
    assert "host key" in str(error)
    other.write_text("")
    error = failed(tmp_path, Remote(ssh.url(served / "payments.git"), ssh_credential(ssh, known_hosts_file=other)))
    assert type(error) is RepositoryNotRead


def test_a_folder_without_a_repository_over_ssh(tmp_path: Path, ssh: git_servers.SshServer) -> None:
    error = failed(tmp_path, Remote(ssh.url(tmp_path / "nothing.git"), ssh_credential(ssh)))
    assert type(error) is CredentialsRefused


def test_ssh_needs_a_key_and_known_hosts(tmp_path: Path) -> None:
    assert type(failed(tmp_path, Remote("git@git.example.kr:a/b.git"))) is RepositoryRefused


def test_nobody_at_the_port_of_ssh(tmp_path: Path) -> None:
    key, known = secret(tmp_path, "x"), tmp_path / "known"
    known.write_text("")
    port = loopback.free_port()
    credential = GitCredential(hosts=(f"127.0.0.1:{port}",), ssh_key_file=key, known_hosts_file=known)
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert type(failed(tmp_path, Remote(f"ssh://git@127.0.0.1:{port}/a.git", credential))) is RepositoryUnreachable
