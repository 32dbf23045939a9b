"""Writes the OpenAPI document: `python -m api.export docs/openapi.json`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def document() -> dict[str, Any]:
    """The OpenAPI document of the application, the version left out: a release must not change it."""
    from api.app import create_app

    schema = create_app().openapi()
    schema["info"]["version"] = "1"
    return schema


def main() -> None:
    """Write the document to the path given."""
    Path(sys.argv[1]).write_text(json.dumps(document(), ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
