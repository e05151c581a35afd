"""One TOML file, as frozen dataclasses: every setting of a training run, documented once."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gerank.data.column_store import DEFAULT_MEMORY_MB
from gerank.nn.channels import Channel
from gerank.nn.control import Control
from gerank.nn.own_encoder import check_encoder
from gerank.nn.own_network import check_network
from gerank.nn.structured.readings import reading_form
from gerank.train.choices import Baseline, Credit, Exploration, PolicyLoss, Validation
from gerank.train.setting_rules import (
    ConfigError,
    at_least_one,
    not_negative,
    positive,
    require,
    seed_in_range,
    widths,
)
from gerank.train.table_config import TableConfig
from gerank.train.train_settings import TrainSettings


@dataclass(frozen=True)
class DataConfig:
    """Which pages are learned from.

    Attributes:
        log: Folder of an exposure log; relative to the folder of the TOML file.
        slots: N. Longer logged slates are cut to their first N slots.
        score: Dense candidate feature that "sort by score" sorts by, in reports.
        validation: What chooses checkpoints and has the verdict: `person`, pages of other people;
            or `time`, the latest pages of all people, as tomorrow's will be.
        validation_share: Share of people, or of the latest pages, that are kept for validation.
        judge_share: Share of people kept for the held-out evaluator alone.
        seed: Seeds the split of people.
        calibrated: Dense candidate features that are scores of an upstream model: each gets a
            monotone map to the log-odds of a click, which `gerank calibrate` can refit.
        validation_pages: Pages that validate, at most, about; what a share has more teaches.
        judge_pages: Pages of the held-out evaluator, at most, about.
        memory_mb: A log whose columns take more, in MiB, lies in temporary files (TMPDIR); about a
            quarter of that stays in memory of what was read.
    """

    log: Path
    slots: int = 10
    score: str = ""
    validation_share: float = 0.1
    judge_share: float = 0.3
    seed: int = 0
    calibrated: tuple[str, ...] = ()
    validation: Validation = Validation.PERSON
    validation_pages: int = 20_000
    judge_pages: int = 100_000
    memory_mb: int = DEFAULT_MEMORY_MB

    def __post_init__(self) -> None:
        require("in 1..128", lambda slots: 1 <= slots <= 128, self, "slots")
        shares = ("validation_share", "judge_share")
        require("in 0..1", lambda share: 0 <= share <= 1, self, *shares)
        at_least_one(self, "validation_pages", "judge_pages", "memory_mb")
        seed_in_range(self)


@dataclass(frozen=True)
class EvaluatorConfig:
    """The structured evaluator, the residual on top of it, and their training.

    Attributes:
        readings: Forms in which users may read a page: `examination`, `logit`, `hidden_reader`, or
            a class of yours as `package.module:Class`. Held-out pages choose among them.
        network: A `package.module:Class` of yours that gives the slots of a page their logits, see
            docs/custom_models.md; empty = the structured evaluator.
        prior_strengths: Strengths of the prior on all weights; held-out pages choose. The forms are
            compared at the middle one.
        compare_steps: Optimizer steps of the fits that forms are compared by.
        steps: Optimizer steps of the fit of the chosen form, whatever the size of the log.
        embedding_width: Is the width of each id feature's embedding.
        page_slots: Slots of logged pages to learn from, 0 = data.slots.
        residual: Whether the five channels may stand on top, where held-out pages say so. They
            predict logged pages better, and yet on a log without exploration a generator may end
            worse by them: see docs/trust.md.
        residual_steps: Optimizer steps of the residual.
        width: The width of an item's vector inside the channels.
        heads: The number of heads of the channels' self-attention.
        dropout: Share of the channels' activations dropped in training.
        batch_size: Pages per step of the residual.
        learning_rate: The rate of the residual's AdamW, decayed to zero along a cosine.
        weight_decay: The weight decay of the residual's AdamW.
        channels: Which of the channels the residual has.
    """

    readings: tuple[str, ...] = ("examination", "logit", "hidden_reader")
    network: str = ""
    prior_strengths: tuple[float, ...] = (256.0, 64.0, 16.0)
    compare_steps: int = 300
    steps: int = 600
    embedding_width: int = 4
    page_slots: int = 0
    residual: bool = False
    residual_steps: int = 300
    width: int = 32
    heads: int = 4
    dropout: float = 0.1
    batch_size: int = 128
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    channels: tuple[Channel, ...] = tuple(Channel)

    def __post_init__(self) -> None:
        widths(self, "width", "embedding_width")
        require("in [0, 128]", lambda slots: 0 <= slots <= 128, self, "page_slots")
        at_least_one(self, "heads", "batch_size", "compare_steps", "steps", "residual_steps")
        divides = f"a divisor of width = {self.width}"
        require(divides, lambda heads: self.width % heads == 0, self, "heads")
        require("in [0, 1)", lambda share: 0 <= share < 1, self, "dropout")
        positive(self, "learning_rate")
        not_negative(self, "weight_decay")
        rule = "a list of one channel or more, all distinct"
        require(rule, lambda channels: 0 < len(channels) == len(set(channels)), self, "channels")
        require("a list of one form or more", bool, self, "readings")
        require("a list of one number or more", bool, self, "prior_strengths")
        require(
            "a list of numbers > 0, all finite",
            lambda all_of: all(0 < strength < math.inf for strength in all_of),
            self,
            "prior_strengths",
        )
        distinct = "a list of distinct forms"
        require(distinct, lambda forms: len(set(forms)) == len(forms), self, "readings")
        for name in self.readings:
            try:
                reading_form(name)
            except ValueError as error:
                raise ConfigError(f"readings: {error}") from None
        try:
            check_network(self.network)
        except ValueError as error:
            raise ConfigError(f"network: {error}") from None


@dataclass(frozen=True)
class JudgeConfig:
    """The judge, which no reward comes from and which gives the verdict.

    Attributes:
        bootstraps: Members of its ensemble, each fitted on resampled people: its lower bound.
        boosted: Whether a judge of another family (LightGBM) stands beside it where the extra
            `gerank[compare]` is installed.
        clone_steps: Optimizer steps of the logged-like policy that is trained beside the generator.
    """

    bootstraps: int = 6
    boosted: bool = True
    clone_steps: int = 200

    def __post_init__(self) -> None:
        require(">= 2", lambda count: count >= 2, self, "bootstraps")
        at_least_one(self, "clone_steps")


@dataclass(frozen=True)
class GeneratorConfig:
    """The generator and its training.

    Attributes:
        width: D, of candidate vectors and GRU state.
        attention_width: H.
        embedding_width: Is the width of each id feature's embedding.
        context_window: Slots that "recent" looks back in the local context.
        epochs: Passes over the training pages; more where `min_steps` asks for them.
        batch_size: Requests per step; 0 = the training pages / 25, within 32..128.
        min_steps: At least so many optimizer steps, in whole passes: a small log is passed over
            more often.
        slates_per_request: G, slates sampled per request and step.
        credit: `slot`: a choice learns from what its slot and later ones earn, whole-slate
            utilities standing at the last slot; `slate`: from what the whole slate earns.
        discount: By what factor credit counts less for a choice with every slot further down, 0..1;
            of slot credit alone.
        baseline: What that is compared with: `leave_one_out`, the mean of the other slates of the
            request (needs two per request or more); `exposed_page`; or `greedy_rollout`.
        support_price: Price of leaving the log's support, taken from the credit slot by slot, as a
            share of the top slot's click rate; 0 = none.
        learning_rate: Is the rate of Adam, decayed to a twentieth along a cosine.
        clip_norm: Largest norm of a step's gradient.
        entropy_bonus: Weight of the mean entropy per slot in the loss.
        temperature: Is the temperature at which training samples.
        control: How preference weights reach the policy, where a weight has a range:
            `hypernetwork`, `linear` (the paper's affine one) or `input` (weights as features).
        default_share: Share of training pages with the default weights; the others draw theirs.
        policy_loss: `reinforce`, or `ppo` (clipped, several steps per roll-out).
        ppo_epochs: Steps on one roll-out; of PPO alone.
        ppo_clip: How far a probability ratio may move; of PPO alone.
        exploration: `sampling` (by temperature), or `random_network` (a bonus for novel choices).
        encoder: A `package.module:Class` of yours, see docs/custom_models.md; empty = the DeepSet.
        novelty_weight: Weighs the mean novelty bonus of a slate; it is for `random_network` alone.
        local_context: Whether a choice sees how its groups and flags stand above it; without, the
            decoder knows of earlier choices by its state alone.
    """

    width: int = 64
    attention_width: int = 64
    embedding_width: int = 8
    context_window: int = 1
    epochs: int = 4
    batch_size: int = 0
    min_steps: int = 500
    slates_per_request: int = 4
    credit: Credit = Credit.SLOT
    discount: float = 1.0
    baseline: Baseline = Baseline.LEAVE_ONE_OUT
    support_price: float = 0.1
    learning_rate: float = 2e-3
    clip_norm: float = 1.0
    entropy_bonus: float = 0.0
    temperature: float = 1.0
    control: Control = Control.HYPERNETWORK
    default_share: float = 0.5
    policy_loss: PolicyLoss = PolicyLoss.REINFORCE
    ppo_epochs: int = 4
    ppo_clip: float = 0.2
    exploration: Exploration = Exploration.SAMPLING
    novelty_weight: float = 0.1
    encoder: str = ""
    local_context: bool = True

    def __post_init__(self) -> None:
        widths(self, "width", "attention_width", "embedding_width")
        at_least_one(self, "context_window", "epochs", "slates_per_request", "ppo_epochs")
        require(">= 0", lambda count: count >= 0, self, "batch_size", "min_steps")
        positive(self, "learning_rate", "clip_norm", "ppo_clip")
        not_negative(self, "support_price", "entropy_bonus", "novelty_weight")
        require("in 0..1", lambda share: 0 <= share <= 1, self, "discount", "default_share")
        require("in 0.001..1000", lambda t: 1e-3 <= t <= 1e3, self, "temperature")
        try:
            check_encoder(self.encoder)
        except ValueError as error:
            raise ConfigError(f"encoder: {error}") from None
        if self.baseline is Baseline.LEAVE_ONE_OUT:
            rule = f">= 2, which {self.baseline} needs"
            require(rule, lambda slates: slates >= 2, self, "slates_per_request")


@dataclass(frozen=True)
class UtilityConfig:
    """One utility of the reward: what it is, and the range of its preference weight.

    Attributes:
        min: Smallest weight; each training page draws its own from the range.
        max: Largest weight.
        default: Weight where a request names none.
        utility: Its kind, or a function of yours as `package.module:function`; empty = what its
            name says. See `gerank.train.utilities`.
        options: Are those of its kind, or keywords for the function.
    """

    min: float = 1.0
    max: float = 1.0
    default: float = 1.0
    utility: str = ""
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        require("finite", math.isfinite, self, "min", "max", "default")
        within = f"in [min, max] = [{self.min}, {self.max}]"
        require(within, lambda weight: self.min <= weight <= self.max, self, "default")


@dataclass(frozen=True)
class TrainConfig:
    """A training run.

    Attributes:
        data: Which pages are learned from.
        evaluator: The evaluator and its training.
        generator: The generator and its training.
        judge: The judge and the logged-like policy, which the verdict stands on.
        reward: Utility name -> what it is and the range of its weight.
        tables: `user.NAME` or `candidate.NAME` of an id -> vectors that its values start with.
        normalise: Whether weights are of utilities divided by their spread over the slates of a
            logged page, so that equal weights pull equally. With one utility nothing is divided.
        seed: Seeds initial parameters, batches and samples.
        threads: Threads of torch, at most 1024; 0 leaves torch's own choice.
        train: On what networks learn, in which numbers, and in how many parts of a batch.
    """

    data: DataConfig
    evaluator: EvaluatorConfig = field(default_factory=EvaluatorConfig)
    generator: GeneratorConfig = field(default_factory=GeneratorConfig)
    judge: JudgeConfig = field(default_factory=JudgeConfig)
    reward: dict[str, UtilityConfig] = field(default_factory=lambda: {"clicks": UtilityConfig()})
    tables: dict[str, TableConfig] = field(default_factory=dict)
    normalise: bool = True
    seed: int = 0
    threads: int = 0
    train: TrainSettings = field(default_factory=TrainSettings)

    def __post_init__(self) -> None:
        require("a table with a utility or more", bool, self, "reward")
        seed_in_range(self)
        require("in 0..1024", lambda threads: 0 <= threads <= 1024, self, "threads")
