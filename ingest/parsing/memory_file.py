"""A file without a name, on its way into a child: a head in JSON, and contents behind it."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_LENGTH_BYTES = 4


@contextmanager
def written(name: str, head: Mapping[str, Any], contents: Iterable[bytes]) -> Iterator[int]:
    """A descriptor of it, in memory; closed at the end of the block. `name` is for whoever looks at the process.

    Raises:
        OSError: there is no memory for it, or the system has no such files (macOS).
    """
    if not hasattr(os, "memfd_create"):
        raise OSError(errno.ENOSYS, "no files in memory on this system")
    data = json.dumps(head).encode()
    descriptor = os.memfd_create(name, os.MFD_CLOEXEC)
    try:
        with os.fdopen(os.dup(descriptor), "wb") as out:
            out.writelines((len(data).to_bytes(_LENGTH_BYTES, "big"), data))
            out.writelines(contents)
        yield descriptor
    finally:
        os.close(descriptor)


def read(descriptor: int) -> tuple[dict[str, Any], memoryview]:
    """The head and all contents, in the child."""
    data = memoryview(Path(f"/proc/self/fd/{descriptor}").read_bytes())
    at = _LENGTH_BYTES + int.from_bytes(data[:_LENGTH_BYTES], "big")
    return json.loads(bytes(data[_LENGTH_BYTES:at])), data[at:]
