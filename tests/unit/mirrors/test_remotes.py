"""Which addresses are taken, and what of a credential goes where."""

from __future__ import annotations

import shutil
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from rag.domain.errors import RepositoryRefused
from rag.mirrors.remotes import Remote, checked_url, folder_below, remote_of
from rag.settings import RagSettings
from rag.settings_repositories import GitCredential, RepositorySettings, TenantSources
from tests.support.git_repository import GitRepository

HOSTS = ("git.example.kr", "Gitea.Example.KR.", "git.example.kr:8443", "ssh.example.kr:2222", "[fd00::1]:3000")


def settings(*roots: Path) -> RepositorySettings:
    return RepositorySettings(hosts=HOSTS, roots=roots)


@pytest.mark.parametrize(
    ("url", "taken"),
    [
        ("https://git.example.kr/결제/payments.git", "https://git.example.kr/결제/payments.git"),
        ("https://GIT.example.kr:443/a/b", "https://git.example.kr/a/b"),
        ("https://git.example.kr:8443/a/b.git", "https://git.example.kr:8443/a/b.git"),
        ("https://gitea.example.kr/a", "https://gitea.example.kr/a"),
        ("https://[fd00::1]:3000/a.git", "https://[fd00::1]:3000/a.git"),
        ("ssh://git@git.example.kr/a/b.git", "ssh://git@git.example.kr/a/b.git"),
        ("ssh://git@git.example.kr:22/~hong/b.git", "ssh://git@git.example.kr/~hong/b.git"),
        ("ssh://ssh.example.kr:2222/a", "ssh://ssh.example.kr:2222/a"),
        ("git@git.example.kr:a/b.git", "git@git.example.kr:a/b.git"),
        ("git.example.kr:b.git", "git.example.kr:b.git"),
    ],
)
def test_addresses_on_allowed_hosts_are_taken(url: str, taken: str) -> None:
    assert checked_url(settings(), url) == taken


@pytest.mark.parametrize(
    "url",
    [
        "",
        " https://git.example.kr/a",
        "http://git.example.kr/a",
        "git://git.example.kr/a",
        "ftp://git.example.kr/a",
        "file://git.example.kr/a",
        "https://other.example.kr/a",
        "https://git.example.kr.evil.kr/a",
        "https://git.example.kr:444/a",
        "https://git.example.kr@evil.kr/a",
        "https://evil.kr#@git.example.kr/a",
        "https://evil.kr\\@git.example.kr/a",
        "https://user:secret@git.example.kr/a",
        "https://token@git.example.kr/a",
        "ssh://git:secret@git.example.kr/a",
        "ssh://-oProxyCommand=id@git.example.kr/a",
        "ssh://-oProxyCommand=id/a",
        "https://git.example.kr/a?x=1",
        "https://git.example.kr/a#b",
        "https://git.example.kr/",
        "https://git.example.kr:99999/a",
        "ext::sh -c id",
        "fd::17/foo",
        "transport::https://git.example.kr/a",
        "-u./payload",
        "--upload-pack=id",
        "git@git.example.kr:-oProxyCommand=id",
        "-git@git.example.kr:a",
        "git@git.example.kr:a\nb",
        "git@evil.kr:a/b.git",
        "git@[fd00::1]:3000/a",
        "../a",
        "a/b",
        "C:\\repos\\a",
        "https://git.example.kr/" + "a" * 1000,
    ],
)
def test_other_addresses_are_not(url: str) -> None:
    with pytest.raises(RepositoryRefused):
        checked_url(settings(), url)


def test_nothing_is_allowed_until_the_settings_name_it(tmp_path: Path) -> None:
    for url in ("https://git.example.kr/a", "git@git.example.kr:a", str(tmp_path)):
        with pytest.raises(RepositoryRefused):
            checked_url(RepositorySettings(), url)


def test_folders_lie_below_a_root_whatever_links_say(tmp_path: Path) -> None:
    roots, outside = tmp_path / "저장소", tmp_path / "outside"
    inside = GitRepository.new(roots / "a", {"a.py": "x = 1\n"})
    hidden = GitRepository.new(outside / "b", {"b.py": "x = 1\n"})
    (tmp_path / "alias").symlink_to(roots)
    assert checked_url(settings(tmp_path / "alias"), str(inside.folder)) == str(inside.folder)
    assert checked_url(settings(roots), f"file://{tmp_path}/alias/a") == str(inside.folder)
    (roots / "link").symlink_to(hidden.folder)
    (roots / "file").write_text("no folder")
    for refused in (hidden.folder, roots / "link", roots / ".." / "outside" / "b", roots / "file", Path("/")):
        with pytest.raises(RepositoryRefused):
            checked_url(settings(roots), str(refused))


@pytest.mark.parametrize("credential", ["", "token"])
def test_ssh_without_a_key_is_refused_before_anything_is_asked_for(credential: str) -> None:
    """When it is added, by its name: not as a failure of its first look."""
    token = GitCredential(hosts=("git.example.kr",), token_file=Path("/nowhere/token"))
    named = RepositorySettings(hosts=("git.example.kr",), credentials={"token": token})
    with pytest.raises(RepositoryRefused) as refused:
        remote_of(named, "git@git.example.kr:pay/payments.git", credential, name="payments")
    assert (refused.value.params["name"], refused.value.params["reason"]) == ("payments", "ssh_credential")


@pytest.mark.parametrize(
    "way",
    ["link to .git", "linked working tree", "borrowed objects", "relative alternates", "link to packs", "link to refs"],
)
def test_a_folder_that_leads_git_out_of_the_roots_is_refused(tmp_path: Path, way: str) -> None:
    roots = tmp_path / "roots"
    hidden = GitRepository.new(tmp_path / "hidden", {"secret.py": "x = 1\n"})
    trap = roots / "trap"
    trap.mkdir(parents=True)
    if way == "link to .git":
        (trap / ".git").symlink_to(hidden.folder / ".git")
    elif way == "linked working tree":
        (trap / ".git").write_text(f"gitdir: {hidden.folder}/.git\n")
    elif way.startswith("link to"):
        trap = GitRepository.new(roots / "own", {"a.py": "x = 1\n"}).bare(roots / "bare.git")
        inner = "objects/pack" if way == "link to packs" else "refs/heads"
        shutil.rmtree(trap / inner)
        (trap / inner).symlink_to(hidden.folder / ".git" / inner)
    else:
        trap = GitRepository.new(roots / "own", {"a.py": "x = 1\n"}).bare(roots / "bare.git")
        lines = f"{hidden.folder}/.git/objects" if way == "borrowed objects" else "../../../hidden/.git/objects"
        (trap / "objects/info/alternates").write_text(f"# from\n{lines}\n")
    with pytest.raises(RepositoryRefused):
        checked_url(settings(roots), str(trap))
    assert checked_url(settings(roots, hidden.folder), str(trap)) == str(trap)


def test_a_remote_has_the_credential_that_is_named_for_its_host(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("비밀")
    token.chmod(0o600)
    known = {"gitlab": GitCredential(hosts=("git.example.kr",), token_file=token)}
    named = RepositorySettings(hosts=HOSTS, credentials=known, ca_file=tmp_path / "ca.pem")
    remote = remote_of(named, "https://git.example.kr/a", "gitlab")
    assert remote.host == "git.example.kr"
    opened = remote.environment()
    assert opened["GIT_ALLOW_PROTOCOL"] == "https"
    assert opened["GIT_SSL_CAINFO"] == str(tmp_path / "ca.pem")
    keys = [value for name, value in opened.items() if name.startswith("GIT_CONFIG_KEY")]
    assert "http.https://git.example.kr/.extraHeader" in keys
    with pytest.raises(RepositoryRefused):
        remote_of(named, "https://git.example.kr/a", "unknown")
    with pytest.raises(RepositoryRefused):
        remote_of(named, "https://gitea.example.kr/a", "gitlab")
    with pytest.raises(RepositoryRefused):
        remote_of(named, "https://git.example.kr:8443/a", "gitlab")
    assert "비밀" not in repr(remote)


def test_a_folder_needs_no_credential_and_opens_no_network(tmp_path: Path) -> None:
    assert Remote(str(tmp_path)).environment() == {"GIT_ALLOW_PROTOCOL": "file"}


def test_an_export_lies_below_a_root_too(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    assert folder_below([tmp_path / "in"], tmp_path / "in" / "export", "a") == tmp_path / "in" / "export"
    with pytest.raises(RepositoryRefused):
        folder_below([tmp_path / "in"], tmp_path / "in" / ".." / "export", "a")


def test_a_tenant_sees_its_own_sources_and_credentials_alone(tmp_path: Path) -> None:
    own = {"은행": TenantSources(hosts=("git.bank.kr",), roots=(tmp_path / "bank",))}
    known = {
        "shared": GitCredential(hosts=("git.example.kr",)),
        "은행": GitCredential(hosts=("git.bank.kr",), tenants=("은행",)),
    }
    every = RepositorySettings(hosts=("git.example.kr",), credentials=known, tenants=own)
    bank, other = every.of_tenant("은행"), every.of_tenant("병원")
    assert checked_url(bank, "https://git.bank.kr/a") and checked_url(bank, "https://git.example.kr/a")
    assert remote_of(bank, "https://git.bank.kr/a", "은행").credential is known["은행"]
    assert folder_below(bank.roots, tmp_path / "bank" / "a", "a")
    with pytest.raises(RepositoryRefused):
        checked_url(other, "https://git.bank.kr/a")
    with pytest.raises(RepositoryRefused):
        remote_of(other, "https://git.example.kr/a", "은행")
    with pytest.raises(RepositoryRefused):
        folder_below(other.roots, tmp_path / "bank" / "a", "a")
    assert remote_of(other, "https://git.example.kr/a", "shared").credential is known["shared"]


@pytest.mark.parametrize("root", ["", "data", "data/repositories", "data/repositories/x", "elsewhere/.."])
@pytest.mark.parametrize("whose", ["every tenant", "one tenant"])
def test_our_own_folders_are_no_place_for_repositories(tmp_path: Path, root: str, whose: str) -> None:
    roots, data = (tmp_path / root,), tmp_path / "data"
    one = RepositorySettings(tenants={"a": TenantSources(roots=roots)})
    given = RepositorySettings(roots=roots) if whose == "every tenant" else one
    elsewhere = given.model_copy(update={"folder": data / "repositories"})
    for folder, chosen in ((data, given), (tmp_path / "x", elsewhere)):
        with pytest.raises(ValueError, match="our own data"):
            RagSettings(data_dir=folder, repositories=chosen)
    assert RagSettings(data_dir=data, repositories=RepositorySettings(roots=(tmp_path / "git",)))


PIECES = st.sampled_from(
    ["https://", "ssh://", "http://", "file://", "ext::", "git.example.kr", "GIT.EXAMPLE.KR.", "evil.example", "[fd00::1]:3000",
     ":8443", ":22", ":", "/", "//", "\\", "@", "git@", "u:p@", "?", "#", "%2f", "%00", "%40", "..", "-", "--upload-pack=x",
     "a.git", "~", " ", "\t", "\n", "\0", "\u3002", "\uff0f", "\u200b", "。", "[", "]", "가", "x"]
)  # fmt: skip
_ALLOWED = {"git.example.kr", "gitea.example.kr", "ssh.example.kr", "fd00::1"}


@hypothesis_settings(max_examples=500, deadline=None)
@given(st.lists(PIECES, min_size=1, max_size=7).map("".join))
@example("https://git.example.kr@evil.example/a")
@example("ssh://git.example.kr@evil.example/a")
@example("https://evil.example/git.example.kr/a")
@example("https://git.example.kr/a/b.git")
@example("git@git.example.kr:a/b.git")
def test_whatever_address_is_given_git_goes_to_allowed_hosts_alone(given_url: str) -> None:
    """What is taken lies on a host of the settings by every reading of it, is no option, and is taken again as it is."""
    try:
        url = checked_url(settings(), given_url)
    except RepositoryRefused:
        return
    assert checked_url(settings(), url) == url
    assert not url.startswith("-") and url.isprintable()
    if "://" in url:
        parts = urlsplit(url)
        assert parts.scheme in ("https", "ssh") and parts.password is None and not {"?", "#"} & set(url)
        assert parts.hostname is not None and parts.hostname.rstrip(".") in _ALLOWED
        assert url.partition("://")[2].partition("/")[0].rpartition("@")[2].startswith((parts.hostname, "["))
    else:
        assert url.partition(":")[0].rpartition("@")[2].casefold().rstrip(".") in _ALLOWED
