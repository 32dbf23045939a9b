"""The history of a repository as documents below `<repository>/.history/`: commit messages, issues, merge and pull requests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path

from ingest.connectors.history_api import Crawl, HistoryApi
from ingest.connectors.history_archive import Bounds
from ingest.connectors.history_commits import commit_documents
from ingest.connectors.history_export import exported_talks
from ingest.connectors.history_items import HistoryItem, Talk
from ingest.connectors.repository_options import RepositoryOptions
from rag.mirrors.fetching import Remote, folder_below
from rag.mirrors.mirror import Mirror
from rag.settings_repositories import RepositorySettings


def commit_items(mirror: Mirror, commit: str, options: RepositoryOptions) -> list[HistoryItem]:
    """Documents of the messages of the newest commits (`history_commits`); none where the options want none."""
    return commit_documents(mirror, commit, options).items if commit and options.history.commits else []


def talk_items(
    remote: Remote,
    options: RepositoryOptions,
    settings: RepositorySettings,
    name: str,
    *,
    since: datetime | None = None,
    crawl: Crawl | None = None,
) -> Iterator[HistoryItem]:
    """Documents of the issues and requests that the export and the server hold, each by the rule of its own path.

    What both hold is told by the server, which comes last. An export is read as a whole, a server only from `since` on.
    A crawl says in its place from where on, and afterwards how far that got. Close it where it is not read to its end.

    Raises:
        RepositoryRefused: the export lies outside the roots, or the interface on a host that is not allowed.
        SeogoError: see `exported_talks` and `HistoryApi`.
    """
    for talk in _talks(remote, options, settings, name, crawl or Crawl(since)):
        yield talk.item(options.rule_of(talk.path))


def _talks(
    remote: Remote, options: RepositoryOptions, settings: RepositorySettings, name: str, crawl: Crawl
) -> Iterator[Talk]:
    chosen = options.history
    if chosen.export:
        place = folder_below(settings.roots, Path(chosen.export), name)
        bounds = Bounds(settings.max_files, settings.mirror_mb << 20)  # an export holds the repository, too
        yield from exported_talks(place, name, confidential=chosen.confidential, bounds=bounds)
    if chosen.api:
        with closing(HistoryApi(chosen, remote, settings, name)) as api:
            yield from api.talks(crawl=crawl)
