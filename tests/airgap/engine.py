"""A stand-in for a model server on the loopback interface, in a process of its own: `python -m tests.airgap.engine PORT`."""

from __future__ import annotations

import signal
import sys
import threading

from tests.support.engine_server import engine_server, saying


def main(port: int) -> None:
    """Answer until a signal."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with engine_server(saying("명령휴가는 1회에 ", "연속 5영업일 이상 실시합니다. [1]"), port):
        stop.wait()


if __name__ == "__main__":
    main(int(sys.argv[1]))
