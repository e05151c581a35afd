"""Step probabilities are those that the slate's own log-probabilities come from."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gerank.data.exposure_log import ExposureLog
from gerank.nn.generator import Generator, GeneratorShape
from gerank.nn.step_probabilities import step_probabilities
from gerank.train.pages import as_requests
from tests.data.exposure_logs import random_log, with_random_above

SLOTS = 4


def generator_of(log: ExposureLog, seed: int) -> Generator:
    torch.manual_seed(seed)
    return Generator(log.schema, GeneratorShape(8, 8, 2)).eval()


@pytest.mark.parametrize("above", [False, True])
@pytest.mark.parametrize("row", range(5))
def test_a_slot_has_the_distribution_that_its_choice_was_drawn_from(
    row: int, above: bool, seed: int
) -> None:
    log = random_log(seed)
    log = with_random_above(log, seed) if above else log
    generator = generator_of(log, seed)
    batch = as_requests(
        log.batch(np.array([row])), torch.ones(1, 1), log.schema, slots=SLOTS, greedy=False
    )
    count = int(np.diff(log.candidate_offsets)[row])
    with torch.inference_mode():
        encoded = generator.encode_batch(batch)
        slate = generator.rollout(encoded, batch, 1)
        log_prob, _ = generator.slate_log_prob(encoded, batch, slate)
        chances = step_probabilities(encoded, batch, slate[0, 0], count, generator.context_window)
    assert chances.shape == (SLOTS, count)
    filled = torch.nonzero(slate[0, 0] >= 0).flatten()
    assert len(filled)
    torch.testing.assert_close(chances[filled].sum(1), torch.ones(len(filled)).double())
    chosen = chances[filled, slate[0, 0][filled]]
    torch.testing.assert_close(chosen.log().float(), log_prob[0, 0][filled], rtol=1e-4, atol=1e-5)
    for slot in filled.tolist():
        assert not chances[slot, slate[0, 0][:slot]].any()  # nobody is shown twice
