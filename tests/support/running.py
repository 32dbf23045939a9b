"""Services and clients for tests: the real lanes on a temporary folder."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from starlette.testclient import TestClient

from api.app import create_app
from api.cli.services import both_lanes, upgrade_schema
from api.deps import Services
from api.settings import Settings, load_settings
from rag.domain.principal import Scope
from rag.generation.registry import Generation

SAMPLES = Path(__file__).resolve().parents[2] / "ingest" / "samples"


def settings_for(folder: Path, overrides: Mapping[str, Any] | None = None) -> Settings:
    """Embedded settings on `folder`, with the sections in `overrides` replaced field by field."""
    base = load_settings(None, folder)
    values = base.model_dump()
    for section, fields in (overrides or {}).items():
        for name, value in fields.items():
            if isinstance(value, dict):
                values[section][name].update(value)
            else:
                values[section][name] = value
    return Settings(**values)


@dataclass
class Running:
    """A service in this process and a way to talk to it as anybody."""

    services: Services
    http: TestClient

    def key(self, *scopes: Scope, tenant: str = "default", collections: Sequence[Any] | None = None) -> str:
        """A new key."""
        secret, _ = self.services.rag.keys.create(tenant, "test", scopes or [Scope.ADMIN], collections)
        return secret

    def caller(self, *scopes: Scope, tenant: str | None = None, language: str = "en") -> Caller:
        """A client with a new key; by default the admin of a tenant of its own."""
        key = self.key(*scopes, tenant=tenant or f"t-{uuid4().hex[:8]}")
        return Caller(self, {"Authorization": f"Bearer {key}", "Accept-Language": language})


@dataclass
class Caller:
    """A client with a key."""

    running: Running
    headers: dict[str, str]

    def request(self, method: str, path: str, **arguments: Any) -> Any:
        """An HTTP response."""
        headers = {**self.headers, **arguments.pop("headers", {})}
        return self.running.http.request(method, path, headers=headers, **arguments)

    def get(self, path: str, **arguments: Any) -> Any:
        """GET."""
        return self.request("GET", path, **arguments)

    def post(self, path: str, **arguments: Any) -> Any:
        """POST."""
        return self.request("POST", path, **arguments)

    def delete(self, path: str, **arguments: Any) -> Any:
        """DELETE."""
        return self.request("DELETE", path, **arguments)

    def collection(self, name: str | None = None, kind: str = "documents") -> str:
        """Make a collection; returns its name."""
        name = name or f"c-{uuid4().hex[:8]}"
        response = self.post("/api/v1/collections", json={"name": name, "kind": kind})
        assert response.status_code == 201, response.text
        return name

    def upload(self, collection: str, files: Mapping[str, bytes | str], **fields: Any) -> Any:
        """Upload files by name, with fields beside them as JSON; returns the response."""
        parts = [
            ("files", (name, content.encode() if isinstance(content, str) else content))
            for name, content in files.items()
        ]
        data = {name: json.dumps(value) for name, value in fields.items()}
        return self.post(f"/api/v1/collections/{collection}/documents", files=parts, data=data)

    def ingest(
        self, collection: str, files: Mapping[str, bytes | str], timeout_s: float = 60, **fields: Any
    ) -> list[dict[str, Any]]:
        """Upload files and wait for the end of their ingestion; returns the documents."""
        response = self.upload(collection, files, **fields)
        assert response.status_code == 202, response.text
        ids = [item["document_id"] for item in response.json()["documents"] if item["document_id"]]
        return self.wait(ids, timeout_s)

    def wait(self, ids: Sequence[str], timeout_s: float = 60) -> list[dict[str, Any]]:
        """Wait until no newest version of these documents is queued or running."""
        deadline = time.monotonic() + timeout_s
        while True:
            documents = self.post("/api/v1/documents/status", json={"ids": list(ids)}).json()["documents"]
            if all(item["version"]["state"] not in ("queued", "running") for item in documents):
                return list(documents)
            assert time.monotonic() < deadline, documents
            time.sleep(0.05)

    def receipt(self, receipt_id: str, timeout_s: float = 60) -> dict[str, Any]:
        """The receipt of a deletion, once its purge is finished."""
        deadline = time.monotonic() + timeout_s
        while True:
            found: dict[str, Any] = self.get(f"/api/v1/receipts/{receipt_id}").json()
            if found["purged_at"]:
                return found
            assert time.monotonic() < deadline, found
            time.sleep(0.05)

    def search(self, question: str, **body: Any) -> list[dict[str, Any]]:
        """The passages for a question."""
        response = self.post("/api/v1/search", json={"question": question, **body})
        assert response.status_code == 200, response.text
        return list(response.json()["passages"])


@contextmanager
def running(settings: Settings, *, listen: bool = True, generation: Generation | None = None) -> Iterator[Running]:
    """A service for the length of the block, with these engines if given. One at a time per process (the queue's rule)."""
    upgrade_schema(settings)
    with both_lanes(settings, listen=listen, local_operator=False, generation=generation) as services:
        yield Running(services, TestClient(create_app(services), raise_server_exceptions=False))
