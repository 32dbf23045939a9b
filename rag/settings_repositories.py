"""Settings of repositories: where they may come from, and with which credentials."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from rag.settings_section import Section


class GitCredential(Section):
    """What a repository is read with. It is used for its own hosts alone."""

    hosts: tuple[str, ...] = Field(min_length=1, description="hosts that it is shown to, such as git.example.kr:8443")
    username: str = Field("oauth2", max_length=200, description="for HTTPS")
    token_file: Path | None = Field(None, description="file that holds the password or token, for HTTPS")
    ssh_key_file: Path | None = Field(None, description="file that holds the private key, for SSH")
    known_hosts_file: Path | None = Field(None, description="host keys that are trusted, for SSH")
    tenants: tuple[str, ...] = Field(
        (), description="tenants whose administrators may name it; none means every tenant of the installation"
    )


class TenantSources(Section):
    """Where one tenant alone may take repositories from, beside what every tenant may."""

    hosts: tuple[str, ...] = ()
    roots: tuple[Path, ...] = ()


class RepositorySettings(Section):
    """Everything below `repositories:` in the configuration file."""

    folder: Path | None = Field(None, description="folder of the mirrors; none means one in the data folder")
    hosts: tuple[str, ...] = Field((), description="hosts that repositories may come from; a port where it is unusual")
    roots: tuple[Path, ...] = Field((), description="folders on the server below which repositories may lie")
    credentials: dict[str, GitCredential] = Field(default_factory=dict)
    tenants: dict[str, TenantSources] = Field(
        default_factory=dict, description="by tenant, hosts and roots that are for it alone"
    )
    ca_file: Path | None = Field(None, description="certificates of a private authority, for HTTPS")
    poll_s: int = Field(300, ge=0, le=604_800, description="seconds between two looks at a remote; 0: on demand alone")
    fetch_timeout_s: int = Field(900, ge=5, le=86_400, description="longest fetch of one repository")
    history_timeout_s: int = Field(
        900,
        ge=1,
        le=86_400,
        description="longest that issues and requests are read in one look; the next goes on from there",
    )
    mirror_mb: int = Field(20_480, ge=1, le=10_000_000, description="largest mirror of one repository")
    max_files: int = Field(200_000, ge=1, le=10_000_000, description="files of one repository")
    max_file_kb: int = Field(1024, ge=1, le=1_000_000, description="largest file that is indexed")

    def of_tenant(self, tenant: str) -> RepositorySettings:
        """These settings as they are for one tenant: with its own hosts and roots, and without what is for others."""
        own = self.tenants.get(tenant, TenantSources())
        known = {name: item for name, item in self.credentials.items() if not item.tenants or tenant in item.tenants}
        changed = {"hosts": (*self.hosts, *own.hosts), "roots": (*self.roots, *own.roots), "credentials": known}
        return self.model_copy(update=changed | {"tenants": {}})

    def every_root(self) -> tuple[Path, ...]:
        """The roots of all tenants."""
        return (*self.roots, *(root for item in self.tenants.values() for root in item.roots))
