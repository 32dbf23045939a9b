"""Puts the migration scripts into the wheel as `api/migrations`; everything else is in pyproject.toml.

The folder stays `alembic/` in the repository and must not become a package: it would shadow the library of that name.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithMigrations(build_py):
    """Copies `alembic/` behind the packages."""

    def run(self) -> None:
        """Build, then copy."""
        super().run()
        if not self.editable_mode:
            target = Path(self.build_lib) / "api" / "migrations"
            shutil.copytree("alembic", target, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)


setup(cmdclass={"build_py": BuildWithMigrations})
