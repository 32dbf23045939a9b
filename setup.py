"""Puts what lies outside the packages into the wheel; everything else is in pyproject.toml.

The migration scripts go to `api/migrations`, the model catalogue to `rag/generation/models`. The folder `alembic/` stays what it
is in the repository and must not become a package: it would shadow the library of that name.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

CARRIED = {"alembic": "api/migrations", "configs/models": "rag/generation/models"}
"""Folder of the repository, and its place in the wheel."""


class BuildWithFolders(build_py):
    """Copies the folders behind the packages."""

    def run(self) -> None:
        """Build, then copy."""
        super().run()
        if not self.editable_mode:
            for source, target in CARRIED.items():
                ignored = shutil.ignore_patterns("__pycache__")
                shutil.copytree(source, Path(self.build_lib) / target, ignore=ignored, dirs_exist_ok=True)


setup(cmdclass={"build_py": BuildWithFolders})
