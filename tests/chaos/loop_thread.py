"""A thread with an asyncio loop that serves one loopback port, and leaves no socket behind."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable

from local.processes import StackFailed

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

READ_AT_ONCE = 65536
PATIENCE_S = 10.0


class LoopThread:
    """Serves each accepted connection with ``serve`` until ``close``."""

    def __init__(self, name: str, serve: Serve) -> None:
        self._serve = serve
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._served: dict[asyncio.Task[None], socket.socket] = {}
        self._defects: list[BaseException] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self._listener.setblocking(False)
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End every connection and the thread; raises what went wrong inside. May be called twice."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(PATIENCE_S)
        if self._thread.is_alive():
            raise StackFailed(f"{self._thread.name} does not end")
        if self._defects:
            raise self._defects.pop()

    def soon(self, work: Callable[[], None]) -> None:
        """Do ``work`` in the loop's thread; nothing when it has ended."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(work)

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._main())
        finally:
            self._loop.close()
            self._listener.close()

    async def _main(self) -> None:
        self._loop.add_reader(self._listener, self._accept)
        await self._stop.wait()
        self._loop.remove_reader(self._listener)
        served = dict(self._served)
        for task in served:
            task.cancel()
        await asyncio.gather(*served, return_exceptions=True)
        await asyncio.sleep(0)  # for transports that were closed just now
        for accepted in served.values():  # cancelled before its first line, a task closes nothing
            accepted.close()

    def _accept(self) -> None:
        """asyncio's own server, and its ``sock_accept``, lose what they accept while they are ended."""
        accepted, _ = self._listener.accept()
        task = self._loop.create_task(self._conversation(accepted))
        self._served[task] = accepted
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._served.pop(task, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._defects.append(error)

    async def _conversation(self, accepted: socket.socket) -> None:
        accepted.setblocking(False)
        reader, writer = await asyncio.open_connection(sock=accepted, limit=READ_AT_ONCE)
        try:
            await self._serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            reset(writer)
        finally:
            await finish(writer)


def reset(writer: asyncio.StreamWriter) -> None:
    """End a connection so that its peer reads a reset, not an end."""
    sock = writer.get_extra_info("socket")
    if sock is not None and sock.fileno() >= 0:
        linger = b"\x01\x00\x00\x00\x00\x00\x00\x00"  # on, for 0 s: close() discards and sends RST
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()


async def finish(writer: asyncio.StreamWriter) -> None:
    """Close, whatever state the connection is in."""
    if not writer.is_closing():
        writer.transport.abort() if writer.transport.get_write_buffer_size() else writer.close()
    await asyncio.gather(writer.wait_closed(), return_exceptions=True)
