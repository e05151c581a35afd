from __future__ import annotations

import numpy as np
import pytest
import torch

from gerank.data.batch import Slates
from gerank.export.artifact import script
from gerank.metrics.isotonic import fit_monotone_curve
from gerank.nn.calibration import KNOTS, ScoreCalibration
from gerank.nn.features import FeatureEncoder
from gerank.nn.generator import Generator, GeneratorShape
from tests.data.request_cases import CONTRACT
from tests.nn.batches import random_batch


def drawn_maps(seed: int, maps: int, knots: int = KNOTS) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(seed)
    x, y = (np.cumsum(rng.uniform(0.1, 1, (maps, knots)), axis=1) for _ in range(2))
    return torch.from_numpy(x).float(), torch.from_numpy(y).float()


def test_fresh_maps_leave_scores_as_they_are(seed: int) -> None:
    dense = torch.randn(3, 5, 4, generator=torch.Generator().manual_seed(seed))
    torch.testing.assert_close(ScoreCalibration((2, 0))(dense), dense)
    assert ScoreCalibration(())(dense) is dense


def test_a_map_is_the_piecewise_linear_function_through_its_knots(seed: int) -> None:
    calibration = ScoreCalibration((1, 3))
    x, y = drawn_maps(seed, 2)
    calibration.set_maps(x, y)
    inside = torch.rand(6, 7, 4, generator=torch.Generator().manual_seed(seed))
    dense = inside * 30 + 1
    found = calibration(dense)
    for place, column in enumerate((1, 3)):
        values = dense[..., column]
        kept = (values > x[place, 0]) & (values < x[place, -1])
        expected = np.interp(values, x[place], y[place])
        np.testing.assert_allclose(found[..., column][kept], expected[kept.numpy()], rtol=1e-4)
        assert kept.any()
    for column in (0, 2):
        assert torch.equal(found[..., column], dense[..., column])


def test_beyond_its_knots_a_map_goes_on_with_its_last_slope() -> None:
    calibration = ScoreCalibration((0,), knots=3)
    calibration.set_maps(torch.tensor([[0.0, 1.0, 2.0]]), torch.tensor([[5.0, 6.0, 10.0]]))
    dense = torch.tensor([[[-2.0], [0.0], [1.5], [2.0], [3.0]]])
    assert calibration(dense).flatten().tolist() == [3.0, 5.0, 8.0, 10.0, 14.0]


def test_maps_keep_the_order_of_all_scores(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.random(3000)
    labels = rng.random(3000) < 0.2 + 0.6 * scores
    curve = fit_monotone_curve(labels, scores, KNOTS)
    calibration = ScoreCalibration((0,))
    calibration.set_maps(*(torch.from_numpy(part)[None].float() for part in curve))
    fresh = np.sort(rng.uniform(-0.5, 1.5, 500)).astype(np.float32)
    mapped = calibration(torch.from_numpy(fresh).view(1, -1, 1)).flatten()
    assert (mapped.diff() >= 0).all()
    assert (mapped[10:] > mapped[:-10]).all()


@pytest.mark.parametrize(
    ("knots", "values", "message"),
    [
        ([[0.0, 1.0]], [[0.0, 1.0]], r"knots have shape \[1, 2\], not \[1, 3\]"),
        ([[0.0, 1.0, 1.0]], [[0.0, 1.0, 2.0]], "knots do not rise"),
        ([[0.0, 1.0, 2.0]], [[0.0, 1.0, 0.5]], "values fall"),
        ([[0.0, 1.0, 2.0]], [[0.0, float("nan"), 0.5]], "values hold a value that is not finite"),
    ],
)
def test_what_is_no_map_is_refused_and_changes_nothing(
    knots: list[list[float]], values: list[list[float]], message: str
) -> None:
    calibration = ScoreCalibration((0,), knots=3)
    with pytest.raises(ValueError, match=message):
        calibration.set_maps(torch.tensor(knots), torch.tensor(values))
    assert torch.equal(calibration.knots, calibration.values)


def test_a_scripted_generator_carries_its_maps(seed: int) -> None:
    name = CONTRACT.schema.candidate_dense[0].name
    torch.manual_seed(seed)
    shape = GeneratorShape(width=8, attention_width=8, utilities=2, calibrated=(name,))
    generator = Generator(CONTRACT.schema, shape).eval()
    generator.features.calibration.set_maps(*drawn_maps(seed, 1))
    batch = random_batch(seed)
    with torch.inference_mode():
        eager, scripted = Slates(*generator(*batch)), Slates(*script(generator)(*batch))
    assert all(map(torch.equal, eager, scripted))


def test_ranks_and_other_features_do_not_change_with_a_map(seed: int) -> None:
    schema, batch = CONTRACT.schema, random_batch(seed)
    name = schema.candidate_dense[0].name
    torch.manual_seed(seed)
    encoder = FeatureEncoder(schema, 2, (name,))
    inputs = (batch.candidate_dense, batch.candidate_ids, batch.candidate_mask, batch.user_ids)
    before = encoder.candidates(*inputs)
    x, y = drawn_maps(seed, 1)
    encoder.calibration.set_maps(x - 15, y)
    after, width = encoder.candidates(*inputs), len(schema.candidate_dense)
    same = [column for column in range(before.size(-1)) if column not in (0, 2 * width)]
    torch.testing.assert_close(before[..., same], after[..., same])
    assert not torch.equal(before[..., 0], after[..., 0])
