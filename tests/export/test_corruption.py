"""Every change of an artifact is noticed, and the message names file and difference.

In Python, which writes artifacts, and in the engine, which serves them: in the same words.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import gerank
from gerank.export.artifact import Artifact, ArtifactError, load_artifact
from gerank.export.manifest import FORMAT_VERSION
from gerank.ranker import Ranker
from tests.export.archives import name_of, packed, records, resummed, with_manifest

Load = Callable[[Path], Artifact | Ranker]


def load_scripted(path: Path) -> Ranker:
    return Ranker.load(path, implementation="torchscript")


@pytest.fixture(
    params=[load_artifact, gerank.load, load_scripted], ids=["python", "native", "torchscript"]
)
def load(request: pytest.FixtureRequest) -> Load:
    loader: Load = request.param
    return loader


@pytest.fixture
def refused(tmp_path: Path, load: Load) -> Callable[[bytes], str]:
    def check(altered: bytes) -> str:
        path = tmp_path / "altered.gerank"
        path.write_bytes(altered)
        with pytest.raises(ArtifactError) as caught:
            load(path)
        message = str(caught.value)
        assert message.startswith(f"{path}: ")
        assert "\n" not in message
        assert path.read_bytes() == altered
        return message.removeprefix(f"{path}: ")

    return check


Refused = Callable[[bytes], str]


def test_the_tests_own_repacking_alters_nothing(
    content: bytes, written: tuple[Path, Artifact], tmp_path: Path, load: Load
) -> None:
    for altered in (
        packed(records(content)),
        packed(resummed(records(content))),
        with_manifest(content, checksums=True),
    ):
        path = tmp_path / "repacked.gerank"
        path.write_bytes(altered)
        assert load(path).model_version == written[1].model_version


def test_a_missing_file_is_named(tmp_path: Path, load: Load) -> None:
    with pytest.raises(ArtifactError, match=r"gone\.gerank: no such file"):
        load(tmp_path / "gone.gerank")


@pytest.mark.parametrize("kept", [0.0, 0.001, 0.1, 0.5, 0.9, 0.999, -1])
def test_a_truncated_file_is_refused(content: bytes, refused: Refused, kept: float) -> None:
    length = len(content) - 1 if kept == -1 else int(kept * len(content))
    assert "truncated" in refused(content[:length])


@pytest.mark.parametrize(
    "record",
    ["gerank.json", "golden.safetensors", "checksums.json", "data.pkl", "generator.py", "data/20"],
)
def test_a_flipped_byte_is_refused(
    content: bytes, refused: Refused, seed: int, record: str
) -> None:
    body = records(content)[name_of(records(content), f"/{record}")]
    compressed = body not in content
    rng = np.random.default_rng(seed)
    altered = bytearray(content)
    if compressed:
        start = content.rindex(f"/{record}".encode(), 0, content.index(b"PK\x01\x02")) + 200
        altered[start + int(rng.integers(50))] ^= 1 << int(rng.integers(8))
    else:
        place = content.index(body) + int(rng.integers(len(body)))
        altered[place] ^= 1 << int(rng.integers(8))
    message = refused(bytes(altered))
    said = ["altered", "missing"]
    if record == "checksums.json":  # of which a name may have changed
        said += ["malformed", "added"]
    assert any(word in message for word in said)


def test_any_flipped_bit_is_refused_or_harmless(content: bytes, tmp_path: Path, seed: int) -> None:
    """Only what lies between the records may change, and nothing fails in any other way."""
    rng = np.random.default_rng(seed)
    path = tmp_path / "flipped.gerank"
    path.write_bytes(content)
    sound, harmless = load_artifact(path), 0
    for place in rng.integers(len(content), size=150):
        altered = bytearray(content)
        altered[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(altered)
        try:
            loaded = load_artifact(path)
        except ArtifactError:
            continue
        assert loaded.manifest == sound.manifest
        numbers, expected = loaded.module.state_dict(), sound.module.state_dict()
        assert list(numbers) == list(expected)
        # By their bits: a packed page has integers among its numbers, which may read as NaN.
        for one, other in zip(numbers.values(), expected.values(), strict=True):
            assert torch.equal(one.view(torch.uint8), other.view(torch.uint8))
        harmless += 1
    assert harmless < 75


@pytest.mark.parametrize(
    "record",
    ["gerank.json", "golden.safetensors", "data.pkl", "generator.py", "data/20", "version"],
)
def test_an_altered_record_of_a_sound_archive_is_named(
    content: bytes, refused: Refused, record: str
) -> None:
    parts = records(content)
    name = name_of(parts, f"/{record}")
    body = parts[name]
    parts[name] = body.replace(b"clicks", b"clocks") if record == "gerank.json" else body + b" "
    assert parts[name] != body
    message = refused(packed(parts))
    assert f"record {name.split('/', 1)[1]!r} was altered" in message


@pytest.mark.parametrize(
    "record", ["golden.safetensors", "data/20", "generator.py", "constants.pkl"]
)
def test_a_missing_record_is_named(content: bytes, refused: Refused, record: str) -> None:
    parts = records(content)
    name = name_of(parts, f"/{record}")
    del parts[name]
    assert refused(packed(parts)) == f"record {name.split('/', 1)[1]!r} is missing"


def test_an_added_record_is_named(content: bytes, refused: Refused) -> None:
    parts = records(content)
    prefix = next(iter(parts)).split("/", 1)[0]
    message = refused(packed(parts | {f"{prefix}/code/extra.py": b"import os"}))
    assert "record 'code/extra.py' was added" in message


def test_a_manifest_altered_without_its_checksum_is_named(content: bytes, refused: Refused) -> None:
    limits = {"candidates": 10**6, "slots": 6}
    message = refused(with_manifest(content, checksums=False, limits=limits))
    assert "record 'extra/gerank.json' was altered" in message


def test_another_format_version_is_named_with_ours(content: bytes, refused: Refused) -> None:
    for version in (FORMAT_VERSION + 1, 0, "1", [1]):
        for checksums in (False, True):
            message = refused(with_manifest(content, checksums=checksums, format_version=version))
            assert f"format version {version!r}, this gerank reads 1 to {FORMAT_VERSION}" in message


@pytest.mark.parametrize("load", [load_artifact, load_scripted])
def test_other_op_schemas_are_named_with_ours(content: bytes, refused: Refused) -> None:
    manifest = json.loads(records(content)[name_of(records(content), "gerank.json")])
    versions = manifest["versions"]
    old = versions["ops"]["decode_slates"].replace("int num_slates", "int num_slates, int beam")
    ops = versions["ops"] | {"decode_slates": old}
    message = refused(with_manifest(content, checksums=True, versions=versions | {"ops": ops}))
    assert f"was written for op {old!r}" in message
    assert versions["ops"]["decode_slates"] in message


@pytest.mark.parametrize("load", [load_artifact, load_scripted])
def test_an_op_that_this_library_lacks_is_named(content: bytes, refused: Refused) -> None:
    manifest = json.loads(records(content)[name_of(records(content), "gerank.json")])
    versions = manifest["versions"]
    ops = versions["ops"] | {"beam_search": "gerank::beam_search(Tensor x) -> Tensor"}
    message = refused(with_manifest(content, checksums=True, versions=versions | {"ops": ops}))
    assert "beam_search" in message
    assert "this library has None" in message


def test_the_native_pass_calls_no_op_and_so_needs_none(content: bytes, tmp_path: Path) -> None:
    manifest = json.loads(records(content)[name_of(records(content), "gerank.json")])
    versions = manifest["versions"] | {"ops": {"beam_search": "gerank::beam_search() -> Tensor"}}
    path = tmp_path / "model.gerank"
    path.write_bytes(with_manifest(content, checksums=True, versions=versions))
    assert gerank.load(path).implementation == "native"


@pytest.mark.parametrize(
    "changes",
    [
        {"limits": None},
        {"features": {"user": []}},
        {"features": {"user": [], "candidate": [{"name": "x", "kind": "vector"}]}},
        {"weights": [1]},
        {"groups": ["brand"]},
        {"versions": None},
        {"versions": {"ops": 3}},
        {"weights": {"clicks": {"min": 5.0, "max": 1.0, "default": 9.0}}},
        {"model_version": "a b\n\x1b[31m"},
        {"model_version": ""},
        {"page": ""},
        {"precision": {"name": "fp8", "changed_slates": 0.0, "requests": 1}},
        {"precision": {"name": "bfloat16", "changed_slates": 7.5, "requests": 1}},
        {"precision": {"name": "bfloat16", "changed_slates": 0.5, "requests": -3}},
    ],
)
def test_a_malformed_manifest_is_refused(
    content: bytes, refused: Refused, changes: dict[str, object]
) -> None:
    assert "malformed" in refused(with_manifest(content, checksums=True, **changes))


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"[]", b"3", b'"text"', b"{"])
def test_a_manifest_that_is_no_object_is_refused(
    content: bytes, refused: Refused, body: bytes
) -> None:
    parts = records(content)
    parts[name_of(parts, "extra/gerank.json")] = body
    assert "malformed" in refused(packed(resummed(parts)))


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"null"])
def test_damaged_checksums_are_refused(content: bytes, refused: Refused, body: bytes) -> None:
    parts = records(content)
    parts[name_of(parts, "extra/checksums.json")] = body
    assert "malformed" in refused(packed(parts))


def test_missing_checksums_are_refused(content: bytes, refused: Refused) -> None:
    parts = records(content)
    del parts[name_of(parts, "extra/checksums.json")]
    assert "checksums.json" in refused(packed(parts))


def test_another_answer_to_a_golden_request_is_named(content: bytes, refused: Refused) -> None:
    """Sound by every checksum, but the parameters are of another model."""
    parts = records(content)
    largest = max((name for name in parts if "/data/" in name), key=lambda n: len(parts[n]))
    numbers = np.frombuffer(parts[largest], np.float32).copy()
    numbers[-len(numbers) // 10 :] *= -1  # the last parameters of the packed page
    parts[largest] = numbers.tobytes()
    message = refused(packed(resummed(parts)))
    assert message.startswith("golden request ")
    assert "it was written with" in message


@pytest.mark.parametrize(
    "foreign",
    [
        b"hello",
        b"PK\x03\x04 but no more than that",
        packed({"archive/a.txt": b"a"}),
        packed({"no_folder": b"a"}),
        packed({}),
    ],
)
def test_a_foreign_file_is_refused(refused: Refused, foreign: bytes) -> None:
    message = refused(foreign)
    assert "not an artifact" in message or "a foreign" in message


def test_another_torchscript_file_is_refused(refused: Refused, tmp_path: Path) -> None:
    path = tmp_path / "other.pt"
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), str(path))
    assert refused(path.read_bytes()) == "no gerank.json in it: a foreign or truncated archive"
