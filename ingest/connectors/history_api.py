"""Asks GitLab (v4), GitHub (v3) and Gitea (v1) for issues, merge and pull requests, page by page, from a moment on.

The token of the repository's credential is shown to the host of the interface alone, which must be one of the settings. No
redirection is followed, no proxy of the environment is used, every answer is bounded.
"""

from __future__ import annotations

import json
import math
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlsplit

import httpx

from ingest.connectors.history_items import (
    Kind,
    Talk,
    github_comments,
    github_talk,
    gitlab_comments,
    gitlab_talk,
)
from ingest.connectors.repository_options import HistoryOptions
from rag.domain.errors import (
    CredentialsRefused,
    RepositoryNotRead,
    RepositoryRefused,
    RepositoryTooLarge,
    RepositoryUnreachable,
)
from rag.mirrors.remotes import Remote, checked_url
from rag.settings_repositories import GitCredential, RepositorySettings
from rag.transport.server import read_key, retry_after

_ROOTS = {"gitlab": "/api/v4", "github": "/api/v3", "gitea": "/api/v1"}
_GITHUB = {"github.com": "https://api.github.com"}
_PAGE = {"gitlab": 100, "github": 100, "gitea": 50}
_MOST = 100_000
"""Issues and requests of one repository."""
_MAX_BYTES = 32 << 20
_TRIES = 4
_LONGEST_PAUSE_S = 60.0
_TIMEOUT = httpx.Timeout(30.0, connect=10.0)


class _TimeUp(Exception):
    """The time of one look is over."""


@dataclass(slots=True)
class Crawl:
    """How far a server has been read. A look that ran out of time is gone on with from there.

    Attributes:
        since: only what changed since then is read; None for everything.
        marks: by list, when the last one that was read with its comments changed; lists are read in this order.
        unfinished: whether the time was over before everything was read.
    """

    since: datetime | None = None
    marks: dict[str, datetime] = field(default_factory=dict)
    unfinished: bool = False

    def asked(self, place: str, name: str) -> dict[str, str]:
        """The parameter that says from where a list is read."""
        since = self.marks.get(place, self.since)
        if since is None:
            return {}
        return {name: since.isoformat() if name == "updated_after" else since.isoformat().replace("+00:00", "Z")}

    def read(self, place: str, talk: Talk) -> None:
        """Note that one was read to its end."""
        before = self.marks.get(place)
        self.marks[place] = talk.updated if before is None else max(before, talk.updated)


class HistoryApi:
    """The interface of one server, for one project. Close it.

    Args:
        remote: of the repository: its address tells host and project, its credential the token.
        sleep, clock: take the place of the clock's in tests.

    Raises:
        RepositoryRefused: the interface lies on a host that is not among those of the settings, or of the credential.
        ConfigurationError: the token's file can't be read, others can read it, or it holds no token on one line.
    """

    def __init__(
        self,
        options: HistoryOptions,
        remote: Remote,
        settings: RepositorySettings,
        name: str,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._kind, self._name, self._sleep, self._clock = options.api, name, sleep, clock
        self._until, self._budget_s = math.inf, settings.history_timeout_s
        self._confidential = options.confidential
        self._root = _root(options, remote, settings, name)
        self._project = options.project or _project(remote.url)
        context = ssl.create_default_context(cafile=None if settings.ca_file is None else str(settings.ca_file))
        headers = {"Accept": "application/json", "User-Agent": "seogo"} | self._token(remote.credential)
        self._client = httpx.Client(
            verify=context, trust_env=False, follow_redirects=False, timeout=_TIMEOUT, headers=headers
        )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def talks(self, since: datetime | None = None, *, crawl: Crawl | None = None) -> Iterator[Talk]:
        """Issues and requests that changed since then, with their comments; all of them for None. Within
        `repositories.history_timeout_s`; what is not read then is read by the next look that gets the same crawl.

        Args:
            crawl: in place of `since`: from where to read; says afterwards how far that got.

        Raises:
            CredentialsRefused: the token is not taken, or the project does not exist for it.
            RepositoryUnreachable: nobody answers, or the server can't just now, or got nowhere in all that time.
            RepositoryTooLarge: there are more than 100,000.
            RepositoryNotRead: it answers something else than was asked for.
        """
        crawl = crawl or Crawl(since)
        before, crawl.unfinished = dict(crawl.marks), False
        self._until = self._clock() + self._budget_s
        try:
            for number, talk in enumerate(self._gitlab(crawl) if self._kind == "gitlab" else self._github(crawl)):
                if number >= _MOST:
                    raise RepositoryTooLarge(
                        name=self._name, detail=f"more than {_MOST} issues and requests", reason="issues", limit=_MOST
                    )
                if self._confidential or not talk.confidential:
                    yield talk
        except _TimeUp:
            if crawl.marks == before:  # it would get nowhere the next time, too
                raise RepositoryUnreachable(name=self._name) from None
            crawl.unfinished = True

    def _gitlab(self, crawl: Crawl) -> Iterator[Talk]:
        project = f"/projects/{quote(self._project, safe='')}"
        kinds: tuple[tuple[Kind, str], ...] = (("issue", "issues"), ("merge request", "merge_requests"))
        for kind, place in kinds:
            asked = {"scope": "all", "state": "all", "order_by": "updated_at", "sort": "asc"}
            asked |= crawl.asked(place, "updated_after")
            for data in self._pages(f"{project}/{place}", asked):
                talk = gitlab_talk(data, kind)
                if talk is None:
                    continue
                if talk.answers != 0:
                    notes = self._pages(
                        f"{project}/{place}/{talk.number}/notes", {"sort": "asc", "order_by": "created_at"}
                    )
                    talk = talk.with_comments(gitlab_comments(list(notes)))
                crawl.read(place, talk)
                yield talk

    def _github(self, crawl: Crawl) -> Iterator[Talk]:
        """GitHub and Gitea list both as issues and hold their comments in one place."""
        issues = f"/repos/{quote(self._project)}/issues"
        asked = {"state": "all", "sort": "updated", "direction": "asc"}
        asked |= crawl.asked("issues", "since")
        for data in self._pages(issues, asked):
            talk = github_talk(data)
            if talk is None:
                continue
            if talk.answers != 0:
                talk = talk.with_comments(github_comments(list(self._pages(f"{issues}/{talk.number}/comments", {}))))
            crawl.read("issues", talk)
            yield talk

    def _pages(self, path: str, asked: Mapping[str, str]) -> Iterator[Mapping[str, Any]]:
        """The objects of all pages. The pages are counted here: an address in an answer is not followed."""
        size = _PAGE[self._kind]
        limit = {"limit" if self._kind == "gitea" else "per_page": str(size)}
        seen: set[str] = set()
        for page in range(1, _MOST // size + 2):
            found = self._get(path, {**asked, **limit, "page": str(page)})
            if not isinstance(found, list):
                raise RepositoryNotRead.because("api_no_list", name=self._name)
            fresh = [item for item in found if isinstance(item, Mapping) and str(item.get("id")) not in seen]
            seen.update(str(item.get("id")) for item in fresh)
            yield from fresh
            if not fresh or (
                len(found) < size and self._kind != "gitea"
            ):  # Gitea's operator may have made pages smaller
                return
        raise RepositoryTooLarge(
            name=self._name, detail=f"more than {_MOST} issues and requests", reason="issues", limit=_MOST
        )

    def _get(self, path: str, asked: Mapping[str, str]) -> Any:
        """The JSON at a path, asked for again where the server is busy.

        Raises:
            _TimeUp: there is no time left for it.
        """
        for number in range(1, _TRIES + 1):
            status, headers, body = self._once(path, asked)
            if status == 200:
                return self._parsed(body)
            if status not in (429, 502, 503, 504) or number == _TRIES:
                break
            wanted = retry_after(headers)
            pause = min(2.0**number if wanted is None else wanted, _LONGEST_PAUSE_S)
            if self._clock() + pause >= self._until:
                raise _TimeUp
            self._sleep(pause)
        if status in (401, 403, 404):
            raise CredentialsRefused(name=self._name)
        if status == 429 or status >= 500:
            raise RepositoryUnreachable(name=self._name)
        raise RepositoryNotRead.because("api_status", name=self._name, status=status)

    def _once(self, path: str, asked: Mapping[str, str]) -> tuple[int, httpx.Headers, bytes]:
        body = bytearray()
        if self._clock() >= self._until:
            raise _TimeUp
        try:
            with self._client.stream("GET", self._root + path, params=dict(asked)) as response:
                for part in response.iter_bytes():
                    body += part
                    if self._clock() >= self._until:
                        raise _TimeUp
                    if len(body) > _MAX_BYTES:
                        raise RepositoryTooLarge(
                            name=self._name, detail="a page of issues of more than 32 MB", reason="issue_page"
                        )
                return response.status_code, response.headers, bytes(body)
        except httpx.ConnectError as error:
            if "CERTIFICATE" in str(error).upper():
                raise RepositoryNotRead.because("certificate", name=self._name) from error
            raise RepositoryUnreachable(name=self._name) from error
        except (httpx.TransportError, httpx.DecodingError) as error:
            raise RepositoryUnreachable(name=self._name) from error

    def _parsed(self, body: bytes) -> Any:
        try:
            return json.loads(body)
        except (ValueError, RecursionError):
            raise RepositoryNotRead.because("api_no_json", name=self._name) from None

    def _token(self, credential: GitCredential | None) -> dict[str, str]:
        if credential is None or credential.token_file is None:
            return {}
        word = "token" if self._kind == "gitea" else "Bearer"
        return {"Authorization": f"{word} {read_key(credential.token_file)}"}


def _root(options: HistoryOptions, remote: Remote, settings: RepositorySettings, name: str) -> str:
    """The root of the interface, on a host that the settings and the credential name."""
    host = urlsplit(f"//{remote.host}").hostname or ""
    at = remote.host if remote.way == "https" else host
    usual = _GITHUB.get(host, f"https://{at}{_ROOTS[options.api]}") if host else ""
    given = options.api_url.rstrip("/") or usual
    if not given.startswith("https://"):
        raise RepositoryRefused(name=name, detail="history.api_url: https://… is needed", reason="api_url")
    checked = checked_url(settings, given if urlsplit(given).path else f"{given}/api", name=name)
    Remote(checked, remote.credential).require_credential_for_host()
    return given


def _project(url: str) -> str:
    """`group/project` of an address."""
    path = urlsplit(url).path if "://" in url else url.rpartition(":")[2]
    return path.strip("/").removesuffix(".git")
