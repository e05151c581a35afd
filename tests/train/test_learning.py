"""On a toy whose reward is a known function the generator reaches most of what can be had."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from gerank.data.batch import ExposureBatch
from gerank.data.exposure_log import ExposureLog
from gerank.train.choices import Baseline
from gerank.train.orders import exposed_slates, generated_slates
from gerank.train.train import train
from tests.train.tiny import SLOTS, tiny_config

WEIGHTS = torch.ones(1)


class TopHeavy:
    """Sum of the candidates' popularity, halved from slot to slot: best is sorting by it."""

    def __init__(self, log: ExposureLog) -> None:
        names = [feature.name for feature in log.schema.candidate_dense]
        self.column = names.index("popularity")

    def __call__(self, rows: np.ndarray, exposures: ExposureBatch, slates: Tensor) -> Tensor:
        values = exposures.candidate_dense[..., self.column]
        chosen = values.gather(1, slates.clamp(min=0).flatten(1)).view(slates.shape)
        discount = 0.5 ** torch.arange(slates.size(-1))
        return (chosen * (slates >= 0) * discount).sum(-1, keepdim=True)

    def mean(self, log: ExposureLog, slates: Tensor) -> float:
        rows = np.arange(len(log))
        return self(rows, log.batch(rows), slates.unsqueeze(1)).mean().item()


@pytest.mark.parametrize("baseline", list(Baseline))
def test_the_reward_rises_to_near_the_best(
    log_folder: Path, tmp_path: Path, baseline: Baseline
) -> None:
    log = ExposureLog.read(log_folder)
    reward = TopHeavy(log)
    config = tiny_config(
        log_folder,
        baseline=baseline,
        epochs=8,
        batch_size=32,
        slates_per_request=4,
        learning_rate=1e-2,
    )
    folder = train(config, tmp_path / "run", reward=reward)
    best = reward.mean(
        log, log.batch(np.arange(len(log))).candidate_dense[..., reward.column].topk(SLOTS).indices
    )
    torch.manual_seed(0)
    untrained = generated_slates(folder.new_generator().eval(), log, SLOTS, WEIGHTS)
    trained = generated_slates(folder.load_generator(), log, SLOTS, WEIGHTS)
    before = max(reward.mean(log, untrained), reward.mean(log, exposed_slates(log, SLOTS)))
    after = reward.mean(log, trained)
    assert after > before + 0.6 * (best - before)
    assert not folder.checkpoint("evaluator", "best").exists()
