"""HTTP/2 frames as bytes: written by hand, so that wrong ones can be written too (RFC 9113, 4 and
6)."""

from __future__ import annotations

import enum
import struct
from dataclasses import dataclass

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
FRAME_HEAD_BYTES = 9


class Kind(enum.IntEnum):
    """Types of frames (RFC 9113, 6)."""

    DATA = 0
    HEADERS = 1
    PRIORITY = 2
    RST_STREAM = 3
    SETTINGS = 4
    PUSH_PROMISE = 5
    PING = 6
    GOAWAY = 7
    WINDOW_UPDATE = 8
    CONTINUATION = 9


class Flag(enum.IntFlag):
    """Flags of frames; ACK and END_STREAM share a bit."""

    END_STREAM = 1
    ACK = 1
    END_HEADERS = 4
    PADDED = 8
    PRIORITY = 32


class Setting(enum.IntEnum):
    """Settings (RFC 9113, 6.5.2)."""

    HEADER_TABLE_SIZE = 1
    ENABLE_PUSH = 2
    MAX_CONCURRENT_STREAMS = 3
    INITIAL_WINDOW_SIZE = 4
    MAX_FRAME_SIZE = 5
    MAX_HEADER_LIST_SIZE = 6


class ErrorCode(enum.IntEnum):
    """Codes of RST_STREAM and GOAWAY (RFC 9113, 7)."""

    NO_ERROR = 0
    PROTOCOL_ERROR = 1
    INTERNAL_ERROR = 2
    FLOW_CONTROL_ERROR = 3
    SETTINGS_TIMEOUT = 4
    STREAM_CLOSED = 5
    FRAME_SIZE_ERROR = 6
    REFUSED_STREAM = 7
    CANCEL = 8
    COMPRESSION_ERROR = 9
    CONNECT_ERROR = 10
    ENHANCE_YOUR_CALM = 11


@dataclass(frozen=True)
class Frame:
    """One frame as it came; `kind` is a number, for it may be none that is known."""

    kind: int
    flags: int
    stream: int
    payload: bytes


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """The bytes of one frame, whether or not its parts fit together."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def settings_frame(settings: dict[int, int]) -> bytes:
    """A SETTINGS frame, its entries in the order given."""
    pairs = b"".join(struct.pack(">HI", name, value) for name, value in settings.items())
    return frame(Kind.SETTINGS, 0, 0, pairs)


def window_update(stream: int, increment: int) -> bytes:
    """A WINDOW_UPDATE; stream 0 is the connection."""
    return frame(Kind.WINDOW_UPDATE, 0, stream, struct.pack(">I", increment))


def rst_stream(stream: int, code: int = ErrorCode.CANCEL) -> bytes:
    """A RST_STREAM."""
    return frame(Kind.RST_STREAM, 0, stream, struct.pack(">I", code))


def framed(message: bytes, compressed: int = 0) -> bytes:
    """A message behind gRPC's prefix: a compressed flag and four bytes of length."""
    return struct.pack(">BI", compressed, len(message)) + message
