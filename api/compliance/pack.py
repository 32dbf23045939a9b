"""The evidence of an installation in one file, with a manifest of hashes.

It holds no text of a document, no question and no secret: versions, settings, components, the API document, the mapping, the
state of the audit trail, and what is given beside.
"""

from __future__ import annotations

import hashlib
import json
import platform
import re
import sys
import zipfile
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from api.app import distribution_version
from api.compliance import mapping, pages, results
from api.export import document
from api.settings import Settings
from rag.domain.errors import ConfigurationError

MANIFEST = "manifest.json"
_SECRET_FIELD = re.compile(
    r"(secret|password|token|api_key|credential)(?!.*_file$)(?!.*_(?:s|tokens|seconds)$)", re.IGNORECASE
)
_USER_INFO = re.compile(r"(?<=://)[^/@\s]*@")
HIDDEN = "***"


def write(
    out: Path,
    settings: Settings,
    *,
    store: Mapping[str, Any],
    junit: Path | None = None,
    sbom: Path | None = None,
) -> dict[str, str]:
    """Write the file; returns the SHA-256 of each part, as the manifest has it.

    Args:
        store: what was found of the database and of the audit trail.
        junit: results of a test run.
        sbom: a bill of materials that was built elsewhere, taken as it is.

    Raises:
        ConfigurationError: a file can't be read or written.
    """
    parts = dict(_parts(settings, store, junit, sbom))
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in parts.items()}
    manifest = {
        "created_at": datetime.now(UTC).isoformat(),
        "seogo": distribution_version(),
        "files": {name: {"sha256": hashes[name], "bytes": len(data)} for name, data in parts.items()},
    }
    try:
        with zipfile.ZipFile(out, "x", zipfile.ZIP_DEFLATED) as archive:
            for name, data in {**parts, MANIFEST: _json(manifest)}.items():
                archive.writestr(name, data)
    except OSError as error:
        raise ConfigurationError(detail=f"{out}: {error.strerror}") from error
    return hashes


def _parts(
    settings: Settings, store: Mapping[str, Any], junit: Path | None, sbom: Path | None
) -> Iterator[tuple[str, bytes]]:
    yield "versions.json", _json(_versions() | {"store": store.get("schema")})
    yield "settings.json", _json(without_secrets(settings.model_dump(mode="json")))
    yield "components.json", _json(list(components()))
    yield "openapi.json", _json(document())
    yield "mapping.yaml", mapping.text().encode()
    for name, text in pages.pages().items():
        yield name, text.encode()
    yield "audit.json", _json(store.get("audit"))
    if junit is not None:
        yield "tests.json", _json(results.held_against(mapping.load(), results.read_junit(junit)))
    if sbom is not None:
        try:
            yield f"sbom/{sbom.name}", sbom.read_bytes()
        except OSError as error:
            raise ConfigurationError(detail=f"{sbom}: {error.strerror}") from error


def without_secrets(values: Any, name: str = "") -> Any:
    """Settings as they may be shown: user and password in an address are hidden, and whatever a field calls a secret.

    The product itself takes secrets from files alone; this is for what somebody put where it does not belong.
    """
    if isinstance(values, dict):
        return {key: without_secrets(value, key) for key, value in values.items()}
    if isinstance(values, list):
        return [without_secrets(value, name) for value in values]
    if isinstance(values, str):
        return HIDDEN if values and _SECRET_FIELD.search(name) else _USER_INFO.sub(f"{HIDDEN}@", values)
    return values


def components() -> Iterator[dict[str, str]]:
    """Every installed distribution with its version and licence, as its metadata has them."""
    found = {dist.metadata["Name"]: dist for dist in metadata.distributions() if dist.metadata["Name"]}
    for name in sorted(found, key=str.lower):
        told = found[name].metadata
        classified = [
            line.rpartition("::")[2].strip() for line in told.get_all("Classifier", []) if line.startswith("License ::")
        ]
        expression, free = ((told.get_all(field) or [""])[0] for field in ("License-Expression", "License"))
        licence = expression or "; ".join(classified) or free.split("\n")[0][:100]
        yield {"name": name, "version": found[name].version, "licence": licence}


def _versions() -> dict[str, Any]:
    return {
        "seogo": distribution_version(),
        "python": sys.version.split()[0],
        "system": platform.platform(),
        "machine": platform.machine(),
    }


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True, default=str).encode() + b"\n"
