from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import gerank
from gerank.data.batch import RerankBatch, Slates, SlotsAbove
from gerank.data.contract import RequestContract
from gerank.data.pinned_above import count_above, pin_above
from gerank.export import artifact as module
from gerank.export import golden
from gerank.export.artifact import Artifact, ArtifactError, load_artifact, write_artifact
from gerank.export.manifest import FORMAT_VERSION, model_version, op_schemas
from gerank.nn.generator import Generator
from tests.data.request_cases import CONTRACT
from tests.export.archives import golden_of, name_of, packed, records, resummed
from tests.export.conftest import FACTS
from tests.nn.batches import padded, random_batch, random_generator

Written = tuple[Path, Artifact]


def test_what_is_written_is_what_is_loaded(written: Written) -> None:
    path, returned = written
    loaded = load_artifact(path)
    assert loaded.manifest == returned.manifest
    assert loaded.contract == returned.contract == CONTRACT
    assert loaded.model_version == returned.model_version


def test_utilities_keep_the_order_of_their_columns(tmp_path: Path) -> None:
    named = dict(zip(("zeal", "clicks"), CONTRACT.weights.values(), strict=True))
    contract = dataclasses.replace(CONTRACT, weights=named)
    path = tmp_path / "model.gerank"
    generator = random_generator(0, controllable=True)
    write_artifact(generator, contract, path, name="test", training=FACTS)
    assert list(load_artifact(path).contract.weights) == ["zeal", "clicks"]
    assert list(gerank.load(path).contract.weights) == ["zeal", "clicks"]


@pytest.mark.parametrize("requests", [1, 40])
def test_an_artifact_answers_as_the_frozen_eager_generator_to_the_bit(
    written: Written, generator: Generator, seed: int, requests: int
) -> None:
    artifact = load_artifact(written[0])
    batch = random_batch(seed, requests)
    generator.freeze()
    for asked in (batch, padded(batch, candidates=3, slots=0)):
        with torch.inference_mode():
            eager = generator(*asked)
        assert all(map(torch.equal, artifact.rerank(asked), eager))


def test_an_empty_batch_gets_an_empty_answer(written: Written) -> None:
    batch = RerankBatch(*(tensor[:0] for tensor in random_batch(0)))
    assert [part.shape[0] for part in written[1].rerank(batch)] == [0, 0, 0]


def test_the_manifest_tells_what_the_artifact_is(written: Written) -> None:
    manifest = written[1].manifest
    assert manifest["format_version"] == FORMAT_VERSION
    assert [f["name"] for f in manifest["features"]["user"]] == ["age", "country"]
    country = manifest["features"]["user"][1]
    assert (country["kind"], country["vocabulary"], country["values"]) == (
        "id",
        3,
        ["cz", "de", "pl"],
    )
    assert {f["name"]: f["kind"] for f in manifest["features"]["candidate"]} == {
        feature.name: str(feature.kind) for feature in CONTRACT.schema.candidate
    }
    assert manifest["groups"] == ["seller", "category"]
    assert manifest["flags"] == ["fresh", "cold"]
    assert manifest["limits"] == {"candidates": 12, "slots": 6}
    assert manifest["weights"]["diversity"] == {"min": 0.1, "max": 0.7, "default": 0.5}
    assert manifest["versions"]["gerank"] == gerank.__version__
    assert manifest["versions"]["torch"] == torch.__version__.partition("+")[0]
    assert manifest["versions"]["ops"] == op_schemas()
    assert manifest["training"] == FACTS
    assert manifest["model_version"].startswith("first-")


def test_the_manifest_lies_in_the_file_as_json(written: Written, content: bytes) -> None:
    parts = records(content)
    assert json.loads(parts[name_of(parts, "extra/gerank.json")]) == written[1].manifest


def test_the_model_version_changes_if_and_only_if_a_number_changes(seed: int) -> None:
    generator = random_generator(seed)
    version = model_version("run", generator)
    assert version == model_version("run", random_generator(seed))
    for name, tensor in generator.state_dict().items():
        if not tensor.numel():
            continue
        kept = tensor.clone()
        flat = tensor.view(-1)
        flat[0] = ~flat[0] if tensor.dtype == torch.bool else flat[0] + 1
        assert model_version("run", generator) != version, name
        tensor.copy_(kept)
        assert model_version("run", generator) == version


def test_the_model_version_does_not_change_by_freezing(seed: int) -> None:
    generator = random_generator(seed)
    version = model_version("run", generator)
    generator.freeze()
    assert model_version("run", generator) == version


def test_the_model_version_changes_with_the_presets(seed: int) -> None:
    generator = random_generator(seed)
    plain = model_version("run", generator)
    feed = model_version("run", generator, {"feed": {"slots": 4, "greedy": True}})
    assert len({plain, feed, model_version("run", generator, {"feed": {"slots": 5}})}) == 3
    assert model_version("run", generator, {"feed": {"greedy": True, "slots": 4}}) == feed
    assert model_version("run", generator, {}) == plain
    assert model_version("run", generator, precision="bfloat16") != plain
    assert model_version("run", generator, precision="float32") == plain


def test_two_exports_of_one_model_have_one_version(written: Written, tmp_path: Path) -> None:
    again = write_artifact(
        random_generator(0, controllable=True),
        CONTRACT,
        tmp_path / "again.gerank",
        name="first",
        training={},
    )
    assert again.model_version == written[1].model_version


def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    written: Written, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.gerank"
    path.write_bytes(b"the old one")

    def refuse(_: Path) -> Artifact:
        raise ArtifactError("golden request 3: slates are wrong")

    monkeypatch.setattr(module, "load_artifact", refuse)
    with pytest.raises(ArtifactError, match="golden request 3"):
        write_artifact(random_generator(1), CONTRACT, path, name="x", training={})
    assert path.read_bytes() == b"the old one"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_in_the_way_is_an_os_error_and_nothing_is_left(tmp_path: Path) -> None:
    target = tmp_path / "model.gerank"
    target.mkdir()
    with pytest.raises(OSError, match=r"model\.gerank"):
        write_artifact(random_generator(1), CONTRACT, target, name="x", training={})
    assert list(tmp_path.iterdir()) == [target]
    assert not list(target.iterdir())


def test_missing_folders_are_made(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "model.gerank"
    write_artifact(random_generator(1), CONTRACT, path, name="x", training={})
    assert load_artifact(path).model_version.startswith("x-")


@pytest.mark.parametrize("candidates", [1, 2, 24, 512])
def test_golden_requests_fit_the_limits_of_the_contract(
    tmp_path: Path, seed: int, candidates: int
) -> None:
    contract = dataclasses.replace(CONTRACT, max_candidates=candidates)
    batch = golden.draw_batch(contract, 16, min(24, candidates), seed)
    assert batch.candidate_mask.shape[1] <= candidates
    assert batch.candidate_mask[:, 0].all()
    path = tmp_path / "model.gerank"
    write_artifact(random_generator(seed), contract, path, name="x", training={})
    assert load_artifact(path).contract.max_candidates == candidates


def test_something_may_stand_above_golden_requests(
    generator: Generator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = golden.draw_batch

    def below(contract: RequestContract, *sizes: int, seed: int) -> RerankBatch:
        batch = plain(contract, *sizes, seed)
        named = torch.zeros(len(batch.pins), 2, dtype=torch.int64)
        ids = batch.candidate_ids[:, :1].expand(-1, 2, -1)
        above = SlotsAbove(ids, torch.ones_like(named, dtype=torch.bool), named - 1)
        return pin_above(batch, above, contract.schema.flag_columns)

    monkeypatch.setattr(golden, "draw_batch", below)
    path = tmp_path / "model.gerank"
    write_artifact(generator, CONTRACT, path, name="test", training=FACTS)
    parts = records(path.read_bytes())
    batch, answer = golden_of(parts[name_of(parts, "golden.safetensors")])
    assert (count_above(batch) == 2).all() and batch.pins.shape == (16, CONTRACT.max_slots + 2)
    assert all(map(torch.equal, load_artifact(path).rerank(batch), answer))
    assert gerank.load(path).contract == CONTRACT  # which answered them again


def test_golden_requests_survive_their_bytes(generator: Generator, seed: int) -> None:
    batch = random_batch(seed)
    with torch.inference_mode():
        answer = Slates(*generator(*batch))
    same_batch, same_answer = golden_of(golden.to_bytes(batch, answer))
    assert all(map(torch.equal, batch, same_batch))
    assert all(map(torch.equal, answer, same_answer))


Spoil = Callable[[Slates], Slates]


def _log_prob_off(slates: Slates, off: float) -> Slates:
    return slates._replace(log_prob=slates.log_prob + off * (slates.slates >= 0))


def _first_slot_taken(slates: Slates) -> Slates:
    answer = slates.slates.clone()
    answer[1, 0] = 1 - answer[1, 0].clamp(max=1)
    return slates._replace(slates=answer)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda slates: slates, ""),
        (lambda slates: _log_prob_off(slates, 5e-6), ""),
        (
            lambda slates: _log_prob_off(slates, 0.5),
            "golden request 0: log_prob is off by 0.5; 16 of 16 requests differ; it was",
        ),
        (lambda slates: _log_prob_off(slates, math.nan), "golden request 0: log_prob is off by "),
        (_first_slot_taken, "golden request 1: slates differ at 1 of {N} slots, first at slot 0: "),
        (
            lambda slates: slates._replace(relaxed=slates.relaxed + 1),
            "golden request 0: relaxed rules differ at {N} of {N} slots, first at slot 0: ",
        ),
    ],
    ids=["same", "close", "far", "not a number", "slates", "relaxed"],
)
def test_a_difference_of_golden_answers_is_put_in_words(
    content: bytes, tmp_path: Path, spoil: Spoil, words: str
) -> None:
    parts = records(content)
    name = name_of(parts, "extra/golden.safetensors")
    batch, answer = golden_of(parts[name])
    parts[name] = golden.to_bytes(batch, spoil(answer))
    path = tmp_path / "altered.gerank"
    path.write_bytes(packed(resummed(parts)))
    if not words:
        assert load_artifact(path).model_version == gerank.load(path).model_version
        return
    with pytest.raises(ArtifactError) as caught:
        gerank.load(path)
    slots = batch.pins.size(1)
    assert str(caught.value).startswith(f"{path}: {words.format(N=slots)}")


def test_a_difference_of_long_slates_is_a_short_sentence(content: bytes, tmp_path: Path) -> None:
    """Nothing agrees, and the words are of the first slot alone."""
    parts = records(content)
    name = name_of(parts, "extra/golden.safetensors")
    batch, answer = golden_of(parts[name])
    parts[name] = golden.to_bytes(batch, answer._replace(slates=answer.slates + 1_000_000))
    path = tmp_path / "altered.gerank"
    path.write_bytes(packed(resummed(parts)))
    with pytest.raises(ArtifactError) as caught:
        gerank.load(path)
    (told, _, _) = str(caught.value).removeprefix(f"{path}: ").partition("; it was written")
    count = batch.pins.size(1)
    assert re.fullmatch(
        rf"golden request 0: slates differ at {count} of {count} slots, first at slot 0: "
        r"-?\d+, not \d+; 16 of 16 requests differ",
        told,
    )


def test_the_generator_passed_in_is_frozen_for_good(tmp_path: Path) -> None:
    generator = random_generator(2)
    write_artifact(generator, CONTRACT, tmp_path / "m.gerank", name="x", training={})
    assert generator.decoder.frozen
    assert not generator.training
