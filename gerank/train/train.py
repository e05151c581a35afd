"""A training run from its configuration to its last checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gerank.data.exposure_log import ExposureLog
from gerank.nn.generator import Generator
from gerank.train.about import note_end, note_start
from gerank.train.alike import check_same_run, check_shared
from gerank.train.choices import FitPrecision
from gerank.train.clone_stage import CloneStage
from gerank.train.config import TrainConfig
from gerank.train.credit import SupportPrice, price_of_leaving
from gerank.train.device import chosen_device, devices_told
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
from gerank.train.log_limits import LARGEST_SET, check_limits
from gerank.train.page_batches import at_most
from gerank.train.pages import PageSplit, split_pages
from gerank.train.pretrained import PretrainedTables
from gerank.train.processes import alone, current
from gerank.train.reward import Reward, UtilityReward, reward_statistics
from gerank.train.run_folder import RunError, RunFolder
from gerank.train.stage import MetricsLog, run_stage
from gerank.train.trial import try_all
from gerank.train.utilities import PREDICTED_KINDS, utility_kind
from gerank.train.warm_start import WarmStart
from gerank.train.warning_figures import run_warnings


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
    config_file: Path | None = None,
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
        config_file: What `config` was read from; about.json keeps the git revision of its folder.

    Raises:
        ConfigError: A setting or the reward does not fit the log, or there is no such device.
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
    device = chosen_device(config.train.device)
    log = ExposureLog.read(config.data.log, config.data.memory_mb) if log is None else log
    folder = RunFolder(out, config, log.schema, LARGEST_SET, device)
    identity = LogIdentity.of(log)
    check_same_run(out, config, identity, device)
    folder.check(resume, identity)
    warm = None if init is None else WarmStart.from_run(init, folder)
    split = split_pages(log, config.data) if split is None else split
    check_limits(config, log, split)
    tables = PretrainedTables.read(config.tables, log.schema, config.generator.embedding_width)
    with alone():
        try_all(config, log, split.train, reward, device)
    initial = (warm.to_json(), warm.document) if warm else None
    is_new = folder.create(resume, identity, initial, launch.name if launch else None)
    check_shared(folder.path)
    if folder.finished:
        return folder
    current().told_by_first(lambda: note_start(out, config_file, is_new=is_new))
    folder.write_facts({"device": devices_told(folder.facts.get("device"), device)})
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
            current().told_by_first(lambda: note_end(folder.path))
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
    current().told_by_first(lambda: note_end(folder.path))
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
    fitted_in = folder.config.train.evaluator_precision
    for whose, rows, own_seed, precision in (
        (EVALUATOR, split.train, seed, fitted_in),
        (JUDGE, split.judge, seed + 1, FitPrecision.FLOAT32),
    ):
        heads = train_feedback_heads(training, f"{whose}-fit", rows, own_seed, precision)
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
    """What a choice pays for an item of a strength that the log never showed at its slot.

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
    return price_of_leaving(feedback, price) if price > 0 else None


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
    generator.to(training.folder.device)
    training.tables.hold(generator)
    return generator
