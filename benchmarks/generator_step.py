"""The generator's whole training step against the same loop over a plain PyTorch generator.

A step loads a batch of pages from the log, samples four slates of each, has them judged by a
learned evaluator, and moves the parameters: `GeneratorStage` as `gerank train` runs it, with 128
pages of 20 candidates and 10 slots, D = H = 64. Beside it runs the same `GeneratorStage` with
`plain_generator.PlainGenerator`, in which features, roll-out and log-probabilities are plain
PyTorch; all else, the evaluator among it, is the same code. Gradients of both are compared with
those of the plain one in float64 before anything is timed. Both run in turns on one thread; times
are medians. A second table says where the time of a step goes.
"""

from __future__ import annotations

import copy
import functools
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any
from unittest import mock

import numpy as np
import torch
from harness import Row, options, publish
from plain_generator import PlainGenerator
from timing import Clock, Work, interleaved_medians
from torch import Tensor

from gerank import rl
from gerank.data.batch import RerankBatch, pad_slots
from gerank.data.exposure_log import ExposureLog
from gerank.data.simulator import SimulatorConfig, simulate
from gerank.nn.evaluator import Evaluator, EvaluatorShape
from gerank.nn.generator import Generator, GeneratorShape
from gerank.nn.structured import StructuredShape
from gerank.nn.support import Support
from gerank.train import generator_stage, policy_step
from gerank.train.config import GeneratorConfig, UtilityConfig
from gerank.train.credit import SlateCredit, price_of_leaving
from gerank.train.feedback import EvaluatorFeedback
from gerank.train.fit_features import fit_features
from gerank.train.generator_stage import GeneratorStage
from gerank.train.pages import as_requests
from gerank.train.reward import UtilityReward

PAGES, SLOTS = 3200, 10
CONFIG = GeneratorConfig(batch_size=128, min_steps=0)
REWARD = {"clicks": UtilityConfig()}
READINGS = ("examination", "hidden_reader")
OURS, PLAIN = "gerank", "plain PyTorch"
LARGEST_ERROR = 1e-4
"""Gradients may differ from those in float64 by this share of their largest element."""


def evaluator_of(log: ExposureLog, reading: str) -> Evaluator:
    """An evaluator that has learnt nothing: it takes as long to answer as one that has."""
    torch.manual_seed(0)
    evaluator = Evaluator(log.schema, EvaluatorShape(StructuredShape(SLOTS, reading, 1, 4)))
    fit_features(evaluator.structured.features, (), log, np.arange(len(log)))
    evaluator.set_support(Support(-torch.ones(SLOTS), torch.ones(SLOTS)))
    return evaluator


def generators_of(log: ExposureLog) -> dict[str, Generator]:
    """Two generators with the same parameters."""
    shape = GeneratorShape(
        CONFIG.width, CONFIG.attention_width, CONFIG.embedding_width, CONFIG.context_window
    )
    torch.manual_seed(0)
    ours = Generator(log.schema, shape)
    fit_features(ours.features, (), log, np.arange(len(log)))
    plain = PlainGenerator(log.schema, shape)
    plain.load_state_dict(ours.state_dict())
    return {OURS: ours, PLAIN: plain}


def stage_of(generator: Generator, log: ExposureLog, evaluator: Evaluator) -> GeneratorStage:
    """The stage of `gerank train` around a generator."""
    feedback, rows = EvaluatorFeedback(evaluator), np.arange(len(log))
    reward = UtilityReward(feedback, log.schema, REWARD)
    price = price_of_leaving(feedback, 0.05)
    stage = GeneratorStage(
        generator, reward, log, rows, rows[:0], CONFIG, REWARD, SLOTS, 0, support=price
    )
    generator.train()
    return stage


def steps_of(stage: GeneratorStage) -> Work:
    """What makes one step a call, over the same batches in the same order for every generator."""

    def endless() -> Iterator[object]:
        epoch = 0
        while True:
            yield from stage.train_epoch(epoch)
            epoch += 1

    return functools.partial(next, endless())


def gradients(generator: Generator, batch: RerankBatch, slates: Tensor) -> list[Tensor]:
    """Gradients of the stage's loss of given slates, with advantages that differ, by parameter."""
    encoded = generator.encode_batch(batch)
    log_prob, entropy = generator.slate_log_prob(encoded, batch, slates)
    advantage = torch.linspace(-1, 1, slates[..., 0].numel()).view(slates.shape[:2])
    loss = rl.reinforce(log_prob, advantage.to(log_prob.dtype), slates >= 0)
    return list(torch.autograd.grad(loss - 0.01 * entropy.mean(), list(generator.parameters())))


def gradient_errors(generators: dict[str, Generator], log: ExposureLog) -> dict[str, float]:
    """The largest difference from the plain generator in float64, relative to the largest element.

    Raises:
        ValueError: It is more than rounding.
    """
    pages = log.batch(np.arange(CONFIG.batch_size), SLOTS)
    weights = torch.ones(CONFIG.batch_size, len(REWARD))
    batch = as_requests(pages, weights, log.schema, slots=SLOTS, greedy=False)
    ours = generators[OURS]
    sampled = ours.rollout(ours.encode_batch(batch), batch, CONFIG.slates_per_request)
    slates = torch.cat([sampled, pad_slots(pages.slates, SLOTS).unsqueeze(1)], dim=1)
    wide = (each.double() if each.is_floating_point() else each for each in batch)
    exact = gradients(copy.deepcopy(generators[PLAIN]).double(), RerankBatch(*wide), slates)
    errors = {}
    for name, generator in generators.items():
        pairs = zip(gradients(generator, batch, slates), exact, strict=True)
        errors[name] = max(float((f.double() - e).abs().max() / e.abs().max()) for f, e in pairs)
        if not errors[name] <= LARGEST_ERROR:
            raise ValueError(f"{name}: a gradient is off by {errors[name]:.3g}")
    return errors


def parts_of(stage: GeneratorStage) -> list[tuple[Any, str, str]]:
    """(owner, function, what it does) of the parts of a step; none lies within another."""
    return [
        (ExposureLog, "batch", "loading"),
        (generator_stage, "as_requests", "requests"),
        (stage.model, "encode_batch", "encoder"),
        (stage.model, "rollout", "roll-out"),
        (SlateCredit, "by_slot", "judging"),
        (SlateCredit, "price", "price of leaving the support"),
        (stage.model, "slate_log_prob", "log-probabilities"),
        (Tensor, "backward", "backward"),
        (policy_step, "clip_gradients", "clipping"),
        (stage.optimizer, "step", "optimizer"),
    ]


def time_parts(stage: GeneratorStage, steps: int, clock: Clock) -> dict[str, float]:
    """Milliseconds of each part of a step, a mean over some; what is left is `the rest`."""
    taken: dict[str, float] = {}

    def watched(function: Callable[..., object], part: str) -> Callable[..., object]:
        @functools.wraps(function)
        def call(*arguments: object, **named: object) -> object:
            start = clock()
            try:
                return function(*arguments, **named)
            finally:
                taken[part] = taken.get(part, 0.0) + clock() - start

        return call

    step = steps_of(stage)
    step()
    with ExitStack() as patches:
        for owner, name, part in parts_of(stage):
            patch = mock.patch.object(owner, name, watched(getattr(owner, name), part))
            patches.enter_context(patch)
        start = clock()
        for _ in range(steps):
            step()
        whole = clock() - start
    taken["the rest"] = whole - sum(taken.values())
    return {part: 1e3 * seconds / steps for part, seconds in taken.items()}


def rows_of(reading: str, *, quick: bool, clock: Clock) -> list[Row]:
    """The rows of both tables for a form of reading."""
    log = simulate(SimulatorConfig(PAGES, 20, SLOTS, seed=0))[0]
    evaluator, generators = evaluator_of(log, reading), generators_of(log)
    errors = gradient_errors(generators, log)
    stages = {name: stage_of(generator, log, evaluator) for name, generator in generators.items()}
    works = {name: steps_of(stage) for name, stage in stages.items()}
    times = interleaved_medians(works, 4.0 if quick else 40.0, clock)
    steps = [
        {
            "table": f"one step, {reading}",
            "what": name,
            "ms": us / 1e3,
            "pages per second": CONFIG.batch_size / us * 1e6,
            "plain PyTorch takes times": times[PLAIN] / us,
            "gradient error": errors[name],
        }
        for name, us in times.items()
    ]
    parts = {name: time_parts(stage, 5 if quick else 30, clock) for name, stage in stages.items()}
    return steps + [
        {"table": f"parts of a step in ms, {reading}", "part": part}
        | {name: of_one[part] for name, of_one in parts.items()}
        for part in parts[OURS]
    ]


def main() -> None:
    parser = options(__doc__ or "")
    parser.add_argument(
        "--cpu-time",
        action="store_true",
        help="time of the processor, for a machine that is busy; it is not committed",
    )
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    clock = time.thread_time if arguments.cpu_time else time.perf_counter
    readings = READINGS[:1] if arguments.quick else READINGS
    rows = [
        row for reading in readings for row in rows_of(reading, quick=arguments.quick, clock=clock)
    ]
    publish("generator_step", rows, arguments, commit=not arguments.cpu_time)


if __name__ == "__main__":
    main()
