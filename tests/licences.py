"""Licence gate: every installed package must be under a licence that lets a customer use, change and ship Seogo.

Run by `make check`. A package without a recognised licence, or under a copyleft one, fails; known exceptions are listed with
their reason.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys

FORBIDDEN = re.compile(
    r"\b(A?GPL|Affero|SSPL|BUSL|Business Source|Elastic|Commons Clause|CC-BY-NC|NonCommercial)", re.IGNORECASE
)
LESSER = re.compile(r"\bLGPL|Lesser General Public", re.IGNORECASE)
ALLOWED = re.compile(
    r"\b(MIT|BSD|Apache|ISC|PSF|Python Software Foundation|MPL|Mozilla|Unlicense|Zlib|0BSD|CC0|Public Domain|HPND|Artistic|WTFPL|"
    r"CNRI|NVIDIA)",
    re.IGNORECASE,
)
# Weak copyleft, linked and not changed, or metadata that says nothing.
EXCEPTIONS = {
    "FlagEmbedding": "MIT by the licence file of its repository; its metadata names none",
    "kiwipiepy": "LGPL-3.0-or-later; used unmodified as a shared library",
    "kiwipiepy_model": "LGPL-3.0-or-later; data of the above",
    "ldap3": "LGPL-3.0; used unmodified, optional extra",
    "psycopg": "LGPL-3.0-only; used unmodified, optional extra",
    "psycopg-binary": "LGPL-3.0-only; used unmodified, optional extra",
    "seogo": "this project",
}


def problem(name: str, licence: str) -> str | None:
    """Why a package must not be here; None when it may."""
    if name in EXCEPTIONS:
        return None
    if ALLOWED.search(licence):  # dual-licensed packages name the free choice too
        return None
    if LESSER.search(licence):
        return f"{licence}: weak copyleft, needs an entry with its reason"
    if FORBIDDEN.search(licence):
        return f"{licence}: forbidden"
    return f"{licence!r}: not recognised"


def main() -> int:
    """Check every installed package; 1 when one is refused."""
    listing = subprocess.run(
        [sys.executable, "-m", "piplicenses", "--format=json", "--from=mixed"],
        capture_output=True,
        text=True,
        check=True,
    )
    packages = json.loads(listing.stdout)
    refused = {p["Name"]: why for p in packages if (why := problem(p["Name"], p["License"]))}
    for name, why in sorted(refused.items()):
        sys.stdout.write(f"{name}: {why}\n")
    sys.stdout.write(f"licences: {len(packages)} packages, {len(refused)} refused\n")
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main())
