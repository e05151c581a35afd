"""How an engine batches, and what it does with features that an artifact does not know."""

from __future__ import annotations

from dataclasses import dataclass, fields

from gerank.data.scalars import whole_number
from gerank.option_table import default, option_table
from gerank.unknown_features import checked


@dataclass(frozen=True)
class EngineOptions:
    """How an engine batches; the defaults are those of `gerank/engine.h`.

    Attributes:
        workers: Forward passes at once: one thread each.
        intra_op_threads: Threads that one forward pass may use.
        max_batch: Most queries in one forward pass.
        max_batch_candidates: Most candidates in one forward pass, padding included.
        max_delay_us: How long a query may wait for others when a worker is free.
        spin_us: How long a worker without work looks for some before it sleeps, as long as no
            other thread wants its core.
        max_queue: Most queries waiting; beyond, calls are refused.
        max_queries: Most queries in one call.
        unknown_features: What becomes of features that the artifact of a call does not know:
            `refuse` or `ignore`.
        implementation: What computes slates, `auto`, `native` or `torchscript`; see `Ranker.load`.
        device: Where it does so, `cpu` or `cuda`; see there too.
        precision: In which numbers, `auto`, `float32` or `bfloat16`; see there too.

    Raises:
        ValueError: An option is no integer, or none of its words; whether a number is in its range
            the engine checks.
    """

    workers: int = default("workers")
    intra_op_threads: int = default("intra_op_threads")
    max_batch: int = default("max_batch")
    max_batch_candidates: int = default("max_batch_candidates")
    max_delay_us: int = default("max_delay_us")
    spin_us: int = default("spin_us")
    max_queue: int = default("max_queue")
    max_queries: int = default("max_queries")
    unknown_features: str = default("unknown_features")
    implementation: str = default("implementation")
    device: str = default("device")
    precision: str = default("precision")

    def __post_init__(self) -> None:
        checked(self.unknown_features)
        for name in ("implementation", "device", "precision"):
            words, value = option_table()[name].words, getattr(self, name)
            if value not in words:
                raise ValueError(f"{name}: must be {', '.join(words)}, got {value!r}")
        self.check_model_options()
        for name, value in self.numbers().items():
            number = whole_number(value)
            if number is None or not -(2**63) <= number < 2**63:
                raise ValueError(f"{name}: must be a 64-bit integer, got {value!r}")

    def check_model_options(self) -> None:
        """Checks that what computes slates can do so on the device and in the precision.

        Raises:
            ValueError: A GPU is to work natively, or it or TorchScript is to multiply bfloat16.
        """
        if self.device == "cuda" and self.implementation == "native":
            rule = "must be cpu where the implementation is native"
            raise ValueError(f"device: {rule}, got {self.device!r}")
        if self.precision != "bfloat16":
            return
        for name, word in (("implementation", "torchscript"), ("device", "cuda")):
            if getattr(self, name) == word:
                rule = f"must be auto or float32 where the {name} is {word}"
                raise ValueError(f"precision: {rule}, got {self.precision!r}")

    def numbers(self) -> dict[str, int]:
        """The engine's options that are numbers, whatever else stands beside them."""
        names = [field.name for field in fields(EngineOptions) if field.type == "int"]
        return {name: getattr(self, name) for name in names}
