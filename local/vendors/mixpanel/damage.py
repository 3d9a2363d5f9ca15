"""What a fault does to the lines of an export, and to the length that is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from local.vendors.mixpanel.faults import Fault, FaultKind

TERMINATED = b"terminated early\n"
_NOT_JSON = b'\x01{"broken'  # a control character is wrong inside a JSON text and outside of one
_FILLER = b" " * 65_536


def place_of(fault: Fault, whole: int) -> int:
    """Where in the text it happens: half way unless told; before its end."""
    at = whole // 2 if fault.at_bytes is None else fault.at_bytes
    return max(0, min(at, whole - 1))


def length_told(fault: Fault, whole: int) -> int | None:
    """Content-Length, where the fault has one."""
    match fault.kind:
        case FaultKind.CUT_BODY:
            return whole
        case FaultKind.LENGTH_TOO_LONG:
            return whole + fault.by_bytes
        case FaultKind.LENGTH_TOO_SHORT:
            return max(0, whole - fault.by_bytes)
        case _:
            return None


def damaged(fault: Fault, lines: Iterator[bytes], at: int) -> Iterator[bytes]:
    """The lines as the fault lets them out; ``at`` is a place in the text, in bytes."""
    ends = fault.kind in _ENDS
    change = _ENDS.get(fault.kind) or _GOES_ON.get(fault.kind)
    begins = 0
    for line in lines:
        if change is None or at >= begins + len(line):
            yield line
        elif ends:
            yield from change(line, at - begins, fault)
            return
        elif at >= begins:
            yield from change(line, at - begins, fault)
        else:
            yield line
        begins += len(line)
    if begins == 0 and fault.kind is FaultKind.TERMINATED_EARLY:
        yield TERMINATED


def _part(line: bytes, at: int, _fault: Fault) -> Iterator[bytes]:
    """The beginning of the line: never none of it, never a whole object."""
    yield line[: max(1, min(at, len(line) - 2))]


def _terminated(_line: bytes, _at: int, _fault: Fault) -> Iterator[bytes]:
    yield TERMINATED


def _split(line: bytes, at: int, fault: Fault) -> Iterator[bytes]:
    first = next(_part(line, at, fault))
    yield first + b"\n"
    yield line[len(first) :]


def _malformed(line: bytes, _at: int, _fault: Fault) -> Iterator[bytes]:
    yield _NOT_JSON + line[len(_NOT_JSON) :]


def _blown_up(line: bytes, _at: int, fault: Fault) -> Iterator[bytes]:
    """Blanks go in before the closing brace, so that the line stays JSON."""
    yield line[:-2]
    missing = fault.size_bytes - len(line)
    while missing > 0:
        yield _FILLER[:missing]
        missing -= len(_FILLER)
    yield line[-2:]


_Change = Callable[[bytes, int, Fault], Iterator[bytes]]

_ENDS: dict[FaultKind, _Change] = {
    FaultKind.CUT_BODY: _part,
    FaultKind.CUT_CHUNKED: _part,
    FaultKind.CUT_GZIP: _part,
    FaultKind.CUT_LINE: _part,
    FaultKind.RESET: _part,
    FaultKind.TERMINATED_EARLY: _terminated,
}
_GOES_ON: dict[FaultKind, _Change] = {
    FaultKind.SPLIT_LINE: _split,
    FaultKind.MALFORMED_JSON: _malformed,
    FaultKind.OVERSIZED: _blown_up,
}
