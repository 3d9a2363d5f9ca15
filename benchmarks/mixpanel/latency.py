"""A way to a server on loopback on which everything that the client says takes a while to arrive.

A program of its own: as a thread of the client's it would take its time from the client.
"""

from __future__ import annotations

import argparse
import contextlib
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local.places import free_port
from local.processes import start

LISTENING = "listening"


@contextmanager
def slow_way(target: int, delay_s: float, log: Path) -> Iterator[int]:
    """A port that leads to the port ``target``; each question is heard ``delay_s`` later, answers come at once.

    So a round trip takes that much longer, and a little for the way.
    """
    port = free_port()
    words = ["-m", "benchmarks.mixpanel.latency", str(port), str(target), str(delay_s)]
    program = start("slow-way", [sys.executable, *words], log)
    try:
        program.wait_until(lambda: LISTENING in log.read_text(encoding="utf-8"))
        yield port
    finally:
        program.stop()


def main() -> None:
    """Forward until somebody ends the program."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("target", type=int)
    parser.add_argument("delay", type=float, help="seconds")
    told = parser.parse_args()
    listener = socket.create_server(("127.0.0.1", told.port))
    print(LISTENING, flush=True)
    while True:
        client, _ = listener.accept()
        server = socket.create_connection(("127.0.0.1", told.target))
        for one in (client, server):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for pair in ((client, server, told.delay), (server, client, 0.0)):
            threading.Thread(target=_forward, args=pair, daemon=True).start()


def _forward(source: socket.socket, target: socket.socket, delay_s: float) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            if delay_s:
                time.sleep(delay_s)
            target.sendall(data)
    for each in (source, target):
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)


if __name__ == "__main__":
    main()
