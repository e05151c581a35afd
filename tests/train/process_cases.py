"""What every stage learns from its first batches, by one process or by several.

A program for torchrun, which writes what `all_cases` finds: FILE SEED ACCUMULATE. It fails where
its processes find different things.
"""

from __future__ import annotations

import hashlib
import itertools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gerank.data.simulator import SimulatorConfig, simulate
from gerank.nn.channel_residual import ResidualShape
from gerank.nn.evaluator import Evaluator, EvaluatorShape
from gerank.nn.feedback_heads import FeedbackHeads, HeadsShape
from gerank.nn.structured.readings import AGAINST
from gerank.train.batch_parts import own_part, part_bounds
from gerank.train.choices import Baseline, Exploration, PolicyLoss
from gerank.train.clone_stage import CloneStage
from gerank.train.config import EvaluatorConfig, UtilityConfig
from gerank.train.evaluator_training import logged_support
from gerank.train.feedback import StructuredFeedback
from gerank.train.feedback_stage import FeedbackStage
from gerank.train.feedback_training import head_shape
from gerank.train.fit_features import fit_features
from gerank.train.generator_stage import GeneratorStage
from gerank.train.judged import JudgedSlates
from gerank.train.page_batches import by_page
from gerank.train.processes import current, joined
from gerank.train.residual_stage import ResidualStage
from gerank.train.reward import UtilityReward
from gerank.train.run_folder import RunFolder
from gerank.train.stage import Stage
from gerank.train.structured_stage import StructuredStage
from gerank.train.utilities import build_utilities
from tests.train.feedback_log import feedback_log
from tests.train.large_ids import with_large_ids
from tests.train.tiny import CANDIDATES, SLOTS, tiny_config, tiny_log
from tests.train.trainings import fresh_structured
from tests.train.uniform_log import uniform_log

PAGES = 90
STEPS = 2

Found = dict[str, Tensor]


class Cases:
    """The stages over 90 pages of feeds, or over three: four processes have not one each."""

    def __init__(self, seed: int, accumulate: int) -> None:
        self.seed, self.accumulate = seed, accumulate
        sizes = {"items": 60, "sellers": 6, "pages_per_person": 5, "feed_pages": 3}
        self.log, _ = simulate(SimulatorConfig(PAGES, CANDIDATES, SLOTS, seed, **sizes))
        self.rows = np.arange(PAGES)

    def structured(self, pages: int = PAGES) -> StructuredStage:
        """Three members of three forms, to each of which pages count otherwise."""
        forms = ("examination", "logit", "hidden_reader")
        draw = torch.Generator().manual_seed(self.seed)
        return StructuredStage(
            "structured",
            fresh_structured(self.log, AGAINST.join(forms), 3),
            self.log,
            self.rows[:pages],
            self.rows,
            torch.tensor([256.0, 64.0, 16.0]),
            steps=STEPS,
            seed=self.seed,
            page_weights=torch.rand(3, pages, generator=draw),
            accumulate=self.accumulate,
        )

    def heads(self) -> FeedbackStage:
        """One head for each of four kinds of feedback."""
        log = feedback_log(PAGES, self.seed)
        kinds = tuple(head_shape(log, kind, self.rows) for kind in log.schema.feedback)
        heads = FeedbackHeads(log.schema, HeadsShape(kinds, SLOTS, 2))
        fit_features(heads.attraction.features, (), log, self.rows)
        strengths = torch.full((len(kinds),), 16.0)
        more = {"steps": STEPS, "seed": self.seed, "accumulate": self.accumulate}
        return FeedbackStage("heads", heads, log, self.rows, self.rows, strengths, **more)

    def residual(self) -> ResidualStage:
        """The channels, with much dropout."""
        plain = fresh_structured(self.log)
        shape = EvaluatorShape(plain.shape, ResidualShape(SLOTS, 8, 2, 2, dropout=0.4))
        evaluator = Evaluator(self.log.schema, shape)
        evaluator.structured.load_state_dict(plain.state_dict())
        evaluator.set_support(logged_support(plain, self.log, self.rows))
        assert evaluator.residual is not None
        fit_features(evaluator.residual.features, (), self.log, self.rows)
        config = EvaluatorConfig(residual_steps=STEPS, width=8, heads=2, batch_size=50)
        place = (self.log, self.rows, self.rows, config, 16.0, self.seed)
        return ResidualStage("residual", evaluator, *place, accumulate=self.accumulate)

    def clone(self) -> CloneStage:
        """A policy with two large tables."""
        config = tiny_config(Path("unused"))
        log = with_large_ids(self.log, self.seed)
        generator = RunFolder(Path("unused"), config, log.schema, 512).new_generator()
        weights = torch.ones(1)
        more = {"steps": STEPS, "slots": SLOTS, "seed": self.seed, "accumulate": self.accumulate}
        return CloneStage(generator, log, self.rows, self.rows, weights, **more)

    def generator(self, pages: int = PAGES, **changes: Any) -> GeneratorStage:
        """A policy with two large tables; one of its utilities looks at the whole batch."""
        flow = {"flag": "fresh", "share_target": 0.3}
        utilities = {
            "clicks": UtilityConfig(0.0, 1.0, 1.0),
            "flow": UtilityConfig(0.0, 1.0, 0.5, utility="flow_control", options=flow),
        }
        log = with_large_ids(self.log, self.seed)
        config = tiny_config(Path("unused"), reward=utilities, batch_size=50, **changes)
        judge = StructuredFeedback(shaken(fresh_structured(log), self.seed))
        return GeneratorStage(
            RunFolder(Path("unused"), config, log.schema, 512).new_generator(),
            UtilityReward(judge, log.schema, utilities),
            log,
            self.rows[:pages],
            self.rows,
            config.generator,
            utilities,
            SLOTS,
            self.seed,
            support=priced,
            accumulate=self.accumulate,
        )


def priced(_rows: np.ndarray, pages: Any, slates: Tensor) -> Tensor:
    """A price that depends on the page and on what stands in the slot."""
    return pages.user_dense[:, :1, None].abs() * (slates + 1) / 100


def shaken(model: nn.Module, seed: int) -> nn.Module:
    """The model with other numbers in what it learns, so that nothing of it is without effect."""
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in filter(lambda parameter: parameter.requires_grad, model.parameters()):
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=draw))
    return model


def watch(optimizer: torch.optim.Optimizer, model: nn.Module, name: str, found: Found) -> None:
    """Notes the gradients of every step, and makes another one, which rounding has no part in."""
    start = {key: value.clone() for key, value in model.state_dict().items()}
    steps, seeds = itertools.count(), itertools.count(1)

    def note(*_: object) -> None:
        step = next(steps)
        for key, parameter in model.named_parameters():
            if parameter.grad is not None:
                found[f"{name}: step {step}, {key}"] = parameter.grad.to_dense().clone()

    def step_otherwise(*_: object) -> None:
        model.load_state_dict(start)
        shaken(model, next(seeds))

    optimizer.register_step_pre_hook(note)
    optimizer.register_step_post_hook(step_otherwise)


def learnt(stage: Stage[Any], name: str, seed: int) -> Found:
    """Gradients and figures of the first steps, and the score before them."""
    found: Found = {}
    shaken(stage.model, seed)
    stage.model.eval()
    found[f"{name}: score"] = torch.tensor(stage.validate()[0])
    stage.model.train()
    watch(stage.optimizer, stage.model, name, found)
    explorer = getattr(stage, "_explorer", None)
    if hasattr(explorer, "networks"):
        watch(explorer.optimizer, explorer.networks.predictor, f"{name}: novelty", found)
    torch.manual_seed(seed)
    for step, figures in zip(range(STEPS), stage.train_epoch(0), strict=False):
        for figure, value in figures.items():
            found[f"{name}: step {step}, {figure}"] = torch.as_tensor(value)
    found[f"{name}: next random number"] = torch.rand(1)
    return found


def gated(seed: int) -> Found:
    """A flow-control utility on pages whose first half has few members, the second many."""
    log, _ = tiny_log(16, seed)
    part = own_part(np.arange(16))
    pages, column = (
        log.batch(part.places),
        [f.name for f in log.schema.candidate_ids].index("fresh"),
    )
    draw = torch.Generator().manual_seed(seed)
    chance = torch.tensor([0.1, 0.9]).repeat_interleave(8).view(16, 1)
    member = torch.rand(16, pages.candidate_ids.size(1), generator=draw) < chance
    pages.candidate_ids[..., column] = member[part.within].long()
    options = {"flag": "fresh", "share_target": 0.4}
    utility = UtilityConfig(utility="flow_control", options=options)
    (flow,) = build_utilities({"flow": utility}, log.schema)
    slates = torch.arange(SLOTS).expand(len(part.places), 2, -1)
    nothing = torch.zeros(slates.shape)
    told = flow(JudgedSlates(log.schema, pages, slates, nothing, nothing[..., 0]))
    processes = current()
    counts = [end - begin for begin, end in part_bounds(16, processes.size)]
    return {"gate: utility": processes.gathered(told, 0, counts)}


def asked_by_page(seed: int) -> Found:
    """What is said of pages of many lengths, of one page, and along another axis."""
    log = uniform_log(seed, 70, candidates=(3, 40))
    rows = np.random.default_rng(seed).permutation(70)
    found = {}
    for name, some, dim in (("all", rows, 0), ("one", rows[:1], 0), ("across", rows, 1)):

        def told(places: np.ndarray, some: np.ndarray = some, dim: int = dim) -> tuple[Tensor, ...]:
            total = log.batch(some[places]).candidate_dense.sum((1, 2))
            rows = torch.from_numpy(some[places])
            values, names = (torch.stack([x, -x], dim=1 - dim) for x in (total, rows))
            return values, values > 0, names

        for place, answer in enumerate(by_page(log, some, 9, told, dim)):
            found[f"by page: {name}, {place}"] = answer
    return found


def all_cases(seed: int, accumulate: int) -> Found:
    """What is found, by name of case and tensor."""
    cases = Cases(seed, accumulate)
    stages: dict[str, Callable[[], Stage[Any]]] = {
        "structured": cases.structured,
        "structured of three pages": lambda: cases.structured(3),
        "heads": cases.heads,
        "residual": cases.residual,
        "clone": cases.clone,
        "generator": cases.generator,
        "generator of three pages": lambda: cases.generator(
            3, exploration=Exploration.RANDOM_NETWORK
        ),
        "generator by PPO": lambda: cases.generator(
            policy_loss=PolicyLoss.PPO, ppo_epochs=2, baseline=Baseline.GREEDY_ROLLOUT
        ),
        "generator that explores": lambda: cases.generator(
            exploration=Exploration.RANDOM_NETWORK, entropy_bonus=0.1
        ),
    }
    found = gated(seed) | asked_by_page(seed)
    for name, stage in stages.items():
        torch.manual_seed(seed)
        found |= learnt(stage(), name, seed)
    return found


def digest(found: Found) -> str:
    """Tells one set of tensors from another, bit by bit."""
    told = hashlib.sha256()
    for name, value in found.items():
        told.update(name.encode() + value.detach().contiguous().numpy().tobytes())
    return told.hexdigest()


def thread_names() -> list[str]:
    """The threads of this process, as Linux calls them."""
    return [(task / "comm").read_text().strip() for task in Path("/proc/self/task").iterdir()]


def main(answer: Path, seed: int, accumulate: int) -> None:
    """Writes what the processes found."""
    torch.set_num_threads(1)
    with joined() as processes:
        found = all_cases(seed, accumulate)
        if len(set(processes.all_told(digest(found)))) > 1:
            sys.exit("the processes have found different things")
        if processes.is_first:
            torch.save(found, answer)
    if left := [name for name in thread_names() if "gloo" in name]:
        sys.exit(f"threads can still abort this process when it ends: {', '.join(left)}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
