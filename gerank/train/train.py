"""A training run from its configuration to its last checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gerank.data.batch import ExposureBatch
from gerank.data.exposure_log import ExposureLog
from gerank.data.log_columns import MOST_SLOTS
from gerank.nn.generator import Generator
from gerank.train.alike import check_same_run, check_shared
from gerank.train.choices import Validation
from gerank.train.clone_stage import CloneStage
from gerank.train.config import TrainConfig
from gerank.train.credit import SupportPrice
from gerank.train.evaluator_training import Training, train_evaluator
from gerank.train.feedback import EvaluatorFeedback, WithHeads
from gerank.train.feedback_checkpoint import EVALUATOR, JUDGE, load_heads, write_heads
from gerank.train.feedback_training import train_feedback_heads
from gerank.train.fit_features import fit_features
from gerank.train.generator_stage import GeneratorStage
from gerank.train.judge import train_judge
from gerank.train.judge_run import judge_run, train_boosted_judge
from gerank.train.launch import Launch
from gerank.train.log_identity import LogIdentity
from gerank.train.page_batches import at_most
from gerank.train.pages import PageSplit, split_pages
from gerank.train.pretrained import PretrainedTables
from gerank.train.processes import alone
from gerank.train.reward import Reward, UtilityReward, reward_statistics
from gerank.train.run_folder import RunError, RunFolder
from gerank.train.setting_rules import ConfigError
from gerank.train.stage import MetricsLog, run_stage
from gerank.train.trial import try_network, try_reward, try_utilities
from gerank.train.utilities import PREDICTED_KINDS, utility_kind
from gerank.train.warm_start import WarmStart
from gerank.train.warning_figures import run_warnings

_LARGEST_SET, _MOST_GROUPS, _MOST_FLAGS = 512, 8, 16  # what the decode ops take


def train(
    config: TrainConfig,
    out: Path,
    *,
    resume: bool = False,
    init: Path | None = None,
    tell: Callable[[str], None] | None = None,
    reward: Reward | None = None,
    log: ExposureLog | None = None,
    split: PageSplit | None = None,
) -> RunFolder:
    """Trains evaluator, judge, logged-like policy and generator, and judges the generator.

    Within `gerank.train.processes.joined` all processes that torchrun started train one run. Where
    torchrun starts them anew, the run that this launch began goes on from its last checkpoints.

    Args:
        config: All settings.
        out: Folder of the run.
        resume: Go on from the last checkpoints in `out`; a finished run is left as it is.
        init: Folder of an earlier, finished run whose weights evaluator, logged-like policy and
            generator start from; see `gerank.train.warm_start`. The judge starts fresh.
        tell: Is told, before training begins, what of `init` is taken over, a line a call.
        reward: Scores slates in place of the learned evaluator, which is then not trained: for
            experiments in which the truth is known. Its utilities are not normalised, and there
            is no verdict.
        log: Pages to learn from in place of those that `config.data.log` names.
        split: Which of them teach what, in place of the shares of `config.data`.

    Raises:
        ConfigError: A setting or the reward does not fit the log.
        UtilityError: A utility of one's own fails on pages of the log.
        RunError: `out` holds another run, or one that learnt from another log; or `init` is no
            finished run of the same architecture, or is given with `resume`.
        OSError: A file cannot be written; it is named. The run can be resumed.
    """
    launch = Launch.of_this_process()
    if _goes_on(out, launch):
        resume, init = True, None
    if resume and init is not None:
        raise RunError(
            f"--init {init} and --resume exclude each other: a run that is resumed keeps the "
            "weights that it began with; leave out --init"
        )
    if config.threads:
        torch.set_num_threads(config.threads)
    log = ExposureLog.read(config.data.log, config.data.memory_mb) if log is None else log
    folder = RunFolder(out, config, log.schema, _LARGEST_SET)
    identity = LogIdentity.of(log)
    check_same_run(out, config, identity)
    folder.check(resume, identity)
    warm = None if init is None else WarmStart.from_run(init, folder)
    split = split_pages(log, config.data) if split is None else split
    _check(config, log, split)
    tables = PretrainedTables.read(config.tables, log.schema, config.generator.embedding_width)
    with alone():
        _try(config, log, split, reward)
    initial = (warm.to_json(), warm.document) if warm else None
    folder.create(resume, identity, initial, launch.name if launch else None)
    check_shared(folder.path)
    if folder.finished:
        return folder
    if warm is None:
        warm = WarmStart.of_begun(folder)
    if warm is not None and tell is not None:
        for line in warm.sentences():
            tell(line)
    _train_stages(Training(folder, log, split, MetricsLog(out), resume, warm, tables), reward)
    folder.initial_weights.unlink(missing_ok=True)
    return folder


def _goes_on(out: Path, launch: Launch | None) -> bool:
    """Whether `out` holds a run of this launch by torchrun, which was started anew since."""
    if launch is None or not launch.restarts or not (out / "config.toml").exists():
        return False
    return RunFolder.open(out).facts.get("launch") == launch.name


def _train_stages(training: Training, reward: Reward | None) -> None:
    """All that a run learns; where it is given its reward, that is the generator alone."""
    folder = training.folder
    try:
        if reward is None:
            _learn_from_users(training)
        else:
            _train_generator(training, reward, torch.ones(len(folder.config.reward)), None)
            folder.write_facts({"finished": True})
    finally:
        training.metrics.close()


def _learn_from_users(training: Training) -> None:
    """Evaluator, judge, logged-like policy, generator, and at last verdict and warnings."""
    folder, log, split = training.folder, training.log, training.split
    reward = learn_judges(training)
    scales = folder.scales
    feedback = EvaluatorFeedback(folder.load_evaluator())
    _train_clone(training)
    _train_generator(training, reward, scales, _support_price(training, feedback, scales))
    judgement = judge_run(folder, log.select(split.validation))
    warnings = [warning.to_json() for warning in run_warnings(training, judgement)]
    verdict = judgement.to_json()
    folder.write_facts({"verdict": verdict, "warnings": warnings, "finished": True})


def learn_judges(training: Training) -> UtilityReward:
    """Trains those who say what slates are worth: evaluator, heads of feedback and judge.

    Returns:
        What the evaluator says of slates; the scales of its utilities are kept in the run.
    """
    folder, log, split = training.folder, training.log, training.split
    choice = train_evaluator(training)
    folder.write_facts({"reading": choice.to_json()})
    _train_heads(training)
    if len(split.judge):
        train_judge(training, choice)
        train_boosted_judge(training)
    feedback = WithHeads(EvaluatorFeedback(folder.load_evaluator()), load_heads(folder))
    reward = UtilityReward(feedback, log.schema, folder.config.reward)
    _write_scales(folder, reward, log, split)
    return reward


def _train_heads(training: Training) -> None:
    """Trains further feedback, on the evaluator's people and on the judge's."""
    folder, split, seed = training.folder, training.split, training.folder.config.seed
    for whose, rows, own_seed in (
        (EVALUATOR, split.train, seed),
        (JUDGE, split.judge, seed + 1),
    ):
        heads = train_feedback_heads(training, f"{whose}-fit", rows, own_seed)
        write_heads(folder, whose, heads)


def _write_scales(
    folder: RunFolder, reward: UtilityReward, log: ExposureLog, split: PageSplit
) -> None:
    """Keeps what the utilities are divided by."""
    config = folder.config
    with alone():  # few pages, and slates of them that are drawn one after the other
        statistics = reward_statistics(reward, log, split.train, config.data.slots, config.seed)
    if not config.normalise or len(config.reward) == 1:
        statistics = statistics._replace(scale=torch.ones(len(config.reward)))
    folder.write_statistics(statistics)


def _support_price(
    training: Training, feedback: EvaluatorFeedback, scales: Tensor
) -> SupportPrice | None:
    """What a slot pays for an item of a strength that the log never showed there.

    It is in the units of the reward: as if it were clicks, weighed as the predicted utilities are
    by default.
    """
    config = training.folder.config
    if not config.generator.support_price:
        return None
    predicted = [
        utility.default / scale
        for (name, utility), scale in zip(config.reward.items(), scales.tolist(), strict=True)
        if utility_kind(name, utility, training.log.schema)[0] in PREDICTED_KINDS
    ]
    top = training.log.shown(at_most(training.split.train), 1).clicks.mean().item()
    price = config.generator.support_price * top * max(0.0, sum(predicted))
    support = feedback.evaluator.support

    def priced(rows: np.ndarray, exposures: ExposureBatch, slates: Tensor) -> Tensor:
        distance = support.distance(feedback.strength(exposures, slates))
        paid: Tensor = price * distance * (slates >= 0)
        return paid

    return priced if price > 0 else None


def _check(config: TrainConfig, log: ExposureLog, split: PageSplit) -> None:
    if not len(split.train) or not len(split.validation):
        if config.data.validation is Validation.TIME:
            needed = "more pages of different times are needed"
        else:
            needed = "more people are needed, for nobody may be in two parts"
        raise ConfigError(
            f"data.log: {len(log)} pages of {len(np.unique(log.person_ids))} people leave "
            f"{len(split.train)} to train and {len(split.validation)} to validate; {needed}"
        )
    widest, slots = int(np.diff(log.candidate_offsets).max()), config.data.slots
    for what, count, limit in (
        ("candidates on a page", widest, _LARGEST_SET),
        ("candidates on a page and slots above it", widest + log.most_above, _LARGEST_SET),
        ("slots (data.slots) and slots above a page", slots + log.most_above, MOST_SLOTS),
        ("group keys", len(log.schema.groups), _MOST_GROUPS),
        ("flags", len(log.schema.flags), _MOST_FLAGS),
    ):
        if count > limit:
            raise ConfigError(f"data.log: {count} {what}, not at most {limit}")
    scores = [feature.name for feature in log.schema.candidate_dense]
    named = [("data.score", config.data.score)] if config.data.score else []
    for key, name in [*named, *(("data.calibrated", name) for name in config.data.calibrated)]:
        if name not in scores:
            raise ConfigError(
                f"{key}: {name!r} is not a dense feature of the candidates: {', '.join(scores)}"
            )


def _try(config: TrainConfig, log: ExposureLog, split: PageSplit, reward: Reward | None) -> None:
    """Calls on a few pages what the reward comes from, before anything is trained or written."""
    if reward is None:
        try_utilities(config, log, split.train)
        try_network(config, log, split.train)
    else:
        try_reward(config, log, split.train, reward)


def _train_clone(training: Training) -> None:
    folder, config, split = training.folder, training.folder.config, training.split
    clone = _new_generator(training, WarmStart.start_clone)
    weights = torch.tensor([utility.default for utility in config.reward.values()])
    stage = CloneStage(
        clone,
        training.log,
        split.train,
        split.validation,
        weights,
        steps=config.judge.clone_steps,
        slots=config.data.slots,
        seed=config.seed,
        accumulate=config.train.accumulate,
    )
    run_stage(stage, folder, training.metrics, training.resume)


def _train_generator(
    training: Training, reward: Reward, scales: Tensor, support: SupportPrice | None
) -> None:
    """The generator learns on the judge's people as well: of their pages it sees no feedback.

    Candidate sets are all that a policy gradient needs, and few of them are learnt by heart. The
    reward does not come from the judge, and the verdict is given on the pages of others.
    """
    folder, config, split = training.folder, training.folder.config, training.split
    generator = _new_generator(training, WarmStart.start_generator)
    stage = GeneratorStage(
        generator,
        reward,
        training.log,
        np.concatenate([split.train, split.judge]),
        split.validation,
        config.generator,
        config.reward,
        config.data.slots,
        config.seed,
        scales,
        support=support,
        accumulate=config.train.accumulate,
    )
    run_stage(stage, folder, training.metrics, training.resume)


def _new_generator(training: Training, start: Callable[[WarmStart, Generator], None]) -> Generator:
    """A generator at the start of its training; `start` puts yesterday's weights into it."""
    config = training.folder.config
    torch.manual_seed(config.seed)
    generator = training.folder.new_generator()
    rows = training.split.train
    fit_features(generator.features, config.data.calibrated, training.log, rows)
    training.tables.put(generator)
    if training.warm is not None:
        start(training.warm, generator)
    training.tables.hold(generator)
    return generator
