"""A lock with hashes, from what pip would install.

    pip install --dry-run --ignore-installed --report report.json -c constraints.txt ".[embedded,postgres]"
    python -m api.supply_chain.lock report.json > requirements.lock
    pip install --require-hashes --no-deps -r requirements.lock

pip has resolved the versions and knows the SHA-256 of each file that it chose for this platform and Python, from the index or
from a mirror; here they are written in the form that `--require-hashes` takes. A lock is for one platform, which its first line
names.

torch is the special case. Its CPU build is another file than the registry's of the same version, and its version carries a local
label (`2.13.0+cpu`), which no index but its own serves: install the lock with `--extra-index-url` of that index, or with
`--find-links` of a folder that holds the file. The hash holds either way.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name


def lock_of(report: Mapping[str, Any]) -> str:
    """The lock for an installation report of pip, sorted by name; the project itself is not in it.

    Raises:
        ValueError: a file has no SHA-256: it was built here, or comes from a folder, and nobody could check it.
    """
    environment = report["environment"]
    lines = [
        f"# For {environment['sys_platform']} {environment['platform_machine']}, Python {environment['python_version']}.",
        "# Made by `python -m api.supply_chain.lock`; install with `pip install --require-hashes --no-deps`.",
    ]
    entries: dict[str, str] = {}
    for item in report["install"]:
        metadata, download = item["metadata"], item["download_info"]
        if "dir_info" in download:
            continue  # the project
        digest = download.get("archive_info", {}).get("hashes", {}).get("sha256")
        if not digest:
            raise ValueError(f"{metadata['name']}: no SHA-256 of what would be installed")
        name = canonicalize_name(metadata["name"])
        entries[name] = f"{name}=={metadata['version']} \\\n    --hash=sha256:{digest}"
    return "\n".join([*lines, *(entries[name] for name in sorted(entries))]) + "\n"


def main() -> None:
    """Write the lock to the standard output."""
    sys.stdout.write(lock_of(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))))


if __name__ == "__main__":
    main()
