"""The `[train]` table: how networks are trained, whatever they are."""

from __future__ import annotations

from dataclasses import dataclass

from gerank.train.choices import Device, FitPrecision
from gerank.train.setting_rules import at_least_one


@dataclass(frozen=True)
class TrainSettings:
    """On what networks learn, in which numbers, and in how many parts of a batch.

    Attributes:
        device: `cpu`; `cuda`, a GPU, which is refused where there is none; or `auto`, a GPU where
            torch sees one and gerank was built with CUDA, and else the CPU. CUDA_VISIBLE_DEVICES
            says which of several GPUs; each process of torchrun takes its own. A run may go on on
            another device than it began on.
        evaluator_precision: `bfloat16` multiplies matrices so (autocast) while the evaluator, its
            residual and its heads of feedback are fitted. Judges always learn in `float32`.
        accumulate: In how many parts a process works through its pages of a step, one for each page
            at most: the same gradients but for rounding, for less memory. A run may go on with
            another number.
    """

    device: Device = Device.AUTO
    evaluator_precision: FitPrecision = FitPrecision.FLOAT32
    accumulate: int = 1

    def __post_init__(self) -> None:
        at_least_one(self, "accumulate")
