"""Calls what scores slates once on a real batch, before hours of training stand on it."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from gerank.data.batch import ExposureBatch, pad_slots
from gerank.data.exposure_log import ExposureLog
from gerank.nn.structured import NetworkEvaluator
from gerank.train.config import TrainConfig
from gerank.train.device import CPU, moved
from gerank.train.evaluator_training import shape_of_evaluator
from gerank.train.fit_features import fit_features
from gerank.train.judged import JudgedSlates
from gerank.train.page_batches import ordered_batches
from gerank.train.reward import Reward
from gerank.train.setting_rules import ConfigError
from gerank.train.user_function import UtilityError
from gerank.train.utilities import OF_FEEDBACK, build_utilities, utility_kind

_PAGES = 8
_PAGES_AT_ONCE = 4096
_HIGHEST_CLICK_RATE = 0.2


def try_all(
    config: TrainConfig,
    log: ExposureLog,
    rows: np.ndarray,
    reward: Reward | None,
    device: torch.device = CPU,
) -> None:
    """Calls on a few of the pages `rows` what the reward comes from; errors are as below.

    Args:
        config: All settings.
        log: The pages.
        rows: The pages to learn from.
        reward: Scores slates; None = utilities of what an evaluator says.
        device: Where the pages are to lie.
    """
    if reward is None:
        try_utilities(config, log, rows, device)
        try_network(config, log, rows, device)
    else:
        try_reward(config, log, rows, reward, device)


def try_utilities(
    config: TrainConfig, log: ExposureLog, rows: np.ndarray, device: torch.device = CPU
) -> None:
    """Scores two slates of some of the pages `rows` by every utility of the configuration.

    As in all trials, the pages lie where training will have them.

    Raises:
        ConfigError: A utility does not exist or does not fit the schema.
        UtilityError: A user's function fails, answers something else than a utility, or changes
            what it was given, on which training goes on.
    """
    utilities = build_utilities(config.reward, log.schema)
    _refuse_unknown_feedback(config, log, rows)
    _, pages, slates = _batch(config, log, rows, device)
    chance = torch.rand(slates.shape, generator=torch.Generator().manual_seed(0)).to(device)
    slot_click = _HIGHEST_CLICK_RATE * chance * (slates >= 0)
    judged = JudgedSlates(
        log.schema,
        pages,
        slates,
        slot_click,
        1 - (1 - slot_click).prod(-1),
        gated=False,
        expected={kind.name: slot_click.clone() for kind in log.schema.feedback},
    )
    with torch.no_grad():
        for name, utility in zip(config.reward, utilities, strict=True):
            before = _copies(judged)
            utility.by_slot(judged)
            _refuse_changes(f"utility {name!r}", before, judged)


def try_network(
    config: TrainConfig, log: ExposureLog, rows: np.ndarray, device: torch.device = CPU
) -> None:
    """Asks a network of one's own about slates of some of the pages `rows`; none passes.

    Raises:
        ConfigError: It fails there, or answers another shape or numbers that are not finite.
    """
    if not config.evaluator.network:
        return
    some, pages, slates = _batch(config, log, rows, device)
    shape = shape_of_evaluator(config, config.evaluator.readings[0], 1)
    try:
        evaluator = NetworkEvaluator(log.schema, shape).eval()
        fit_features(evaluator.features, (), log, some)
        evaluator.to(device).try_on(pages, slates)
    except ValueError as error:
        raise ConfigError(f"evaluator.network on pages of the log: {error}") from None


def try_reward(
    config: TrainConfig,
    log: ExposureLog,
    rows: np.ndarray,
    reward: Reward,
    device: torch.device = CPU,
) -> None:
    """Scores two slates of some of the pages `rows` by a reward of one's own.

    Raises:
        ConfigError: It answers something else than utilities [B, G, U].
    """
    some, pages, slates = _batch(config, log, rows, device)
    with torch.no_grad():
        answer = reward(some, pages, slates)
    wanted = [*slates.shape[:2], len(config.reward)]
    found = list(answer.shape) if isinstance(answer, Tensor) else type(answer).__name__
    if found != wanted:
        raise ConfigError(
            f"the reward answered {found}, not a tensor [B, G, U] = {wanted}: U is the number of "
            f"utilities of the configuration: {', '.join(config.reward)}"
        )


def _refuse_unknown_feedback(config: TrainConfig, log: ExposureLog, rows: np.ndarray) -> None:
    kinds = [kind.name for kind in log.schema.feedback]
    known = np.zeros(len(kinds), np.bool_)
    for places in ordered_batches(log, rows, _PAGES_AT_ONCE):
        known |= ~log.feedback_batch(rows[places]).isnan().all(0).all(0).numpy()
    for name, utility in config.reward.items():
        kind, options = utility_kind(name, utility, log.schema)
        spoken_of = options.get("feedback") if kind in OF_FEEDBACK else None
        if spoken_of in kinds and not known[kinds.index(spoken_of)]:
            raise ConfigError(
                f"reward.{name}: feedback {options['feedback']!r} is unknown in every slot of the "
                "training pages: nothing can be learnt of it"
            )


def _batch(
    config: TrainConfig, log: ExposureLog, rows: np.ndarray, device: torch.device
) -> tuple[np.ndarray, ExposureBatch, Tensor]:
    """Rows [B], their pages, and slates [B, 2, N]: the exposed ones, without and with a hole."""
    some = rows[:_PAGES]
    pages = log.batch(some, config.data.slots)
    exposed = pad_slots(pages.slates, config.data.slots)
    shorter = exposed.clone()
    shorter[:, -1] = -1
    return some, *moved((pages, torch.stack([exposed, shorter], dim=1)), device)


def _inputs(judged: JudgedSlates) -> dict[str, Tensor]:
    return {
        "slates": judged.slates,
        "slot_click": judged.slot_click,
        "page_click": judged.page_click,
        **{f"expected[{name!r}]": values for name, values in judged.expected.items()},
        **{f"pages.{name}": values for name, values in judged.pages._asdict().items()},
    }


def _copies(judged: JudgedSlates) -> dict[str, Tensor]:
    return {name: values.clone() for name, values in _inputs(judged).items()}


def _refuse_changes(whose: str, before: dict[str, Tensor], judged: JudgedSlates) -> None:
    for name, values in _inputs(judged).items():
        old = before[name]
        same = old.shape == values.shape and torch.equal(old.nan_to_num(), values.nan_to_num())
        if not same:
            raise UtilityError(
                f"{whose} changed judged.{name}, on which training goes on; let it work on a copy: "
                f"judged.{name}.clone()"
            )
