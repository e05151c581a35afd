"""The engine: requests of many threads in, batched, answered by artifacts that can be exchanged.

An engine belongs to the process that made it. In one that a fork made its threads are missing:
there every method raises a StatusError, and a program makes an engine of its own.

with Engine() as engine:
    engine.load("feed", "model.gerank")
    answer = engine.rank([request], timeout_s=0.05)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from gerank import _engine
from gerank._engine import StatusError
from gerank.data.request import Request
from gerank.data.scalars import is_real
from gerank.data.slate import Slate
from gerank.engine_options import EngineOptions
from gerank.ranker import Ranker, native_queries, query_errors, slates_from_raw
from gerank.unknown_features import UnknownFeatures

__all__ = ["Answer", "Call", "Engine", "EngineOptions", "PublishedModel", "StatusError"]

Requests = Sequence[Request | Mapping[str, Any]]


class Answer(NamedTuple):
    """What one call gets.

    Attributes:
        slates: One per request, in order.
        model_version: The artifact that answered.
        queue_us, batch_us, model_us: Microseconds of waiting, of padding, and of the forward pass.
    """

    slates: list[Slate]
    model_version: str
    queue_us: int
    batch_us: int
    model_us: int


class PublishedModel(NamedTuple):
    """One published artifact.

    Attributes:
        name: Under which it is published.
        version: Its model version.
        current: Whether it answers calls that name no version.
        is_default: Whether its name answers calls that name no model.
    """

    name: str
    version: str
    current: bool
    is_default: bool


class Call:
    """A call on its way. It is thread-safe. One that is forgotten is cancelled.

    If a call is split over several forward passes, those that have not begun when its deadline
    passes or it is cancelled are dropped; it ends when the one that runs comes back.
    """

    def __init__(self, native: _engine.Call[_engine.RawAnswer]) -> None:
        self._native = native

    def cancel(self) -> bool:
        """Ends the call, unless a worker has taken all of it.

        Returns:
            Whether this made it end: at once, or as soon as what a worker has taken comes back.
        """
        return self._native.cancel()

    def done(self) -> bool:
        """Whether the call has ended."""
        return self._native.done()

    def wait(self) -> Answer:
        """Blocks until the call has ended, without the GIL. Ctrl-C ends the wait, not the call.

        Raises:
            RequestError, StatusError: As for `Engine.rank`. In a callback of the engine only a call
                that has ended can be waited for.
        """
        with query_errors():
            return _answer(self._native.wait())


class Engine:
    """A queue, workers, and artifacts by name and version. Thread-safe.

    Used as a context manager, it stops at the end of the block. In a callback of `submit` the
    methods that wait would wait for the very thread that calls them: there `rank`, `publish`,
    `load`, `drain`, `stop` and `Call.wait` raise StatusError at once; all others may be used.

    Args:
        options: None = the defaults.

    Raises:
        StatusError: An option is out of its range.
    """

    def __init__(self, options: EngineOptions | None = None) -> None:
        self.options = options or EngineOptions()
        ignore = self.options.unknown_features == UnknownFeatures.IGNORE
        self.native = _engine.Engine(**self.options.numbers(), ignore_unknown_features=ignore)

    def load(self, name: str, path: str | Path, keep_old: bool = False) -> Ranker:
        """Loads and checks an artifact, then publishes it; see `publish`.

        Raises:
            ArtifactError: The file is refused. What was published before serves on.
            StatusError: As for `publish`.
        """
        self.native.may_wait("load")
        ranker = Ranker.load(
            path,
            implementation=self.options.implementation,
            precision=self.options.precision,
            device=self.options.device,
        )
        self.publish(name, ranker, keep_old)
        return ranker

    def publish(self, name: str, ranker: Ranker, keep_old: bool = False) -> None:
        """Lets an artifact answer the calls that name `name`, after a warm-up on every worker.

        Args:
            name: The first name published is the default one.
            ranker: The artifact.
            keep_old: Whether the artifact that was current stays, for calls that name its version
                and for `make_current`.

        Raises:
            StatusError: The model failed its warm-up, or the engine is draining.
        """
        self.native.publish(name, ranker.native, keep_old)

    def make_current(self, name: str, version: str) -> None:
        """Makes a version current that is still published: a roll-back without loading.

        Raises:
            StatusError: There is no such version.
        """
        self.native.make_current(name, version)

    def retire(self, name: str, version: str = "") -> None:
        """Removes a version, or a name with all of its versions.

        Raises:
            StatusError: There is none.
        """
        self.native.retire(name, version)

    def find(self, name: str = "", version: str = "") -> Ranker | None:
        """The artifact that would answer now; None if there is none."""
        native = self.native.find(name, version)
        return None if native is None else Ranker(native)

    def models(self) -> list[PublishedModel]:
        """All published artifacts."""
        return [PublishedModel(*model) for model in self.native.models()]

    def rank(
        self,
        requests: Requests,
        *,
        model: str = "",
        version: str = "",
        timeout_s: float | None = None,
    ) -> Answer:
        """Answers requests, all or none; blocks without the GIL. Ctrl-C cancels the call.

        Args:
            requests: Columns (`Request`) or JSON documents.
            model: The name of an artifact; empty = the default one.
            version: A model version; empty = the name's current one.
            timeout_s: How long the call may wait for a worker; None = for ever.

        Raises:
            RequestError: A request is malformed; the field begins with `requests[i].`
            StatusError: Any other outcome; its `code` is that of gRPC.
        """
        call = self._call(requests, model, version, timeout_s)
        with query_errors():
            return _answer(call.rank())

    def submit(
        self,
        requests: Requests,
        *,
        model: str = "",
        version: str = "",
        timeout_s: float | None = None,
        callback: Callable[[], object] | None = None,
    ) -> Call:
        """As `rank`, but returns at once. `callback` is called when the call has ended.

        Raises:
            RequestError: A request cannot be a query.
            ValueError: `timeout_s` is no number, or `callback` no function.
        """
        if callback is not None and not callable(callback):
            raise ValueError(f"callback: must be a function without arguments, got {callback!r}")
        call = self._call(requests, model, version, timeout_s)
        call.submit(callback)
        return Call(call)

    def stats(self) -> dict[str, Any]:
        """Counters and gauges, as `EngineStats` in `gerank/engine.h` has them."""
        return self.native.stats()

    def drain(self) -> None:
        """Refuses new calls from now on, and returns when all that were taken have ended.

        Raises:
            StatusError: In a callback of the engine, and in a process that a fork made.
        """
        self.native.drain()

    def stop(self, grace_s: float = 0.0) -> None:
        """Drains; what is still queued after `grace_s` ends with UNAVAILABLE.

        Raises:
            StatusError: In a callback of the engine, and in a process that a fork made.
            ValueError: `grace_s` is no number of seconds.
        """
        self.native.stop(_seconds("grace_s", grace_s))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.native.usable:  # a forked process leaves the block, and its parent's engine alone
            self.stop()

    def _call(
        self, requests: Requests, model: str, version: str, timeout_s: float | None
    ) -> _engine.Call[_engine.RawAnswer]:
        if timeout_s is not None:
            _seconds("timeout_s", timeout_s)
        served = self.find(model, version)
        # Without an artifact the engine refuses the call; it needs no queries for that.
        unknown = UnknownFeatures(self.options.unknown_features)
        queries = native_queries(requests, served.contract, unknown) if served else []
        return self.native.call(queries, model=model, version=version, timeout_s=timeout_s)


def _seconds(name: str, value: Any) -> float:
    if not is_real(value) or value != value:
        raise ValueError(f"{name}: must be a number of seconds, got {value!r}")
    return float(value)


def _answer(raw: _engine.RawAnswer) -> Answer:
    slates, version, timing = raw
    return Answer(slates_from_raw(slates, version), version, *timing)
