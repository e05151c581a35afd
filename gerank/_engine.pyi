"""The C++ engine: see csrc/python. Use `gerank.load` and `gerank.engine`."""

from collections.abc import Callable, Iterable
from typing import Any, Generic, SupportsIndex, TypeVar

Block = tuple[list[str], str, Any]
RawUnmet = tuple[int, str, int, int, tuple[int, ...]]  # rule, name, wanted, got, slots
RawSlate = tuple[
    tuple[int, ...], tuple[int, ...], tuple[float, ...], tuple[int, ...], int, tuple[RawUnmet, ...]
]  # slots, candidates, log_prob, relaxed, seed, unmet
RawPages = tuple[Any, Any, Any, Any, Any, Any, list[tuple[int, RawUnmet]]]
# filled slots of each page; of each filled slot: slot, candidate, log_prob, relaxed; seeds; unmet
RawAnswer = tuple[list[RawSlate], str, tuple[int, int, int]]

_Answer = TypeVar("_Answer")

class StatusError(RuntimeError):
    code: str
    field: str
    value: str
    rule: str
    retry_after_s: float

class Query:
    def __init__(
        self,
        *,
        candidate_count: SupportsIndex,
        user_features: Iterable[Block] = (),
        candidate_features: Iterable[Block] = (),
        candidate_ids: Iterable[str] = (),
        preset: Any = None,
        slots: Any = None,
        pins: Iterable[tuple[Any, Any]] = (),
        dedup_keys: tuple[Any, Any] | None = None,
        above: tuple[Any, Iterable[Block], tuple[Any, Any] | None] | None = None,
        spacing: Iterable[tuple[str, Any, Any]] = (),
        quotas: Iterable[tuple[str, Any, Any]] = (),
        weights: dict[str, Any] = ...,
        seed: Any = None,
        greedy: Any = None,
        temperature: Any = None,
    ) -> None: ...

class PageColumns:
    def __init__(
        self,
        *,
        candidate_offsets: Any,
        user_features: Iterable[Block],
        candidate_features: Iterable[Block],
        candidate_ids: tuple[Any, Any],
        dedup_keys: tuple[Any, Any] | None = None,
        rules: list[Query] = ...,
    ) -> None: ...
    def __len__(self) -> int: ...

class Contract:
    def __init__(self, json: str) -> None: ...
    def check(self, query: Query) -> None: ...
    def pad(self, queries: list[Query]) -> tuple[Any, ...]: ...

class Ranker:
    contract_json: str
    model_version: str
    manifest_json: str
    implementation: str
    device: str
    precision: str
    wanted_precision: str
    @staticmethod
    def load(
        path: str | bytes, implementation: str = ..., precision: str = ..., device: str = ...
    ) -> Ranker: ...
    @staticmethod
    def over_function(
        contract_json: str, model_version: str, function: Callable[..., tuple[Any, Any, Any]]
    ) -> Ranker: ...
    def check(self, query: Query) -> None: ...
    def compare(self, golden: bytes) -> None: ...
    def rank(self, queries: list[Query]) -> list[RawSlate]: ...
    def rank_pages(self, pages: PageColumns, first: int, last: int) -> RawPages: ...
    def run(self, fields: tuple[Any, ...]) -> tuple[Any, Any, Any]: ...

class Call(Generic[_Answer]):
    def rank(self) -> _Answer: ...
    def submit(self, callback: Callable[[], object] | None = None) -> None: ...
    def cancel(self) -> bool: ...
    def done(self) -> bool: ...
    def wait(self) -> _Answer: ...
    @property
    def model(self) -> str: ...
    @property
    def model_version(self) -> str: ...

class Engine:
    def __init__(
        self,
        *,
        workers: int = ...,
        intra_op_threads: int = ...,
        max_batch: int = ...,
        max_batch_candidates: int = ...,
        max_delay_us: int = ...,
        spin_us: int = ...,
        max_queue: int = ...,
        max_queries: int = ...,
        ignore_unknown_features: bool = ...,
    ) -> None: ...
    @property
    def usable(self) -> bool: ...
    def may_wait(self, method: str) -> None: ...
    def call(
        self,
        queries: list[Query],
        *,
        model: str = "",
        version: str = "",
        timeout_s: float | None = None,
    ) -> Call[RawAnswer]: ...
    def serve(self, message: bytes, timeout_s: float | None = None) -> Call[bytes]: ...
    def publish(self, name: str, ranker: Ranker | None, keep_old: bool = False) -> None: ...
    def make_current(self, name: str, version: str) -> None: ...
    def retire(self, name: str, version: str = "") -> None: ...
    def find(self, name: str = "", version: str = "") -> Ranker | None: ...
    def models(self) -> list[tuple[str, str, bool, bool]]: ...
    def stats(self) -> dict[str, Any]: ...
    def drain(self) -> None: ...
    def stop(self, grace_s: float = 0.0) -> None: ...

class ExposureLog:
    def __init__(
        self,
        folder: str | bytes,
        *,
        share: float = ...,
        file_bytes: int = ...,
        file_s: int = ...,
        queue_bytes: int = ...,
        max_bytes: int = ...,
    ) -> None: ...
    def record(
        self,
        *,
        request_id: str,
        model: str,
        model_version: str,
        arm: str,
        request: bytes,
        response: bytes,
    ) -> None: ...
    def describe(self, model_version: str, contract_json: str) -> None: ...
    def statistics(self) -> dict[str, Any]: ...
    def close(self) -> None: ...
