"""Where repositories may come from, and with what git goes there.

Nothing of a credential stands in an address, in arguments, or in a file that git keeps: it is in the environment of the one
command that needs it, and bound there to the host that it is for.
"""

from __future__ import annotations

import base64
import os
import re
import shlex
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from rag.domain.errors import ConfigurationError, RepositoryRefused
from rag.settings_repositories import GitCredential, RepositorySettings
from rag.transport.secret_files import read_secret

Way = Literal["https", "ssh", "file"]
_PORTS = {"https": 443, "ssh": 22}
_SCP = re.compile(r"(?:(?P<user>[A-Za-z0-9._-]+)@)?(?P<host>[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\]):(?P<path>[^:].*)")
_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?\.?|[0-9A-Fa-f:.]+")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_LONGEST = 1000
_SILENT_S = 60
"""A server that sends less than a kilobyte a second for so long has gone."""
_CONNECT_S = 20


@dataclass(frozen=True, slots=True)
class Remote:
    """A repository somewhere else, and what it is read with.

    Attributes:
        url: as `checked_url` gives it.
        credential: used only where `url` lies on one of its hosts.
        ca_file: certificates of a private authority, for HTTPS, beside none other.
    """

    url: str
    credential: GitCredential | None = None
    ca_file: Path | None = None

    @property
    def way(self) -> Way:
        """How git gets there."""
        return _way(self.url)

    @property
    def host(self) -> str:
        """Host, with its port where that is unusual; empty for a folder."""
        return _host_of(self.url)

    def environment(self) -> dict[str, str]:
        """What opens the way to this remote, and to nothing else, for one git command.

        Raises:
            RepositoryRefused: the credential is for other hosts, or lacks what this way needs.
            ConfigurationError: a file of the credential can't be read, or others can read it.
        """
        opened: dict[str, str] = {"GIT_ALLOW_PROTOCOL": self.way}
        if self.way == "file":
            return opened
        self.require_credential_for_host()
        return opened | (self._over_https() if self.way == "https" else self._over_ssh())

    def require_credential_for_host(self, name: str = "") -> None:
        """Refuse to go to a host with a credential that is for others, or by SSH without a key.

        Raises:
            RepositoryRefused: it is for others, or lacks what SSH needs.
        """
        if self.way == "file":
            return
        if self.credential is not None and not _allowed(self.host, self.credential.hosts, self.way):
            raise RepositoryRefused(
                name=name or self.url,
                detail=f"the credential is not for the host {self.host}",
                reason="credential_host",
                host=self.host,
            )
        if self.way == "ssh":
            self._ssh_files(name)

    def _ssh_files(self, name: str = "") -> tuple[Path, Path]:
        """The private key and the known hosts."""
        key = None if self.credential is None else self.credential.ssh_key_file
        known = None if self.credential is None else self.credential.known_hosts_file
        if key is None or known is None:
            raise RepositoryRefused(
                name=name or self.url,
                detail="SSH needs a credential with ssh_key_file and known_hosts_file",
                reason="ssh_credential",
            )
        return key, known

    def _over_https(self) -> dict[str, str]:
        """The header is bound to the host: git sends it nowhere else, and follows no redirection."""
        given = [
            ("http.followRedirects", "false"),
            ("http.lowSpeedLimit", "1000"),
            ("http.lowSpeedTime", str(_SILENT_S)),
            ("credential.helper", ""),
            ("http.userAgent", "seogo"),
        ]
        if header := self.authorization():
            given.append((f"http.https://{self.host}/.extraHeader", f"Authorization: {header}"))
        found = {"GIT_CONFIG_COUNT": str(len(given))}
        for number, (key, value) in enumerate(given):
            found |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
        if self.ca_file is not None:
            found["GIT_SSL_CAINFO"] = str(self.ca_file)
        return found

    def authorization(self) -> str:
        """The value of the header `Authorization` for HTTPS; empty without a token."""
        if self.credential is None or self.credential.token_file is None:
            return ""
        secret = f"{self.credential.username}:{read_secret(self.credential.token_file)}"
        return f"Basic {base64.b64encode(secret.encode()).decode()}"

    def _over_ssh(self) -> dict[str, str]:
        """No configuration, no agent, no password, no unknown host key. git gives this line to a shell, so it is quoted."""
        key, known = self._ssh_files()
        read_secret(key)
        if not known.is_file():
            raise ConfigurationError(detail=f"{known}: no file of host keys")
        chosen = (
            "BatchMode=yes", "StrictHostKeyChecking=yes", f"UserKnownHostsFile={_quoted(known)}", "GlobalKnownHostsFile=none",
            f"IdentityFile={_quoted(key)}", "IdentitiesOnly=yes", "IdentityAgent=none", "PreferredAuthentications=publickey",
            "ForwardAgent=no", "ForwardX11=no", "ClearAllForwardings=yes", "PermitLocalCommand=no", "ProxyCommand=none",
            "ControlMaster=no", "ControlPath=none", "UpdateHostKeys=no", "CheckHostIP=no",
            f"ConnectTimeout={_CONNECT_S}", "ServerAliveInterval=15", "ServerAliveCountMax=4",
        )  # fmt: skip
        parts = ["ssh", "-F", "none", "-T", *(part for option in chosen for part in ("-o", option))]
        return {"GIT_SSH_COMMAND": shlex.join(parts), "GIT_SSH_VARIANT": "ssh"}


def checked_url(settings: RepositorySettings, url: str, *, name: str = "") -> str:
    """The address of a repository that the settings allow: `https://…`, `ssh://…`, `git@host:path`, or a real folder.

    Raises:
        RepositoryRefused: it is none of these, holds a password, or lies outside `hosts` and `roots`.
    """
    shown = name or url[:200]
    if not url or len(url) > _LONGEST or url.startswith("-") or not url.isprintable() or url != url.strip():
        raise RepositoryRefused(
            name=shown,
            detail="the address is empty, too long, or holds characters that none has",
            reason="address_characters",
        )
    if url.startswith(("/", "file:///")):
        return str(_folder(settings.roots, Path(url.removeprefix("file://")), shown))
    if "::" in url.partition("[")[0]:
        raise RepositoryRefused(
            name=shown, detail="addresses of git's helper programs are not taken", reason="helper_programs"
        )
    found = _of_host(url, shown)
    if not _allowed(_host_of(found), settings.hosts, _way(found)):
        raise RepositoryRefused(
            name=shown,
            detail=f"the host {_host_of(found)} is not among repositories.hosts",
            reason="host",
            host=_host_of(found),
        )
    return found


def remote_of(settings: RepositorySettings, url: str, credential: str = "", *, name: str = "") -> Remote:
    """The remote at an address, with the credential of that name.

    Raises:
        RepositoryRefused: as `checked_url`; or there is no such credential, or it is for other hosts.
    """
    checked = checked_url(settings, url, name=name)
    found = settings.credentials.get(credential)
    if credential and found is None:
        raise RepositoryRefused(
            name=name or checked,
            detail=f"there is no credential {credential}",
            reason="no_credential",
            credential=credential,
        )
    remote = Remote(checked, found, settings.ca_file)
    remote.require_credential_for_host(name)
    return remote


def folder_below(roots: Iterable[Path], folder: Path, name: str) -> Path:
    """The real path of a folder or file on the server that lies below one of `roots`, whatever links lead to it.

    Raises:
        RepositoryRefused: it does not.
    """
    real = Path(os.path.realpath(folder))
    if not any(real.is_relative_to(os.path.realpath(root)) for root in roots):
        raise RepositoryRefused(name=name, detail="the folder lies outside repositories.roots", reason="roots")
    return real


def _folder(roots: Iterable[Path], folder: Path, name: str) -> Path:
    """A repository's folder: its own, that of its working tree, and all that git would follow from there, inside the roots."""
    roots = tuple(roots)
    real = folder_below(roots, folder, name)
    if real.exists() and not real.is_dir():
        raise RepositoryRefused(name=name, detail="a folder is needed", reason="folder")
    for followed in _followed(real):
        folder_below(roots, followed, name)
    return real


def _followed(folder: Path) -> Iterator[Path]:
    """Folders that git goes on to from a repository: of a linked working tree, and those that objects are borrowed from."""
    inner = folder / ".git"
    if inner.is_file():
        inner = folder / inner.read_text("utf-8", "replace").partition("gitdir:")[2].strip()
    git_folder = inner if inner.exists() else folder
    yield git_folder
    common = git_folder / "commondir"
    if common.is_file():
        yield from _links(git_folder)
        git_folder = git_folder / common.read_text("utf-8", "replace").strip()
        yield git_folder
    yield from _links(git_folder)
    seen: set[Path] = set()
    waiting = [git_folder / "objects"]
    while waiting:
        objects = Path(os.path.realpath(waiting.pop()))
        if objects in seen:
            continue
        seen.add(objects)
        yield objects
        yield from _links(objects)
        borrowed = objects / "info" / "alternates"
        if borrowed.is_file():
            lines = borrowed.read_text("utf-8", "replace").splitlines()
            waiting += [objects / line for line in lines if line and not line.startswith("#")]


def _links(folder: Path) -> Iterator[Path]:
    """Symbolic links below a folder of git's: refs, packs and single objects may be such, and git follows them."""
    waiting = [folder]
    while waiting:
        with suppress(OSError), os.scandir(waiting.pop()) as found:
            for entry in found:
                if entry.is_symlink():
                    yield Path(entry.path)
                elif entry.is_dir(follow_symlinks=False):
                    waiting.append(Path(entry.path))


def _of_host(url: str, name: str) -> str:
    """An address over the network in one form; that of SCP stays as it is.

    Raises:
        RepositoryRefused: it is none.
    """
    if "://" not in url:
        found = _SCP.fullmatch(url)
        if found is None or found["path"].startswith("-") or not _HOST.fullmatch(found["host"].strip("[]")):
            raise RepositoryRefused(
                name=name, detail="https://…, ssh://…, git@host:path or a folder is needed", reason="scheme"
            )
        return url
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise RepositoryRefused(name=name, detail="the address is not valid", reason="address") from None
    if parts.scheme not in _PORTS:
        raise RepositoryRefused(
            name=name, detail="https://…, ssh://…, git@host:path or a folder is needed", reason="scheme"
        )
    if parts.password is not None or (parts.scheme == "https" and parts.username is not None):
        raise RepositoryRefused(
            name=name, detail="no user and password in the address: they go in a credential", reason="password"
        )
    fine = _HOST.fullmatch(host) and (parts.username is None or _USER.fullmatch(parts.username)) and port != 0
    if not fine or parts.query or parts.fragment or not parts.path.strip("/") or parts.path.startswith("/-"):
        raise RepositoryRefused(name=name, detail="the address is not valid", reason="address")
    user = f"{parts.username}@" if parts.username else ""
    at = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{user}{at}{'' if port in (None, _PORTS[parts.scheme]) else f':{port}'}{parts.path}"


def _way(url: str) -> Way:
    if url.startswith("/"):
        return "file"
    return "https" if url.startswith("https://") else "ssh"


def _host_of(url: str) -> str:
    """`host`, or `host:port` where the port is not the usual one."""
    if url.startswith("/"):
        return ""
    netloc = urlsplit(url).netloc.rpartition("@")[2] if "://" in url else _SCP.fullmatch(url)["host"]  # type: ignore[index]
    return netloc.casefold()


def _allowed(host: str, entries: Iterable[str], way: Way) -> bool:
    usual = f":{_PORTS[way]}"
    return host.rstrip(".") in {entry.casefold().removesuffix(usual).rstrip(".") for entry in entries}


def _quoted(path: Path) -> str:
    """A path as ssh takes it in an option: in quotes, `%` doubled, which would stand for something else."""
    return '"' + str(path).replace("%", "%%") + '"'
