"""What a server grants its callers, whichever its front."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from gerank.unknown_features import UnknownFeatures, checked

RANGES: Mapping[str, tuple[int, int]] = {
    "front_threads": (1, 256),
    "workers": (1, 1024),
    "intra_op_threads": (1, 1024),
    "max_batch": (1, 1_000_000),
    "max_batch_candidates": (1, 100_000_000),
    "max_delay_us": (0, 60_000_000),
    "max_queue": (1, 1_000_000),
    "max_queries": (1, 100_000),
    "max_message_bytes": (1, 2**31 - 1),
    "max_calls_per_connection": (1, 1_000_000),
}
"""The lowest and the highest number that each option may be, as the native front has them."""


class AddressError(OSError):
    """The server cannot listen where it was told to."""


class OptionError(ValueError):
    """An option is out of its range."""


class ModelRefusedError(ValueError):
    """A file is no artifact, is damaged, or does not fit this installation."""


@dataclass(frozen=True)
class ServerOptions:
    """The engine's options, and those of the front before it. See `RANGES` for what they may be.

    Attributes:
        front_threads: In the native front, it counts the threads that read and write calls;
            None = 1, which serves what a core can. In the one in Python, where every call has a
            thread of its own, it counts the calls that may be open beyond `max_queue`; None = 16.
        workers: Forward passes at once.
        intra_op_threads: Threads that torch may use within one forward pass.
        max_batch: Most queries in one forward pass.
        max_batch_candidates: Most candidates in one forward pass, padding included.
        max_delay_us: How long a query may wait for others to share its forward pass, though a
            worker is free.
        max_queue: Most queries waiting; one more call gets RESOURCE_EXHAUSTED.
        max_queries: Most queries of one call.
        max_message_bytes: Limits the size of one call; a larger one gets RESOURCE_EXHAUSTED.
        max_calls_per_connection: Limits the calls that are open at once; a client that honours
            HTTP/2 queues the others itself.
        unknown_features: What becomes of features that the served artifact does not know:
            `refuse` or `ignore`.

    Raises:
        OptionError: An option is out of its range.
    """

    front_threads: int | None = None
    workers: int = 1
    intra_op_threads: int = 1
    max_batch: int = 64
    max_batch_candidates: int = 2048
    max_delay_us: int = 0
    max_queue: int = 1024
    max_queries: int = 256
    max_message_bytes: int = 16 * 2**20
    max_calls_per_connection: int = 4096
    unknown_features: str = UnknownFeatures.REFUSE

    def __post_init__(self) -> None:
        try:
            checked(self.unknown_features)
        except ValueError as error:
            raise OptionError(str(error)) from None
        for name, value in asdict(self).items():
            if name not in RANGES:
                continue
            low, high = RANGES[name]
            if value is None and name == "front_threads":
                continue
            if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
                rule = f"must be an integer in [{low}, {high}]"
                raise OptionError(f"{name}: {rule}, got {value!r}")
