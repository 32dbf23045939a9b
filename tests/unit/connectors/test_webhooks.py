from __future__ import annotations

import hashlib
import hmac
import json
from urllib.parse import urlencode

import pytest

from ingest.connectors.webhooks import Pushed, verified

SECRET = "웹훅-비밀-0123"
PUSH = {"ref": "refs/heads/main", "after": "0" * 40}
GITLAB = {**PUSH, "project": {"default_branch": "main"}}
GITHUB = {**PUSH, "repository": {"default_branch": "main"}}


def signed(body: bytes, secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def gitlab(data: object, event: str = "Push Hook", secret: str = SECRET) -> Pushed | None:
    return verified({"X-Gitlab-Event": event, "X-Gitlab-Token": secret}, json.dumps(data).encode(), SECRET)


def github(data: object, event: str = "push", secret: str = SECRET) -> Pushed | None:
    body = json.dumps(data, ensure_ascii=False).encode()
    return verified({"x-github-event": event, "x-hub-signature-256": f"sha256={signed(body, secret)}"}, body, SECRET)


def test_each_server_is_believed_with_the_secret_and_without_it_is_not() -> None:
    assert gitlab(GITLAB) == github(GITHUB) == Pushed("refs/heads/main", "main")
    assert gitlab(GITLAB, secret="falsch") is github(GITHUB, secret="falsch") is None
    body = json.dumps(GITHUB).encode()
    for name in ("X-Gitea-Signature", "X-Forgejo-Signature", "X-Gogs-Signature"):
        assert verified({name: signed(body), "X-Gitea-Event": "push"}, body, SECRET) == Pushed(
            "refs/heads/main", "main"
        )
        assert verified({name: signed(body, "falsch")}, body, SECRET) is None


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Gitlab-Event": "Push Hook"},
        {"X-Hub-Signature-256": ""},
        {"X-Hub-Signature-256": "sha256="},
        {"X-Hub-Signature-256": "sha1=" + "a" * 40},
        {"X-Hub-Signature": "sha1=" + "a" * 40},
        {"X-Gitea-Signature": "가나다"},
        {"X-Gitlab-Token": ""},
        {"X-Gitlab-Token": SECRET[:-1]},
    ],
)
def test_what_shows_no_secret_is_refused(headers: dict[str, str]) -> None:
    assert verified(headers, json.dumps(PUSH).encode(), SECRET) is None


def test_a_changed_body_and_an_empty_secret_are_refused() -> None:
    body = json.dumps(GITHUB).encode()
    headers = {"X-Hub-Signature-256": f"sha256={signed(body)}"}
    assert verified(headers, body, SECRET) is not None
    assert verified(headers, body + b" ", SECRET) is None
    assert verified({"X-Gitlab-Token": ""}, body, "") is None
    assert verified({"X-Hub-Signature-256": f"sha256={signed(body, '')}"}, body, "") is None


def test_a_wrong_token_is_not_outvoted_by_a_signature() -> None:
    body = json.dumps(GITHUB).encode()
    headers = {"X-Gitlab-Token": "falsch", "X-Hub-Signature-256": f"sha256={signed(body)}"}
    assert verified(headers, body, SECRET) is None


@pytest.mark.parametrize(
    ("pushed", "ref", "meant"),
    [
        (Pushed("refs/heads/main", "main"), "", True),
        (Pushed("refs/heads/dev", "main"), "", False),
        (Pushed("refs/heads/dev"), "", True),
        (Pushed("refs/tags/v1"), "", False),
        (Pushed("refs/heads/main", "main"), "main", True),
        (Pushed("refs/heads/release/1.4"), "release/1.4", True),
        (Pushed("refs/heads/4"), "release/4", False),
        (Pushed("refs/tags/v1.4"), "v1.4", True),
        (Pushed("refs/tags/v1.4"), "refs/tags/v1.4", True),
        (Pushed(), "", False),
        (Pushed(talk=True), "main", False),
    ],
)
def test_a_push_concerns_its_own_branch_or_tag(pushed: Pushed, ref: str, meant: bool) -> None:
    assert pushed.concerns(ref) is meant


def test_branches_and_tags_that_are_made_or_deleted_have_short_names() -> None:
    assert github({"ref": "기능/로그인", "ref_type": "branch"}, "create") == Pushed("refs/heads/기능/로그인")
    assert github({"ref": "v1.5", "ref_type": "tag"}, "delete") == Pushed("refs/tags/v1.5")
    assert gitlab({"ref": "refs/tags/v1.5"}, "Tag Push Hook") == Pushed("refs/tags/v1.5")


def test_issues_and_requests_are_talk_and_a_ping_is_nothing() -> None:
    for event in ("issues", "pull_request", "issue_comment"):
        assert github({"action": "opened"}, event) == Pushed(talk=True)
    for event in ("Merge Request Hook", "Issue Hook", "Note Hook", "Confidential Issue Hook"):
        assert gitlab({"object_kind": "x"}, event) == Pushed(talk=True)
    assert github({"zen": "..."}, "ping") == Pushed()
    assert gitlab({}, "Pipeline Hook") == Pushed()


def test_github_sends_forms_too() -> None:
    body = urlencode({"payload": json.dumps(GITHUB)}).encode()
    headers = {"Content-Type": "application/x-www-form-urlencoded", "X-Hub-Signature-256": f"sha256={signed(body)}"}
    assert verified(headers, body, SECRET) == Pushed("refs/heads/main", "main")


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{", b"\xff", b"[" * 100_000, b'{"ref": 1}', b'{"ref": "' + b"a" * 600 + b'"}', b'{"ref": "main"}'],
)
def test_a_genuine_body_that_makes_no_sense_is_nothing(body: bytes) -> None:
    assert verified({"X-Hub-Signature-256": f"sha256={signed(body)}"}, body, SECRET) == Pushed()
