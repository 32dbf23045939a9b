"""Webhooks of GitLab, GitHub, Gitea and Forgejo: whether one is genuine, and what was pushed.

Each server has its own way to show that it knows the secret: GitLab sends the secret itself, the others a SHA-256 HMAC of the
body under it. A webhook only asks for a look at the remote; nothing else of what it says is believed.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

_TOKEN = "x-gitlab-token"  # noqa: S105 (the name of a header)
_SIGNATURES = (
    ("x-hub-signature-256", "sha256="),
    ("x-gitea-signature", ""),
    ("x-forgejo-signature", ""),
    ("x-gogs-signature", ""),
)
"""Headers that hold an HMAC in hexadecimal digits, and what stands before it."""
_EVENTS = ("x-gitlab-event", "x-gitea-event", "x-forgejo-event", "x-gogs-event", "x-github-event")
_PUSHES = frozenset({"push", "push hook", "tag push hook", "system hook", "create", "delete"})
_TALK = ("merge request", "merge_request", "pull_request", "pull request", "issue", "note")
_LONGEST_REF = 500


@dataclass(frozen=True, slots=True)
class Pushed:
    """What a genuine webhook tells.

    Attributes:
        ref: full name of what was pushed, deleted or made: `refs/heads/main`, `refs/tags/v1.4`; empty where nothing was.
        default_branch: branch that the server calls the repository's own; empty where it does not say.
        talk: whether it is about an issue, a merge or pull request, or a comment on one.
    """

    ref: str = ""
    default_branch: str = ""
    talk: bool = False

    def concerns(self, ref: str) -> bool:
        """Whether the branch or tag `ref` may have changed; an empty one is the repository's own branch."""
        if not self.ref:
            return False
        if not ref:
            own = f"refs/heads/{self.default_branch}" if self.default_branch else self.ref
            return self.ref == own and self.ref.startswith("refs/heads/")
        return self.ref in (ref, f"refs/heads/{ref}", f"refs/tags/{ref}")


def verified(headers: Mapping[str, str], body: bytes, secret: str) -> Pushed | None:
    """What a webhook tells, when whoever sent it knows the secret; None when nobody shows that.

    The time that it takes does not depend on how much of a secret or signature is right.

    Args:
        headers: of the request; names in any case.
        secret: of the repository; with an empty one nothing is genuine.
    """
    given = {name.lower(): value for name, value in headers.items()}
    if not secret or not _is_genuine(given, body, secret.encode()):
        return None
    event = next((given[name].lower() for name in _EVENTS if name in given), "")
    data = _json(given, body)
    if event and event not in _PUSHES:
        return Pushed(talk=any(word in event for word in _TALK))
    ref = _ref(data)
    return Pushed(ref, _default_branch(data)) if ref else Pushed()


def _is_genuine(headers: Mapping[str, str], body: bytes, secret: bytes) -> bool:
    shown = headers.get(_TOKEN)
    if shown is not None:
        return hmac.compare_digest(shown.encode("utf-8", "replace"), secret)
    wanted = hmac.new(secret, body, hashlib.sha256).hexdigest().encode()
    for name, prefix in _SIGNATURES:
        given = headers.get(name, "")
        if given.startswith(prefix) and given:
            return hmac.compare_digest(given.removeprefix(prefix).lower().encode("utf-8", "replace"), wanted)
    return False


def _json(headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    """The object that the body holds, itself or in the field `payload` of a form (GitHub sends either)."""
    try:
        if headers.get("content-type", "").partition(";")[0].strip().lower() == "application/x-www-form-urlencoded":
            body = parse_qs(body.decode(), max_num_fields=10).get("payload", ["{}"])[0].encode()
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _ref(data: Mapping[str, Any]) -> str:
    """The full name; GitHub and Gitea send a short one with its kind where a branch or tag was made or deleted."""
    ref, kind = data.get("ref"), data.get("ref_type")
    if not isinstance(ref, str) or len(ref) > _LONGEST_REF:
        return ""
    if ref.startswith("refs/"):
        return ref
    return {"branch": f"refs/heads/{ref}", "tag": f"refs/tags/{ref}"}.get(kind, "") if isinstance(kind, str) else ""


def _default_branch(data: Mapping[str, Any]) -> str:
    for place in ("project", "repository"):
        found = data.get(place)
        if isinstance(found, Mapping) and isinstance(found.get("default_branch"), str):
            return str(found["default_branch"])
    return ""
