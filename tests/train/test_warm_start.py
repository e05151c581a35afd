"""A run that starts from yesterday's weights: what is matched by name, and what is refused."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from gerank.data.exposure_log import ExposureLog
from gerank.data.schema import Feature, FeatureKind, FeatureSchema
from gerank.nn.control import Control
from gerank.nn.generator import Generator
from gerank.nn.structured import StructuredEvaluator, StructuredShape
from gerank.train.config import TrainConfig, UtilityConfig
from gerank.train.feature_match import SideMatch
from gerank.train.fit_features import fit_features
from gerank.train.pages import as_requests
from gerank.train.run_folder import RunError, RunFolder
from gerank.train.stage import MetricsLog
from gerank.train.train import train
from gerank.train.warm_start import WarmStart
from tests.train.tiny import RANGED, SLOTS, tiny_config, tiny_log

Change = Callable[[ExposureLog], ExposureLog]
EXTRA = "stock"


@pytest.fixture(scope="module")
def log() -> ExposureLog:
    """Yesterday's, with a feature beside the simulator's that is the same everywhere."""
    return with_feature(tiny_log()[0], Feature(EXTRA, FeatureKind.DENSE), 3.0)


@pytest.fixture(scope="module")
def yesterday(
    log: ExposureLog, log_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> RunFolder:
    """A finished run of two forms of reading, with utilities that have ranges."""
    config = configured(log_folder)
    return train(config, tmp_path_factory.mktemp("warm") / "yesterday", log=log)


def configured(log_folder: Path, **changes: Any) -> TrainConfig:
    config = tiny_config(log_folder, reward=RANGED, **changes)
    evaluator = dataclasses.replace(
        config.evaluator, readings=("examination", "hidden_reader"), prior_strengths=(64.0,)
    )
    return dataclasses.replace(config, evaluator=evaluator)


def with_feature(log: ExposureLog, feature: Feature, value: float) -> ExposureLog:
    """The candidates have one more feature, in front, of one value."""
    kind = np.float32 if feature.kind is FeatureKind.DENSE else np.int64
    column = np.full(int(log.candidate_offsets[-1]), value, kind)
    schema = dataclasses.replace(log.schema, candidate=(feature, *log.schema.candidate))
    return dataclasses.replace(
        log, schema=schema, candidate={feature.name: column, **log.candidate}
    )


def one_more(log: ExposureLog) -> ExposureLog:
    return with_feature(log, Feature("price", FeatureKind.DENSE), 7.0)


def one_more_id(log: ExposureLog) -> ExposureLog:
    """A feature of many values: at first it has no effect whatever its value."""
    log = with_feature(log, Feature("brand", FeatureKind.ID, 50, hashed=True), 0)
    values = np.random.default_rng(0).integers(0, 1000, int(log.candidate_offsets[-1]))
    return dataclasses.replace(log, candidate={**log.candidate, "brand": values})


def one_less(log: ExposureLog) -> ExposureLog:
    kept = tuple(f for f in log.schema.candidate if f.name != EXTRA)
    columns = {name: values for name, values in log.candidate.items() if name != EXTRA}
    schema = dataclasses.replace(log.schema, candidate=kept)
    return dataclasses.replace(log, schema=schema, candidate=columns)


def reversed_order(log: ExposureLog) -> ExposureLog:
    schema = dataclasses.replace(
        log.schema,
        user=log.schema.user[::-1],
        candidate=log.schema.candidate[::-1],
        groups=log.schema.groups[::-1],
        flags=log.schema.flags[::-1],
    )
    return dataclasses.replace(log, schema=schema)


def grown(log: ExposureLog) -> ExposureLog:
    """Every id but flags may have more values; a hashed one has rows for twice as many."""

    def bigger(feature: Feature) -> Feature:
        if feature.kind is FeatureKind.DENSE or feature.name in log.schema.flags:
            return feature
        more = 2 * feature.vocabulary if feature.hashed else feature.vocabulary + 5
        names = (*feature.values, *(f"new {k}" for k in range(5))) if feature.values else ()
        return dataclasses.replace(feature, vocabulary=more, values=names)

    user, candidate = (tuple(map(bigger, f)) for f in (log.schema.user, log.schema.candidate))
    return dataclasses.replace(
        log, schema=dataclasses.replace(log.schema, user=user, candidate=candidate)
    )


def everything(log: ExposureLog) -> ExposureLog:
    return one_more(one_more_id(grown(reversed_order(one_less(log)))))


CHANGES = [lambda log: log, one_more, one_more_id, one_less, reversed_order, grown, everything]


def today(path: Path, config: TrainConfig, log: ExposureLog) -> RunFolder:
    return RunFolder(path, config, log.schema, 512)


def scaled(model: Any, log: ExposureLog) -> Any:
    """With the scales of the people that yesterday's run was trained on, by name."""
    fit_features(model, (), log, np.arange(len(log)))
    return model


@torch.no_grad()
def likelihood(evaluator: StructuredEvaluator, log: ExposureLog) -> Tensor:
    scaled(evaluator.attraction.features, log)
    pages = log.batch(np.arange(60), SLOTS)
    return evaluator.log_likelihood(evaluator.place_exposed(pages), pages.clicks)


@torch.no_grad()
def log_prob(generator: Generator, log: ExposureLog, weights: tuple[float, ...]) -> Tensor:
    scaled(generator.features, log)
    pages = log.batch(np.arange(60), SLOTS)
    batch = as_requests(pages, torch.tensor([weights]).expand(60, -1), log.schema, slots=SLOTS)
    encoded = generator.encode_batch(batch)
    return generator.slate_log_prob(encoded, batch, pages.slates.unsqueeze(1))[0].squeeze(1)


def ensemble_of(schema: FeatureSchema, form: str, members: int, slots: int = SLOTS) -> Any:
    torch.manual_seed(5)
    return StructuredEvaluator(schema, StructuredShape(slots, form, members, 2, (), "ctr_score"))


@pytest.mark.parametrize("change", CHANGES, ids=lambda c: c.__name__)
def test_evaluator_and_generator_begin_as_yesterdays_whatever_became_of_the_columns(
    yesterday: RunFolder, log: ExposureLog, tmp_path: Path, change: Change
) -> None:
    changed = change(log)
    folder = today(tmp_path / "run", yesterday.config, changed)
    warm = WarmStart.from_run(yesterday.path, folder)
    before = yesterday.load_evaluator().structured
    ensemble = ensemble_of(changed.schema, before.shape.reading, 3)
    fresh = likelihood(ensemble, changed)
    warm.start_chosen(ensemble)
    expected = likelihood(before, log).expand(3, -1)
    assert not torch.allclose(fresh, expected, atol=1e-2)
    torch.testing.assert_close(likelihood(ensemble, changed), expected, atol=1e-5, rtol=1e-5)
    for which in ("generator", "clone"):
        torch.manual_seed(5)
        policy = folder.new_generator()
        getattr(warm, f"start_{which}")(policy)
        old = getattr(yesterday, f"load_{which}")()
        for weights in ((1.0, 0.2), (0.3, 0.9)):
            torch.testing.assert_close(
                log_prob(policy, changed, weights),
                log_prob(old, log, weights),
                atol=1e-5,
                rtol=1e-5,
            )


def test_forms_are_compared_from_where_the_same_comparison_ended(
    yesterday: RunFolder, log: ExposureLog, tmp_path: Path
) -> None:
    warm = WarmStart.from_run(yesterday.path, today(tmp_path, yesterday.config, log))
    ensemble = ensemble_of(log.schema, "logit|hidden_reader|examination", 3)
    fresh = likelihood(ensemble, log)
    warm.start_compared(ensemble)
    compared = ensemble_of(log.schema, "examination|hidden_reader", 2)
    checkpoint = torch.load(yesterday.checkpoint("evaluator-readings", "last"))
    compared.load_state_dict(checkpoint["more"]["best"])
    expected = likelihood(compared, log)
    found = likelihood(ensemble, log)
    torch.testing.assert_close(found[[2, 1]], expected)
    torch.testing.assert_close(found[0], fresh[0])


def test_a_form_that_was_not_chosen_begins_with_its_own_fit_and_an_untried_one_fresh(
    yesterday: RunFolder, log: ExposureLog, tmp_path: Path
) -> None:
    warm = WarmStart.from_run(yesterday.path, today(tmp_path, yesterday.config, log))
    chosen = yesterday.load_evaluator().shape.structured.reading
    other = next(f for f in yesterday.config.evaluator.readings if f != chosen)
    both = ensemble_of(log.schema, "examination|hidden_reader", 2)
    warm.start_compared(both)
    ensemble = ensemble_of(log.schema, other, 2)
    warm.start_chosen(ensemble)
    place = ("examination", "hidden_reader").index(other)
    torch.testing.assert_close(
        likelihood(ensemble, log), likelihood(both, log)[[place]].expand(2, -1)
    )
    untried = ensemble_of(log.schema, "logit", 2)
    before = {name: value.clone() for name, value in untried.state_dict().items()}
    warm.start_chosen(untried)
    assert all(torch.equal(value, before[name]) for name, value in untried.state_dict().items())


def test_slots_that_there_were_not_start_as_in_a_fresh_run(
    yesterday: RunFolder, log: ExposureLog, tmp_path: Path
) -> None:
    warm = WarmStart.from_run(yesterday.path, today(tmp_path, yesterday.config, log))
    before = yesterday.load_evaluator().structured
    ensemble = ensemble_of(log.schema, before.shape.reading, 1, slots=SLOTS + 2)
    with torch.no_grad():
        ensemble.reading.slot.fill_(0.25)
    warm.start_chosen(ensemble)
    assert torch.equal(ensemble.reading.slot[:, :SLOTS], before.reading.slot)
    assert (ensemble.reading.slot[:, SLOTS:] == 0.25).all()


def test_rows_of_values_with_names_follow_their_names(tmp_path: Path) -> None:
    old = (Feature("a", FeatureKind.ID, 2), Feature("c", FeatureKind.ID, 3, False, ("x", "y", "z")))
    new = (Feature("c", FeatureKind.ID, 3, False, ("z", "w", "x")), Feature("b", FeatureKind.ID, 1))
    match = SideMatch("candidate", old, new)
    assert match.rows.before.tolist() == [4, -1, 2, -1]
    assert [(f.name, f.state, f.rows, f.of_rows) for f in match.fates] == [
        ("candidate.c", "taken over", 2, 3),
        ("candidate.b", "new", 0, 1),
        ("candidate.a", "dropped", 0, 0),
    ]


@pytest.mark.parametrize("control", list(Control))
def test_utilities_are_matched_by_name_in_every_control(
    log: ExposureLog, tmp_path: Path, control: Control
) -> None:
    config = tiny_config(tmp_path, reward=RANGED, control=control)
    before = RunFolder(tmp_path / "before", config, log.schema, 512)
    torch.manual_seed(1)
    old = before.new_generator()
    with torch.no_grad():  # heads start at zero: here the weights matter
        for parameter in old.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    reward = {"freshness": UtilityConfig(0.0, 1.0, 0.5), **dict(reversed(RANGED.items()))}
    folder = today(tmp_path, dataclasses.replace(config, reward=reward), log)
    document = {
        "run": "before",
        "schema": log.schema.to_json(),
        "utilities": list(RANGED),
        "control": str(control),
        "generator": old.state_dict(),
    }
    generator = folder.new_generator()
    WarmStart(document, folder).start_generator(generator)
    for clicks, diversity in ((1.0, 0.2), (0.1, 0.8)):
        torch.testing.assert_close(
            # a new utility in the middle of its range is 0 to the control
            log_prob(generator, log, (0.5, diversity, clicks)),
            log_prob(old, log, (clicks, diversity)),
            atol=1e-5,
            rtol=1e-5,
        )


def test_a_warm_run_trains_says_what_matched_and_keeps_no_copy_of_the_weights(
    yesterday: RunFolder, log: ExposureLog, tmp_path: Path
) -> None:
    told: list[str] = []
    changed = everything(log)
    folder = train(
        yesterday.config, tmp_path / "run", init=yesterday.path, log=changed, tell=told.append
    )
    assert told[0] == f"init: {yesterday.path}"
    assert any(line.startswith("features new") and "candidate.price" in line for line in told)
    assert f"features dropped: candidate.{EXTRA}" in told
    assert "the judge is fresh, as always" in told
    facts = folder.facts["init"]
    assert facts["told"] == told
    states = {feature["name"]: feature["state"] for feature in facts["features"]}
    assert states["candidate.ctr_score"] == "taken over"
    assert states["candidate.brand"] == "new"
    assert folder.finished and not folder.initial_weights.exists()


@pytest.fixture(scope="module")
def whole(
    yesterday: RunFolder, log: ExposureLog, tmp_path_factory: pytest.TempPathFactory
) -> RunFolder:
    """A run on the same log that started from yesterday's, from its beginning to its end."""
    path = tmp_path_factory.mktemp("warm") / "whole"
    return train(yesterday.config, path, init=yesterday.path, log=log)


def test_the_judge_of_a_warm_run_is_that_of_a_fresh_one(
    yesterday: RunFolder, whole: RunFolder
) -> None:
    def first_look(folder: RunFolder) -> dict[str, str]:
        """Stage -> the loss of its first epoch, in which a fresh stage knows nothing else."""
        lines = (folder.path / "metrics.csv").read_text().splitlines()
        cells = [line.split(",") for line in lines]
        return {c[0]: c[3] for c in cells if c[1:3] == ["0", "validation_loss"]}

    losses, before = first_look(whole), first_look(yesterday)
    assert losses["evaluator-readings"] != before["evaluator-readings"]
    judges = [stage for stage in losses if stage.startswith("judge-") and stage in before]
    assert judges
    assert [losses[stage] for stage in judges] == [before[stage] for stage in judges]


def test_an_interrupted_warm_run_goes_on_warm_though_yesterdays_is_gone(
    yesterday: RunFolder, whole: RunFolder, log: ExposureLog, tmp_path: Path
) -> None:
    init = Path(shutil.copytree(yesterday.path, tmp_path / "yesterday"))
    write = MetricsLog.write

    def interrupt(metrics: MetricsLog, stage: str, epoch: int, figures: dict[str, float]) -> None:
        if stage == "clone":
            raise KeyboardInterrupt
        write(metrics, stage, epoch, figures)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(MetricsLog, "write", interrupt)
        train(yesterday.config, tmp_path / "run", init=init, log=log)
    shutil.rmtree(init)
    resumed = train(yesterday.config, tmp_path / "run", resume=True, log=log)
    expected = whole.load_generator().state_dict()
    for name, value in resumed.load_generator().state_dict().items():
        assert torch.equal(value, expected[name]), name


def wider(config: TrainConfig) -> TrainConfig:
    return dataclasses.replace(config, generator=dataclasses.replace(config.generator, width=16))


@pytest.mark.parametrize(
    ("change", "resume", "words"),
    [
        (lambda c: c, True, r"--init .* and --resume exclude each other: .* leave out --init"),
        (wider, False, r"another architecture .*: generator\.width was 8 and is 16; set the same"),
    ],
)
def test_what_cannot_be_taken_over_is_refused_and_nothing_is_written(
    yesterday: RunFolder,
    log: ExposureLog,
    tmp_path: Path,
    change: Callable[[TrainConfig], TrainConfig],
    resume: bool,
    words: str,
) -> None:
    with pytest.raises(RunError, match=words):
        train(
            change(yesterday.config),
            tmp_path / "run",
            init=yesterday.path,
            resume=resume,
            log=log,
        )
    assert not (tmp_path / "run").exists()


def test_an_unfinished_run_no_run_and_a_run_of_other_features_are_refused(
    yesterday: RunFolder, log: ExposureLog, tmp_path: Path
) -> None:
    begun = RunFolder.open(Path(shutil.copytree(yesterday.path, tmp_path / "begun")))
    begun.write_facts({"finished": False})
    with pytest.raises(RunError, match=r"begun: its training has not ended: .*--resume"):
        train(yesterday.config, tmp_path / "run", init=begun.path, log=log)
    with pytest.raises(RunError, match="nowhere is not the folder of a training run"):
        train(yesterday.config, tmp_path / "run", init=tmp_path / "nowhere", log=log)
    names = {f.name: f"other_{f.name}" for f in log.schema.candidate}
    user = tuple(dataclasses.replace(f, name=f"other_{f.name}") for f in log.schema.user)
    candidate = tuple(dataclasses.replace(f, name=names[f.name]) for f in log.schema.candidate)
    schema = FeatureSchema(user, candidate)
    folder = RunFolder(tmp_path / "run", yesterday.config, schema, 512)
    with pytest.raises(RunError, match=r"none of its features \(user\..*\) is in the log of now"):
        WarmStart.from_run(yesterday.path, folder)
    assert not (tmp_path / "run").exists()
