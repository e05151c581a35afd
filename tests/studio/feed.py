"""A small feed: a simulated log with its truth, and an artifact whose weights matter."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from gerank.data.contract import RequestContract, WeightRange
from gerank.data.schema import FeatureSchema
from gerank.data.simulator import SimulatorConfig, simulate
from gerank.export.artifact import write_artifact
from gerank.nn.generator import Generator, GeneratorShape

CANDIDATES, SLOTS, PAGES = 14, 6, 40
SHAPE = GeneratorShape(16, 12, 3, utilities=2, controllable=True)
WEIGHTS = {
    "clicks": WeightRange(0.0, 1.0, 0.7),
    "seller_diversity": WeightRange(0.0, 2.0, 0.5),
}
UTILITIES = {
    "clicks": {"utility": "clicks", "options": {}, "scale": 0.5},
    "seller_diversity": {"utility": "diversity", "options": {"group": "seller"}, "scale": 0.25},
}
PRESETS = {
    "calm page": {
        "weights": {"seller_diversity": 2.0},
        "spacing": [{"group": "category", "window": 3, "cap": 2}],
        "quotas": [{"flag": "fresh", "min": 1, "max": 4}],
        "slots": 5,
        "mode": "sample",
        "temperature": 0.5,
    }
}


def write_log(
    folder: Path, seed: int, candidates: int = CANDIDATES, slots: int = SLOTS
) -> FeatureSchema:
    """A log and its truth."""
    log, truth = simulate(SimulatorConfig(PAGES, candidates, slots, seed=seed))
    log.write(folder)
    truth.write(folder)
    return log.schema


def write_model(
    path: Path,
    schema: FeatureSchema,
    candidates: int = CANDIDATES,
    slots: int = SLOTS,
    shape: GeneratorShape = SHAPE,
) -> None:
    """A generator that nobody trained, but whose every parameter is drawn."""
    torch.manual_seed(7)
    ranges = tuple((weight.minimum, weight.maximum) for weight in WEIGHTS.values())
    generator = Generator(schema, replace(shape, weight_ranges=ranges))
    with torch.no_grad():
        for parameter in generator.hypernetwork.parameters():
            parameter.add_(0.5 * torch.randn_like(parameter))
    contract = RequestContract(schema, candidates, slots, WEIGHTS)
    facts = {"presets": PRESETS, "utilities": UTILITIES}
    write_artifact(generator, contract, path, name="feed", training={}, **facts)
