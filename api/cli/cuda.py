"""Which CUDA this machine has: the driver's and the runtimes', without loading any model library."""

from __future__ import annotations

import ctypes
import importlib.metadata
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

REFUSED = (13, 2)
"""Models of the Qwen3.6 family write gibberish on it; 13.1 and 13.3 are fine (`configs/models/qwen3_6.yaml`)."""
_TOOLKIT = Path("/usr/local/cuda/version.json")
_WHEELS = ("nvidia-cuda-runtime", "nvidia-cuda-runtime-cu13")


@dataclass(frozen=True, slots=True)
class Cuda:
    """A version, and whose it is: driver, toolkit, or a wheel's name."""

    part: str
    major: int
    minor: int

    @property
    def refused(self) -> bool:
        """Whether models are known to fail on it."""
        return (self.major, self.minor) == REFUSED

    def __str__(self) -> str:
        return f"{self.part} {self.major}.{self.minor}"


def driver_version() -> int | None:
    """What `cuDriverGetVersion` says: 1000 · major + 10 · minor; None without a driver."""
    try:
        library = ctypes.CDLL("libcuda.so.1")
        found = ctypes.c_int(0)
        failed = library.cuDriverGetVersion(ctypes.byref(found))
    except (OSError, AttributeError):
        return None
    return found.value if not failed and found.value else None


def wheel_version(name: str) -> str | None:
    """Version of an installed distribution."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def installed_cuda(
    driver: Callable[[], int | None] = driver_version,
    wheel: Callable[[str], str | None] = wheel_version,
    toolkit: Path = _TOOLKIT,
) -> list[Cuda]:
    """Every CUDA that can be found here."""
    return [*_driver(driver()), *_toolkit(toolkit), *_wheels(wheel)]


def _driver(version: int | None) -> Iterator[Cuda]:
    if version is not None:
        yield Cuda("driver", version // 1000, version % 1000 // 10)


def _toolkit(path: Path) -> Iterator[Cuda]:
    try:
        version = json.loads(path.read_text(encoding="utf-8"))["cuda"]["version"]
    except (OSError, ValueError, KeyError, TypeError):
        return
    yield from _parsed("toolkit", version)


def _wheels(wheel: Callable[[str], str | None]) -> Iterator[Cuda]:
    for name in _WHEELS:
        yield from _parsed(name, wheel(name))


def _parsed(part: str, version: object) -> Iterator[Cuda]:
    if isinstance(version, str) and (found := re.match(r"(\d+)\.(\d+)", version)):
        yield Cuda(part, int(found[1]), int(found[2]))
