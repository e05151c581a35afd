from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gerank.export.artifact import ArtifactError, load_artifact, write_artifact
from gerank.export.presets import PresetError, check_presets, read_presets
from tests.data.preset_reference import with_preset
from tests.data.request_cases import CONTRACT
from tests.export.archives import with_manifest
from tests.nn.batches import random_generator

NEW_ARRIVALS: dict[str, Any] = {
    "weights": {"diversity": 0.6},
    "spacing": [{"group": "seller", "window": 4, "cap": 1}],
    "quotas": [{"flag": "fresh", "min": 2, "max": 5}],
    "slots": 5,
    "mode": "sample",
    "temperature": 0.5,
}
TOML = """
[new-arrivals]
slots = 5
mode = "sample"
temperature = 0.5
weights = { diversity = 0.6 }
spacing = [{ group = "seller", window = 4, cap = 1 }]
[[new-arrivals.quotas]]
flag = "fresh"
min = 2
max = 5
[plain]
"""


def test_toml_and_json_say_the_same(tmp_path: Path) -> None:
    toml, plain = tmp_path / "presets.toml", tmp_path / "presets.json"
    toml.write_text(TOML)
    plain.write_text(json.dumps({"new-arrivals": NEW_ARRIVALS, "plain": {}}))
    expected = {"new-arrivals": NEW_ARRIVALS, "plain": {}}
    assert read_presets(toml, CONTRACT) == read_presets(plain, CONTRACT) == expected


def test_presets_lie_in_the_manifest_and_come_back(tmp_path: Path) -> None:
    presets = {"new-arrivals": NEW_ARRIVALS, "plain": {}}
    path = tmp_path / "model.gerank"
    write_artifact(random_generator(0), CONTRACT, path, name="x", training={}, presets=presets)
    artifact = load_artifact(path)
    assert artifact.contract.presets == artifact.manifest["presets"] == presets


def test_an_artifact_without_presets_has_no_such_key(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.gerank"
    path.write_bytes(content)
    artifact = load_artifact(path)
    assert artifact.contract.presets == {}
    assert {"presets", "calibration", "utilities"}.isdisjoint(artifact.manifest)


BAD = [
    ({"weights": {"diversity": 0.9}}, r"weights\.diversity: must be a number in \[0.1, 0.7\]"),
    ({"weights": {"clix": 0.9}}, r"weights\.clix: unknown utility"),
    ({"spacing": [{"group": "brand", "window": 2, "cap": 1}]}, r"spacing\[0\]\.group: unknown"),
    ({"spacing": [{"group": "seller", "window": 0, "cap": 1}]}, r"spacing\[0\]\.window: must be"),
    ({"quotas": [{"flag": "fresh", "min": 3, "max": 2}]}, r"quotas\[0\]\.max: must be an integer"),
    ({"slots": 7}, r"slots: must be an integer in \[1, 6\], got 7"),
    ({"mode": "random"}, r"mode: must be"),
    ({"temperature": 0.0}, r"temperature: must be a number"),
    ({"pins": {"0": "a"}}, r"pins: unknown key of a preset"),
    ({"slot": 3}, r"slot: unknown key of a preset, the nearest is 'slots'"),
    ([], r"preset: must be an object"),
]


@pytest.mark.parametrize(("preset", "message"), BAD)
def test_a_preset_that_no_request_could_use_is_named(preset: object, message: str) -> None:
    with pytest.raises(PresetError, match=rf"^presets\.mine\.{message}"):
        check_presets({"fine": {}, "mine": preset}, CONTRACT)


@pytest.mark.parametrize("name", ["", "x" * 101])
def test_a_preset_needs_a_name_that_fits(name: str) -> None:
    with pytest.raises(PresetError, match="a name has 1 to 100 characters"):
        check_presets({name: {}}, CONTRACT)


def test_a_bad_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(PresetError, match=r"gone\.toml: no such file"):
        read_presets(tmp_path / "gone.toml", CONTRACT)
    for name, kind in (("a.toml", "TOML"), ("a.json", "JSON")):
        (tmp_path / name).write_text("[[[")
        with pytest.raises(PresetError, match=rf"{name}: not {kind}"):
            read_presets(tmp_path / name, CONTRACT)
    (tmp_path / "list.json").write_text("[]")
    with pytest.raises(PresetError, match=r"list\.json: presets: must be an object"):
        read_presets(tmp_path / "list.json", CONTRACT)


def test_a_bad_preset_stops_the_export_and_leaves_no_file(tmp_path: Path) -> None:
    path = tmp_path / "model.gerank"
    with pytest.raises(PresetError, match=r"presets\.mine\.slots"):
        write_artifact(
            random_generator(0),
            CONTRACT,
            path,
            name="x",
            training={},
            presets={"mine": {"slots": 0}},
        )
    assert not list(tmp_path.iterdir())


def test_an_artifact_with_a_foreign_preset_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.gerank"
    path.write_bytes(with_manifest(content, checksums=True, presets={"mine": {"slots": 99}}))
    with pytest.raises(ArtifactError, match=r"presets\.mine\.slots"):
        load_artifact(path)


def test_what_a_request_says_itself_goes_before_its_preset() -> None:
    request = {
        "id": "page",
        "slots": 3,
        "weights": {"clicks": 1.5},
        "spacing": [{"group": "seller", "window": 2, "cap": 1}],
        "quotas": [{"flag": "cold", "max": 1}],
    }
    merged = with_preset(request, NEW_ARRIVALS)
    assert merged["id"] == "page"
    assert merged["slots"] == 3
    assert merged["mode"] == "sample"
    assert merged["weights"] == {"diversity": 0.6, "clicks": 1.5}
    assert merged["spacing"] == request["spacing"]
    assert merged["quotas"] == [{"flag": "cold", "max": 1}, NEW_ARRIVALS["quotas"][0]]
    assert with_preset(request, {}) == request
    assert with_preset({"id": 1}, NEW_ARRIVALS) == {"id": 1} | NEW_ARRIVALS
