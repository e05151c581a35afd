"""What the server sent on one stream."""

from __future__ import annotations

import base64
import struct
import urllib.parse
from dataclasses import dataclass, field

from google.rpc import status_pb2

Headers = list[tuple[str, str]]


@dataclass
class Answer:
    """The frames of one stream, taken apart.

    Attributes:
        headers: What the first HEADERS frame holds; empty until it came.
        trailers: What the second holds; for an answer of one HEADERS frame that ends the stream,
            the same as `headers`.
        data: The payloads of all DATA frames.
        frames: What came in which order: HEADERS, DATA.
        largest_data: Bytes of the largest DATA frame.
        ended: Whether END_STREAM came.
        reset: The code of a RST_STREAM, or None.
    """

    headers: Headers = field(default_factory=list)
    trailers: Headers = field(default_factory=list)
    data: bytearray = field(default_factory=bytearray)
    frames: list[str] = field(default_factory=list)
    largest_data: int = 0
    ended: bool = False
    reset: int | None = None

    @property
    def over(self) -> bool:
        """Nothing more will come."""
        return self.ended or self.reset is not None

    @property
    def http_status(self) -> int:
        """The `:status`; 0 if no headers came."""
        return int(dict(self.headers).get(":status", "0"))

    @property
    def status(self) -> int | None:
        """The grpc-status; None if none came."""
        found = dict(self.trailers).get("grpc-status")
        return None if found is None else int(found)

    @property
    def text(self) -> str:
        """The grpc-message, its percent-coding undone."""
        return urllib.parse.unquote(dict(self.trailers).get("grpc-message", ""), errors="strict")

    @property
    def message(self) -> bytes:
        """The only message of the answer, out of its prefix."""
        compressed, length = struct.unpack(">BI", self.data[:5])
        assert compressed == 0 and length == len(self.data) - 5, self
        return bytes(self.data[5:])

    @property
    def details(self) -> status_pb2.Status:
        """The document of grpc-status-details-bin; its base64 may lack the padding."""
        coded = dict(self.trailers)["grpc-status-details-bin"]
        content = base64.b64decode(coded + "=" * (-len(coded) % 4), validate=True)
        return status_pb2.Status.FromString(content)
