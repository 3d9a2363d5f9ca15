"""A TCP proxy on loopback that cuts a conversation at a word: before it is heard, or before its answer is."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

Cut = Literal["unheard", "unanswered", "late", "swallowed"]


@dataclass
class TcpProxy:
    """Forwards to ``target``. Armed, it breaks the connection whose client says ``word`` next.

    ``unheard``: the word never reaches the server. ``unanswered``: the server hears it and answers, and
    the answer is lost. ``late``: the client is cut off first, and the server hears the word after that.
    ``swallowed``: nobody hears it, and nobody is cut off: the client waits.
    """

    target: tuple[str, int]
    cuts: int = 0
    _armed: tuple[bytes, Cut] | None = None
    _muted: set[socket.socket] = field(default_factory=set)
    _sockets: list[socket.socket] = field(default_factory=list)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._start(self._accept)

    def cut(self, word: bytes, how: Cut) -> None:
        """Arm it, for one cut."""
        self._armed = (word, how)

    def close(self) -> None:
        for each in (self._listener, *self._sockets):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        for thread in self._threads:
            thread.join(5)

    def _start(self, work: object, *args: object) -> None:
        thread = threading.Thread(target=work, args=args, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self.target)
                self._sockets += [client, server]
                self._start(self._to_server, client, server)
                self._start(self._to_client, server, client)

    def _to_server(self, client: socket.socket, server: socket.socket) -> None:
        with _ending(client, server):
            while data := client.recv(65536):
                if self._armed and self._armed[0] in data:
                    self._break(client, server, data)
                else:
                    server.sendall(data)

    def _break(self, client: socket.socket, server: socket.socket, data: bytes) -> None:
        how = self._armed[1] if self._armed else "unheard"
        self._armed, self.cuts = None, self.cuts + 1
        if how == "swallowed":
            return
        if how == "unanswered":
            self._muted.add(server)
            server.sendall(data)
            return  # what the server answers ends the conversation
        client.shutdown(socket.SHUT_RDWR)
        if how == "late":
            server.sendall(data)

    def _to_client(self, server: socket.socket, client: socket.socket) -> None:
        with _ending(client, server):
            while (data := server.recv(65536)) and server not in self._muted:
                client.sendall(data)


@contextmanager
def _ending(*sockets: socket.socket) -> Iterator[None]:
    """One direction ended: the conversation ends."""
    with contextlib.suppress(OSError):
        yield
    for each in sockets:
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
