"""What the generator is shown while it learns: pages, seeds and preference weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from gerank.data.batch import ExposureBatch, RerankBatch
from gerank.nn.generator import Encoded
from gerank.train.config import UtilityConfig
from gerank.train.generator_stage import GeneratorStage
from gerank.train.run_folder import RunFolder
from tests.train.tiny import SLOTS, tiny_config, tiny_log

LOG, _ = tiny_log(90)
UTILITIES = {"one": UtilityConfig(-1.0, 3.0, 2.0), "other": UtilityConfig(0.5, 0.5, 0.5)}


def no_reward(_rows: np.ndarray, _pages: ExposureBatch, slates: Tensor) -> Tensor:
    return torch.zeros(*slates.shape[:2], len(UTILITIES))


def asked(epoch: int, monkeypatch: pytest.MonkeyPatch, seed: int = 0) -> list[RerankBatch]:
    """The batches of one epoch over 90 pages, 32 at a time."""
    config = tiny_config(Path("unused"), reward=UTILITIES, batch_size=32)
    generator = RunFolder(Path("unused"), config, LOG.schema, 512).new_generator()
    rows = np.arange(90)
    stage = GeneratorStage(
        generator, no_reward, LOG, rows, rows, config.generator, UTILITIES, SLOTS, seed
    )
    batches: list[RerankBatch] = []
    encode = generator.encode_batch

    def note(batch: RerankBatch) -> Encoded:
        batches.append(batch)
        return encode(batch)

    monkeypatch.setattr(generator, "encode_batch", note)
    assert len(list(stage.train_epoch(epoch))) == stage.steps_per_epoch == len(batches) == 3
    return batches


def test_no_seed_is_drawn_from_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    seeds = [b.seeds for epoch in (0, 1, 5) for b in asked(epoch, monkeypatch)]
    assert len(torch.cat(seeds).unique()) == 3 * 90


def test_every_page_is_shown_once_an_epoch_in_another_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    orders = [torch.cat([b.user_dense for b in asked(e, monkeypatch)]) for e in (0, 1)]
    assert not torch.equal(*orders)
    assert torch.equal(*(order.unique(dim=0) for order in orders))
    assert len(orders[0]) == 90


def test_slates_are_sampled_not_greedy(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not any(batch.greedy.any() for batch in asked(0, monkeypatch))


def test_half_the_pages_have_default_weights_and_half_draw_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    weights = torch.cat([b.weights for e in range(4) for b in asked(e, monkeypatch)])
    one, other = weights.unbind(1)
    assert (other == 0.5).all()
    assert ((one >= -1.0) & (one <= 3.0)).all()
    default = one == 2.0
    assert 0.35 < default.float().mean().item() < 0.65
    drawn = one[~default]
    assert len(drawn.unique()) == len(drawn)
    assert drawn.min() < -0.5
    assert drawn.max() > 2.5


def test_an_epoch_depends_on_its_number_and_the_seed_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def weights(epoch: int, seed: int) -> Tensor:
        torch.manual_seed(torch.seed() % 2**31)
        return torch.cat([b.weights for b in asked(epoch, monkeypatch, seed)])

    assert torch.equal(weights(1, 0), weights(1, 0))
    assert not torch.equal(weights(1, 0), weights(2, 0))
    assert not torch.equal(weights(1, 0), weights(1, 1))
