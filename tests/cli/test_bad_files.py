"""Bad files: one line that names file and fault, exit code 1, and no file written or changed."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gerank.export.manifest import FORMAT_VERSION
from gerank.train.run_folder import RunFolder
from tests.cli.command import gerank
from tests.cli.conftest import CONFIG, Journey
from tests.export.archives import with_manifest

Refused = Callable[..., str]


# --- exposure logs


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 0xFF
    path.write_bytes(content)


def foreign(path: Path) -> None:
    pq.write_table(pa.table({"price": [1.0, 2.0]}), path)


def no_parquet(path: Path) -> None:
    path.write_text("page_id,clicks\n")


@pytest.mark.parametrize("damage", [truncated, flipped, foreign, no_parquet, Path.unlink])
@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_a_log_that_cannot_be_read_is_named(
    journey: Journey,
    refused: Refused,
    tmp_path: Path,
    damage: Callable[[Path], None],
    command: str,
) -> None:
    folder = Path(shutil.copytree(journey.train, tmp_path / "train"))
    damage(folder / "exposures.parquet")
    config = tmp_path / "tiny.toml"
    config.write_text(CONFIG)
    arguments = {
        "train": ("train", config, "--out", tmp_path / "run"),
        "evaluate": ("evaluate", journey.run, "--data", folder, "--slates", tmp_path / "s.jsonl"),
    }[command]
    assert str(folder / "exposures.parquet") in refused(*arguments)


def test_a_truth_that_cannot_be_read_or_is_of_other_pages_is_named(
    journey: Journey, refused: Refused, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(journey.test, tmp_path / "test"))
    shutil.copy(journey.train / "truth.npz", folder / "truth.npz")
    assert "truth" in refused("evaluate", journey.run, "--data", folder)
    truncated(folder / "truth.npz")
    assert str(folder / "truth.npz") in refused("evaluate", journey.run, "--data", folder)


def test_events_that_are_not_ranklens_are_named(refused: Refused, tmp_path: Path) -> None:
    events = tmp_path / "events.jsonl"
    events.write_text('{"event": "ranking"\n')
    message = refused("convert", "ranklens", events, "--out", tmp_path / "log")
    assert str(events) in message
    assert str(tmp_path / "gone.jsonl") in refused(
        "convert", "ranklens", tmp_path / "gone.jsonl", "--out", tmp_path / "log"
    )


# --- configurations and runs


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("slots = 3", "slot = 3", "unknown key 'data.slot'; did you mean 'slots'?"),
        ("slots = 3", "slots = 0", "data.slots: 0 is not in 1..128"),
        ("\nsteps = 20", "\nheads = 3", "evaluator.heads: 3 is not a divisor of width = 32"),
        ('"ctr_score"', '"price"', "data.score: 'price' is not a dense feature"),
        ("[reward.clicks]", "[reward.joy]", "reward.joy: no such utility"),
        ('log = "train"', 'log = "gone"', "gone/exposures.parquet: no such file"),
        ("[data]", "[data", "not TOML"),
    ],
)
def test_a_configuration_that_does_not_fit_is_refused_by_key_and_value(
    refused: Refused, journey: Journey, tmp_path: Path, old: str, new: str, words: str
) -> None:
    shutil.copytree(journey.train, tmp_path / "train")
    config = tmp_path / "tiny.toml"
    config.write_text(CONFIG.replace(old, new, 1))
    assert words in refused("train", config, "--out", tmp_path / "run")


def test_a_missing_configuration_is_named(refused: Refused, tmp_path: Path) -> None:
    assert f"{tmp_path / 'no.toml'}: no such file" in refused("train", tmp_path / "no.toml")


def test_a_run_is_not_overwritten(refused: Refused, journey: Journey) -> None:
    message = refused("train", journey.config, "--out", journey.run)
    assert f"{journey.run} holds a run already: pass --resume or another --out" in message


def test_weights_of_yesterday_that_cannot_be_taken_over_are_refused_by_name(
    refused: Refused, journey: Journey, tmp_path: Path
) -> None:
    asked = ("train", journey.config, "--out", tmp_path / "new", "--init")
    message = refused(*asked, journey.run, "--resume")
    assert message.startswith(f"--init {journey.run} and --resume exclude each other: ")
    assert f"{tmp_path} is not the folder of a training run" in refused(*asked, tmp_path)
    config = tmp_path / "wider.toml"
    text = journey.config.read_text().replace('log = "train"', f'log = "{journey.train}"')
    config.write_text(text.replace("width = 8", "width = 16", 1))
    message = refused("train", config, "--out", tmp_path / "new", "--init", journey.run)
    assert "another architecture cannot be taken over: generator.width was 8 and is 16" in message


@pytest.mark.parametrize("command", ["evaluate", "export"])
def test_a_folder_that_is_no_run_is_named(
    refused: Refused, journey: Journey, tmp_path: Path, command: str
) -> None:
    options = {"evaluate": ("--data", journey.test), "export": ("--out", tmp_path / "m.gerank")}
    message = refused(command, tmp_path, *options[command])
    assert f"{tmp_path} is not the folder of a training run" in message


def test_an_unfinished_run_is_not_exported(
    refused: Refused, journey: Journey, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(journey.run, tmp_path / "run"))
    (run / "checkpoints" / "generator.best.pt").unlink()
    target = ("--out", tmp_path / "m.gerank", "--force")
    message = refused("export", run, *target)
    assert "generator.best.pt is missing: train first, or resume" in message
    (run / "checkpoints" / "generator.best.pt").write_bytes(b"\x80garbage")
    assert "generator.best.pt is damaged" in refused("export", run, *target)
    RunFolder.open(run).write_facts({"finished": False})
    assert "training has not ended" in refused("export", run, *target)
    assert "training has not ended" in refused("evaluate", run, "--data", journey.test)


def test_an_export_that_cannot_be_written_leaves_nothing(
    refused: Refused, journey: Journey, tmp_path: Path
) -> None:
    (tmp_path / "folder").mkdir()
    target = tmp_path / "folder"
    assert str(target) in refused("export", journey.run, "--force", "--out", target)
    (tmp_path / "file").write_text("kept")
    target = tmp_path / "file" / "m.gerank"
    assert str(tmp_path / "file") in refused("export", journey.run, "--force", "--out", target)


def test_a_demo_does_not_mix_with_other_files(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("kept")
    result = gerank("demo", "--pages", 400, "--out", tmp_path)
    assert result.code == 2
    assert "is not empty" in result.err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


# --- artifacts


def other_version(content: bytes) -> bytes:
    return with_manifest(content, checksums=True, format_version=FORMAT_VERSION + 1)


def altered(content: bytes) -> bytes:
    return with_manifest(content, checksums=False, flags=[])


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda content: content[: len(content) // 2], "truncated"),
        (lambda content: content[:-1], "truncated"),
        (altered, "record 'extra/gerank.json' was altered"),
        (
            other_version,
            f"format version {FORMAT_VERSION + 1}, this gerank reads 1 to {FORMAT_VERSION}",
        ),
        (lambda _: b"not even a zip", "not an artifact"),
    ],
)
@pytest.mark.parametrize("command", ["info", "verify", "serve", "rerank"])
def test_an_artifact_that_is_none_is_named(
    journey: Journey,
    refused: Refused,
    requests_file: Path,
    tmp_path: Path,
    damage: Callable[[bytes], bytes],
    words: str,
    command: str,
) -> None:
    file = tmp_path / "bad.gerank"
    file.write_bytes(damage(journey.model.read_bytes()))
    arguments = {
        "info": (file, "--json"),
        "verify": (file,),
        "serve": ("--model", file, "--port", 0),
        "rerank": ("--model", file, "--input", requests_file, "--output", tmp_path / "s.jsonl"),
    }[command]
    message = refused(command, *arguments)
    assert message.startswith(f"{file}: ")
    assert words in message


def test_a_missing_artifact_is_named(refused: Refused, tmp_path: Path) -> None:
    assert f"{tmp_path / 'no.gerank'}: no such file" in refused("verify", tmp_path / "no.gerank")


def test_a_server_that_does_not_start_leaves_the_signals_of_its_process_alone(
    refused: Callable[..., str], tmp_path: Path
) -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    refused("serve", "--model", tmp_path / "none.gerank", "--port", 0)
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == before
