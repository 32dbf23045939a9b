"""Parsers that do what a parser must not get away with. A registry for the sandbox's tests only: production code names
its own registry as a constant, and no setting leads here.

The name of the uploaded file says what to do.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from ingest.parsing import media_types
from ingest.parsing.base import Identified, SourceFile
from ingest.parsing.registry import ParserEntry
from rag.domain.anchor import LineAnchor
from rag.domain.document import Element, ElementKind, ParsedDocument
from rag.domain.errors import FileDamaged, NotPermitted


class HostileParser:
    name = "hostile/1"
    media_types = (media_types.TEXT,)

    def bid(self, identified: Identified) -> int:
        return 100

    def parse(self, path: Path, source: SourceFile) -> ParsedDocument:
        if source.name.startswith("pages"):
            return self.pages(source)
        if source.name.startswith("tell"):
            return self.tell(source)
        text = str(getattr(self, source.name.removesuffix(".txt"))(path))
        element = Element(ElementKind.TEXT, text, LineAnchor(1, 1))
        title = "t" * (9 << 20) if source.name == "entitle_much.txt" else ""
        return ParsedDocument(title, source.media_type, self.name, (element,))

    def pages(self, source: SourceFile) -> ParsedDocument:
        """One of four pages, `pages_without_end` always the same one; `pages_that_wait` waits at the second."""
        page = source.first_page
        if page == 2 and source.name == "pages_that_wait.txt":
            time.sleep(600)
        next_page = 2 if source.name == "pages_without_end.txt" else page + 1 if page < 4 else 0
        text = source.seam if source.name == "pages_that_say.txt" else f"{page} of {os.getpid()}"
        element = Element(ElementKind.TEXT, text, LineAnchor(1, 1))
        seam = f"{source.seam} 쪽 {page}"
        warnings = (f"ocr:{page}",)
        return ParsedDocument("", source.media_type, self.name, (element,), 4, warnings, next_page=next_page, seam=seam)

    def tell(self, source: SourceFile) -> ParsedDocument:
        """Says how far it is after a second: `tell_nonsense` what can't be, `tell_much` much, at once; `tell_and_wait` comes to
        no end."""
        says = {"tell_nonsense.txt": [(0, 3), (5, 3), (2**32 - 1, 2**32 - 1)], "tell_much.txt": [(1, 2)] * 1_000_000}
        if source.name != "tell_much.txt":
            time.sleep(1.2)
        for pages in says.get(source.name, [(1, 4)]):
            source.has_read(*pages)
        if source.name == "tell_and_wait.txt":
            time.sleep(600)
        element = Element(ElementKind.TEXT, "told", LineAnchor(1, 1))
        return ParsedDocument("", source.media_type, self.name, (element,))

    def read(self, path):
        return path.read_text()

    def allocate(self, path):
        return len(bytearray(3 << 30))

    def allocate_slowly(self, path):
        held = []
        while True:
            held.append(bytearray(16 << 20))

    def spin(self, path):
        while True:
            pass

    def spin_handled(self, path):
        signal.signal(signal.SIGXCPU, signal.SIG_IGN)
        self.spin(path)

    def sleep(self, path):
        time.sleep(600)

    def print_much(self, path):
        for _ in range(100):
            sys.stdout.write("x" * (1 << 20))
            os.write(2, b"y" * (1 << 20))
        return "printed"

    def answer_much(self, path):
        return "z" * (100 << 20)

    def entitle_much(self, path):
        return "its title is as long as a book"

    def segfault(self, path):
        ctypes.string_at(0)

    def abort(self, path):
        os.abort()

    def exit(self, path):
        os._exit(0)

    def lie(self, path):
        """Writes a frame of its own to every open descriptor."""
        for descriptor in range(3, 64):
            try:
                os.write(descriptor, b"R\0\0\0\x04oops")
            except OSError:
                continue
        os._exit(0)

    def damaged(self, path):
        raise FileDamaged(name="another name", detail="d" * 5000)

    def forbidden(self, path):
        raise NotPermitted

    def bug(self, path):
        return {}["missing"]

    def network(self, path):
        refused = []
        for family in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX, socket.AF_NETLINK):
            try:
                socket.socket(family, socket.SOCK_DGRAM)
            except OSError:
                refused.append(family.name)
        return " ".join(refused)

    def fork(self, path):
        refused = []
        for attempt in (os.fork, lambda: subprocess.run(["true"], check=False), lambda: os.kill(os.getppid(), 0)):
            try:
                attempt()
            except OSError:
                refused.append("refused")
        return " ".join(refused)

    def files(self, path):
        """What can be reached besides the input."""
        reached = []
        for target in ("/etc/passwd", "/root", "/tmp", str(Path(__file__).parents[3] / "pyproject.toml")):
            try:
                list(Path(target).iterdir()) if Path(target).is_dir() else Path(target).read_bytes()
                reached.append(target)
            except OSError:
                pass
        try:
            Path("/tmp/seogo-escaped").write_text("x")
            reached.append("write")
        except OSError:
            pass
        return f"reached {reached} read {path.read_text()!r} fds {len(list(Path('/proc/self/fd').iterdir()))}"

    def environment(self, path):
        return sorted(os.environ)


PARSERS = {"hostile": ParserEntry((media_types.TEXT,), HostileParser)}
