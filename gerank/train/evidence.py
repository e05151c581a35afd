"""What an evaluation stands on: slates, who judges them, and what each of them says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from gerank.data.exposure_log import ExposureLog
from gerank.data.simulator import SimulatorTruth
from gerank.train.feedback import EvaluatorFeedback, Feedback
from gerank.train.judges import PageJudge
from gerank.train.run_folder import RunFolder
from gerank.train.slate_tables import Opinions, Rewards

TRAINING_EVALUATOR = "training evaluator"
"""The name of the evaluator that the reward comes from, among those who judge."""


@dataclass(frozen=True)
class Evidence:
    """What `evaluate` gathered before it made tables of it; `gerank.report` draws it.

    Attributes:
        folder: The run.
        log: The E pages.
        truth: Belongs to the same pages, where they are simulated.
        asked: [U]. The preference weights that the slates were asked for with.
        slates: Policy -> [E, N] int64, cut to what was shown; `logged` first, `generator` last.
        evaluator: Gives the reward; None of a run whose reward was no evaluator's.
        feedback: Name -> who predicts feedback, the training evaluator first; empty without one.
        judges: The same as judges of `log`.
        opinions: Come from the judges that have a lower bound.
        rewards: Come from all judges, and from the truth.
    """

    folder: RunFolder
    log: ExposureLog
    truth: SimulatorTruth | None
    asked: Tensor
    slates: Mapping[str, Tensor]
    evaluator: EvaluatorFeedback | None = None
    feedback: Mapping[str, Feedback] = field(default_factory=dict)
    judges: Mapping[str, PageJudge] = field(default_factory=dict)
    opinions: Opinions = field(default_factory=dict)
    rewards: Rewards = field(default_factory=dict)

    @property
    def first_judge(self) -> str | None:
        """The first judge that no reward comes from; else the training evaluator, or nobody."""
        others = [name for name in self.judges if name != TRAINING_EVALUATOR]
        return next(iter([*others, *self.judges]), None)

    def gains(self, judge: str, policy: str) -> NDArray[np.float64]:
        """[E] what a judge gives a policy's slates more than the logged ones."""
        rewards = self.rewards[judge]
        return rewards[policy] - rewards["logged"]
