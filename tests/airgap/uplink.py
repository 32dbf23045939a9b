"""A way out of a network namespace that leads nowhere, and a count of what is sent that way.

A TUN device with the default routes of IPv4 and IPv6: the kernel routes every packet that is not for this machine into it,
whoever makes it, compiled code and children included, and the reader of the device has it, whole. So nothing is sampled or
filtered: what is not counted here was not sent. Must be opened inside a namespace of one's own, as its root.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

DEVICE = Path("/dev/net/tun")
NAME_SERVER = "10.99.0.53"
_SETUP = """
ip link set lo up
ip addr add 10.99.0.2/24 dev {name}
ip -6 addr add fd00:99::2/64 dev {name} nodad
ip link set {name} up
ip route add default via 10.99.0.1
ip -6 route add default via fd00:99::1
"""
_TUNSETIFF = 0x400454CA
_TUN_WITHOUT_HEADER = 0x0001 | 0x1000  # IFF_TUN | IFF_NO_PI (linux/if_tun.h)
_PROTOCOLS = {1: "icmp", 6: "tcp", 17: "udp", 58: "icmpv6"}
_NEIGHBOURS = frozenset({130, 131, 132, 133, 134, 135, 136, 143})
"""ICMPv6 by which the kernel itself asks who is on the link (RFC 4861, RFC 3810); no program sends them."""


@dataclass(frozen=True, slots=True)
class Packet:
    """Where a packet was to go; `question` is the name that a DNS packet asks for."""

    host: str
    protocol: str
    port: int
    question: str = ""

    def __str__(self) -> str:
        return f"{self.protocol} {self.host}:{self.port} {self.question}".rstrip()


def packet_of(raw: bytes) -> Packet | None:
    """An IP packet; None for the kernel's own talk about neighbours."""
    if raw[0] >> 4 == 4:
        host, protocol, rest = socket.inet_ntoa(raw[16:20]), raw[9], raw[(raw[0] & 15) * 4 :]
    else:
        host, protocol, rest = socket.inet_ntop(socket.AF_INET6, raw[24:40]), raw[6], raw[40:]
        if protocol == 0:  # hop-by-hop options, with which MLD reports come
            protocol, rest = rest[0], rest[8 * (rest[1] + 1) :]
    if protocol == 58 and rest[:1] and rest[0] in _NEIGHBOURS:
        return None
    port = struct.unpack("!H", rest[2:4])[0] if protocol in (6, 17) else 0
    question = _question(rest[8:]) if protocol == 17 and port == 53 else ""
    return Packet(host, _PROTOCOLS.get(protocol, str(protocol)), port, question)


def _question(message: bytes) -> str:
    labels, place = [], 12
    while place < len(message) and message[place]:
        labels.append(message[place + 1 : place + 1 + message[place]].decode("latin-1"))
        place += 1 + message[place]
    return ".".join(labels)


@dataclass
class Uplink:
    """The packets so far; `bytes` counts their sizes, the kernel's own included nowhere."""

    packets: list[Packet] = field(default_factory=list)
    bytes: int = 0

    def settled(self, quiet_s: float = 0.3) -> list[Packet]:
        """The packets, once none has come for a while."""
        count = -1
        while count != len(self.packets):
            count = len(self.packets)
            time.sleep(quiet_s)
        return list(self.packets)

    def read(self, descriptor: int, stop: threading.Event) -> None:
        """Count until told to stop."""
        while not stop.is_set():
            try:
                raw = os.read(descriptor, 65_535)
            except BlockingIOError:
                stop.wait(0.01)
                continue
            packet = packet_of(raw)
            if packet is not None:
                self.packets.append(packet)
                self.bytes += len(raw)


@contextmanager
def uplink(name: str = "nowhere0") -> Iterator[Uplink]:
    """Open the way out and count on a thread until the block ends."""
    descriptor = os.open(DEVICE, os.O_RDWR | os.O_NONBLOCK)
    try:
        fcntl.ioctl(descriptor, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _TUN_WITHOUT_HEADER))
        for line in _SETUP.format(name=name).strip().splitlines():
            subprocess.run(line.split(), check=True)
        counted, stop = Uplink(), threading.Event()
        reader = threading.Thread(target=counted.read, args=(descriptor, stop), daemon=True)
        reader.start()
        try:
            yield counted
        finally:
            stop.set()
            reader.join()
    finally:
        os.close(descriptor)


def ask_nowhere(folder: Path) -> None:
    """Let lookups go to a server on the way out, whatever resolver this machine has. Needs a mount namespace of one's own."""
    resolver = folder / "resolv.conf"
    resolver.write_text(f"nameserver {NAME_SERVER}\noptions timeout:1 attempts:1\n")
    subprocess.run(["mount", "--bind", str(resolver), "/etc/resolv.conf"], check=True)


def missing() -> str:
    """What this machine lacks for a capture; empty where nothing does."""
    if os.geteuid() != 0:
        return "a capture needs root in a namespace of its own"
    if not DEVICE.exists():
        return f"there is no {DEVICE}"
    if shutil.which("ip") is None or shutil.which("unshare") is None:
        return "iproute2 and util-linux are not installed"
    tried = subprocess.run(["unshare", "-n", "-m", "ip", "tuntap", "add", "t0", "mode", "tun"], capture_output=True)
    return "" if tried.returncode == 0 else "this user may not make a network namespace with a TUN device"
