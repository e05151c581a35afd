"""A client of frames: it keeps every rule by itself and breaks any one when told to."""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from collections import Counter
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self

import hpack

from tests.front.answer import Answer, Headers
from tests.front.call_bytes import RERANK, call_headers
from tests.front.frames import (
    FRAME_HEAD_BYTES,
    PREFACE,
    ErrorCode,
    Flag,
    Frame,
    Kind,
    Setting,
    frame,
    framed,
    settings_frame,
    window_update,
)

_LARGEST_FRAME = 16384  # that every peer takes (RFC 9113, 4.2)
_FIRST_WINDOW = 65535  # (RFC 9113, 6.9.2)


class RawConnection:
    """A connection to a server of this machine.

    Attributes:
        answers: The answer of each stream.
        settings: What the server announced.
        settings_acks: How many of our SETTINGS it acknowledged.
        pongs: The payloads of its answers to our PINGs.
        goaway: The last stream and the code of its GOAWAY, or None.
        closed: Whether the server closed the connection.
    """

    def __init__(
        self,
        port: int,
        settings: Mapping[int, int] | None = None,
        *,
        preface: bool = True,
        grants_window: bool = True,
    ) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.encoder = hpack.Encoder()
        self.answers: dict[int, Answer] = {}
        self.settings: dict[int, int] = {}
        self.settings_acks = 0
        self.pongs: list[bytes] = []
        self.goaway: tuple[int, int] | None = None
        self.closed = False
        self._decoder = hpack.Decoder()
        self._decoder.max_header_list_size = 1 << 20
        self._bytes = b""
        self._block: tuple[int, int, bytes] | None = None  # stream, flags, fragment
        self._grants_window = grants_window
        self._next_stream = 1
        self._windows: dict[int, int] = {0: _FIRST_WINDOW}
        self._sent: Counter[int] = Counter()
        if preface:
            self.send(PREFACE + settings_frame(dict(settings or {})))

    def send(self, content: bytes, timeout_s: float = 10) -> None:
        """Sends bytes as they are; a server that has hung up is noted, not raised."""
        self.socket.settimeout(timeout_s)
        try:
            self.socket.sendall(content)
        except (BrokenPipeError, ConnectionResetError):
            self.closed = True

    def open_stream(
        self, headers: Headers | None = None, *, end_stream: bool = False, stream: int = 0
    ) -> int:
        """Sends HEADERS, of a call of Rerank if none are given; returns the stream."""
        stream = stream or self._next_stream
        self._next_stream = max(self._next_stream, stream + 2)
        block = self.encoder.encode(headers if headers is not None else call_headers())
        flags = Flag.END_HEADERS | (Flag.END_STREAM if end_stream else 0)
        self.send(frame(Kind.HEADERS, flags, stream, block))
        return stream

    def call_block(self) -> bytes:
        """The compressed headers of a call of Rerank; the next stream's."""
        return self.encoder.encode(call_headers())

    def limit_table(self, size: int) -> None:
        """Holds the server's header blocks to a table of so many bytes."""
        self._decoder.max_allowed_table_size = size

    def send_block(
        self, stream: int, block: bytes, *, end_stream: bool, piece_size: int = _LARGEST_FRAME
    ) -> None:
        """Sends a header block of any size: HEADERS, and as many CONTINUATION as it needs."""
        pieces = [block[at : at + piece_size] for at in range(0, len(block), piece_size)]
        for index, piece in enumerate(pieces):
            flags = Flag.END_HEADERS if index == len(pieces) - 1 else 0
            if index == 0 and end_stream:
                flags |= Flag.END_STREAM
            kind = Kind.HEADERS if index == 0 else Kind.CONTINUATION
            self.send(frame(kind, flags, stream, piece))

    def send_data(
        self,
        stream: int,
        content: bytes,
        *,
        end_stream: bool = False,
        padded: bool = False,
        timeout_s: float = 5,
    ) -> None:
        """Sends DATA as fast as the server's windows allow, until the stream is over.

        Args:
            stream: Its stream.
            content: What fits no window or frame at once goes in pieces.
            end_stream: Whether the last frame ends the stream.
            padded: Whether `content` is one frame's length of padding, payload and padding.
            timeout_s: How long it waits for a window.
        """
        left = memoryview(content)
        while True:
            if self.closed or self.answer_so_far(stream).over:
                return
            room = max(0, min(self._windows[0], self._window_of(stream), _LARGEST_FRAME))
            piece, rest = bytes(left[:room]), left[room:]
            if left and (room == 0 or (padded and rest)):
                self._read_frame(time.monotonic() + timeout_s)
                continue
            self._windows[0] -= len(piece)
            self._windows[stream] -= len(piece)
            self._sent[stream] += len(piece)
            flags = (Flag.END_STREAM if end_stream and not rest else 0) | (
                Flag.PADDED if padded else 0
            )
            self.send(frame(Kind.DATA, flags, stream, piece))
            left = rest
            if not left:
                return

    def send_what_fits(self, stream: int, content: bytes) -> None:
        """Sends as much of DATA as the windows allow without waiting long for more."""
        with contextlib.suppress(TimeoutError):
            self.send_data(stream, content, timeout_s=0.2)

    def sent_bytes(self, stream: int) -> int:
        """How many bytes of DATA went out on a stream."""
        return self._sent[stream]

    def send_call(self, message: bytes, path: str = RERANK, headers: Headers | None = None) -> int:
        """Sends a whole unary call; returns its stream."""
        stream = self.open_stream(headers if headers is not None else call_headers(path))
        self.send_data(stream, framed(message), end_stream=True)
        return stream

    def call(self, message: bytes, path: str = RERANK, headers: Headers | None = None) -> Answer:
        """Sends a whole unary call and reads its answer."""
        return self.answer(self.send_call(message, path, headers))

    def answer(self, stream: int, timeout_s: float = 5) -> Answer:
        """What came on a stream, once all has come."""
        self.read_until(lambda: self.answer_so_far(stream).over, timeout_s)
        return self.answer_so_far(stream)

    def answer_so_far(self, stream: int) -> Answer:
        """What came on a stream until now."""
        return self.answers.setdefault(stream, Answer())

    def read_until(self, condition: Callable[[], bool], timeout_s: float = 5) -> None:
        """Reads frames until something is so; that it never becomes so is an error."""
        end = time.monotonic() + timeout_s
        while not condition():
            assert not self.closed, f"the server hung up: GOAWAY {self.goaway}, {self.answers}"
            self._read_frame(end)

    def read_for(self, seconds: float) -> None:
        """Reads whatever comes for a while, or until the server hangs up."""
        end = time.monotonic() + seconds
        while not self.closed:
            try:
                self._read_frame(end)
            except TimeoutError:
                return

    def read_until_closed(self, timeout_s: float = 5) -> None:
        """Reads until the server hangs up."""
        end = time.monotonic() + timeout_s
        while not self.closed:
            self._read_frame(end)

    def assert_connection_error(self, *codes: int) -> None:
        """The server tells one of these errors and hangs up (RFC 9113, 5.4.1)."""
        self.read_until_closed()
        assert self.goaway is not None, "the server hung up without GOAWAY"
        assert self.goaway[1] in codes, f"GOAWAY of code {self.goaway[1]}, not {codes}"

    def assert_stream_error(self, stream: int, *codes: int) -> None:
        """The server ends one stream by one of these errors, or the connection, which it may choose
        instead (RFC 9113, 5.4.2)."""
        self.read_until(lambda: self.closed or self.answer_so_far(stream).reset is not None)
        if self.closed:
            self.assert_connection_error(*codes)
        else:
            code = self.answer_so_far(stream).reset
            assert code in codes, f"RST_STREAM of code {code}, not {codes}"

    def assert_malformed(self, stream: int) -> None:
        """The server treats a request as malformed: by an error of its stream or, before it, by an
        answer of HTTP status 4xx (RFC 9113, 8.1.1)."""
        self.read_until(lambda: self.closed or self.answer_so_far(stream).over)
        if 400 <= self.answer_so_far(stream).http_status < 500:
            return
        self.assert_stream_error(stream, ErrorCode.PROTOCOL_ERROR)

    def ping(self, payload: bytes = b"are here") -> None:
        """Sends a PING and reads until its answer."""
        count = len(self.pongs)
        self.send(frame(Kind.PING, 0, 0, payload))
        self.read_until(lambda: len(self.pongs) > count)

    def close(self) -> None:
        """Hangs up."""
        self.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _window_of(self, stream: int) -> int:
        first = self.settings.get(Setting.INITIAL_WINDOW_SIZE, _FIRST_WINDOW)
        return self._windows.setdefault(stream, first)

    def _read_frame(self, end: float) -> None:
        head = self._read_bytes(FRAME_HEAD_BYTES, end)
        if head is None:
            return
        length = int.from_bytes(head[:3], "big")
        kind, flags, stream = struct.unpack(">BBI", head[3:])
        payload = self._read_bytes(FRAME_HEAD_BYTES + length, end)
        if payload is None:
            return
        self._bytes = self._bytes[FRAME_HEAD_BYTES + length :]
        self._take(Frame(kind, flags, stream & 0x7FFFFFFF, payload[FRAME_HEAD_BYTES:]))

    def _read_bytes(self, count: int, end: float) -> bytes | None:
        """The first bytes of what has come and is not yet used; None if the server hung up."""
        while len(self._bytes) < count:
            self.socket.settimeout(max(end - time.monotonic(), 0.001))
            try:
                more = self.socket.recv(1 << 16)
            except ConnectionResetError:
                more = b""
            if not more:
                self.closed = True
                return None
            self._bytes += more
        return self._bytes[:count]

    def _take(self, came: Frame) -> None:
        ack = bool(came.flags & Flag.ACK)
        if came.kind == Kind.SETTINGS and ack:
            self.settings_acks += 1
        elif came.kind == Kind.SETTINGS:
            self._take_settings(came.payload)
        elif came.kind == Kind.PING and ack:
            self.pongs.append(came.payload)
        elif came.kind == Kind.PING:
            self.send(frame(Kind.PING, Flag.ACK, 0, came.payload))
        elif came.kind == Kind.WINDOW_UPDATE:
            self._window_of(came.stream)
            self._windows[came.stream] += struct.unpack(">I", came.payload)[0]
        elif came.kind == Kind.GOAWAY:
            self.goaway = struct.unpack(">II", came.payload[:8])
        elif came.kind == Kind.RST_STREAM:
            self.answer_so_far(came.stream).reset = struct.unpack(">I", came.payload)[0]
        elif came.kind == Kind.DATA:
            self._take_data(came)
        elif came.kind in (Kind.HEADERS, Kind.CONTINUATION):
            self._take_headers(came)

    def _take_settings(self, payload: bytes) -> None:
        before = self.settings.get(Setting.INITIAL_WINDOW_SIZE, _FIRST_WINDOW)
        self.settings |= dict(struct.iter_unpack(">HI", payload))
        after = self.settings.get(Setting.INITIAL_WINDOW_SIZE, _FIRST_WINDOW)
        for stream in self._windows:
            if stream:
                self._windows[stream] += after - before
        self.send(frame(Kind.SETTINGS, Flag.ACK, 0))

    def _take_data(self, came: Frame) -> None:
        answer = self.answer_so_far(came.stream)
        content = came.payload
        if came.flags & Flag.PADDED:
            content = content[1 : len(content) - content[0]]
        answer.data += content
        answer.frames.append("DATA")
        answer.largest_data = max(answer.largest_data, len(content))
        answer.ended |= bool(came.flags & Flag.END_STREAM)
        if self._grants_window and came.payload:
            self.send(window_update(0, len(came.payload)))
            self.send(window_update(came.stream, len(came.payload)))

    def _take_headers(self, came: Frame) -> None:
        if came.kind == Kind.HEADERS:
            self._block = (came.stream, came.flags, came.payload)
        else:
            assert self._block is not None and self._block[0] == came.stream, came
            self._block = (came.stream, self._block[1], self._block[2] + came.payload)
        if not came.flags & Flag.END_HEADERS:
            return
        stream, flags, block = self._block
        self._block = None
        headers = [(str(name), str(value)) for name, value in self._decoder.decode(block)]
        answer = self.answer_so_far(stream)
        answer.frames.append("HEADERS")
        answer.ended |= bool(flags & Flag.END_STREAM)
        if not answer.headers:
            answer.headers = headers
        if answer.ended:
            answer.trailers = headers
