"""`seogo collections privacy` and `seogo documents release`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from api.cli.addresses import at
from api.cli.commands import print_json
from api.cli.connection import CommandFailed, checked, connect, reporting_failures
from api.cli.options import Options
from api.cli.terminal import put_out


def collection_privacy(
    options: Options,
    name: str,
    default: str | None,
    kinds: Sequence[str],
    raw_from: str | None,
    patterns: Sequence[str],
) -> None:
    """Show a collection's policy; what is given is changed first, the rest stays. An empty value takes a name away."""
    path = at("collections", name)
    with reporting_failures(), connect(options) as client:
        policy: dict[str, Any] = checked(client.get(path), verbatim=True)["privacy"]
        before = {**policy, "kinds": dict(policy["kinds"])}
        if default is not None:
            policy["default"] = default
        if raw_from is not None:
            policy["raw_from"] = raw_from
        policy["kinds"] = _changed(policy["kinds"], kinds)
        known = {item["name"]: item["pattern"] for item in policy["patterns"]}
        policy["patterns"] = [{"name": key, "pattern": value} for key, value in _changed(known, patterns).items()]
        if policy != before:
            policy = checked(client.patch(path, json={"privacy": policy}), verbatim=True)["privacy"]
        print_json(put_out(policy))


def release_document(options: Options, document_id: str, reason: str) -> None:
    """Release a document that is held back, with the reason."""
    with reporting_failures(), connect(options) as client:
        print_json(checked(client.post(at("documents", document_id, "release"), json={"reason": reason})))


def _changed(known: dict[str, str], pairs: Sequence[str]) -> dict[str, str]:
    """`known` with what `name=value` says; an empty value takes the name away."""
    result = dict(known)
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise CommandFailed(f"{pair}: NAME=VALUE is needed")
        result[name] = value
    return {name: value for name, value in result.items() if value}
