"""`seogo ldap`: behind the same guard as the service itself."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from api.cli.main import app
from rag.access import federation_ldap
from rag.settings_identity import LdapSettings

DIRECTORY = {"name": "hq", "url": "ldaps://localhost:1", "user_base": "ou=people"}


def test_a_directory_is_read_behind_the_guard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def referred(settings: LdapSettings) -> None:
        """A directory that says where to ask on, outside."""
        socket.getaddrinfo("elsewhere.example", 636)

    monkeypatch.setattr(federation_ldap, "read", referred)
    config = tmp_path / "seogo.yaml"
    config.write_text(yaml.safe_dump({"rag": {"data_dir": str(tmp_path), "identity": {"ldap": [DIRECTORY]}}}))
    found = CliRunner().invoke(app, ["--config", str(config), "ldap", "sync", "--dry-run"])
    assert found.exit_code == 1 and "elsewhere.example" in found.output, found.output
    assert "egress_refused" in found.output
