"""The command line of gerank-server: what it cannot do is said, and --help tells the rest."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from gerank.option_table import option_table
from tests.native.test_gerank_server import PROGRAM

pytestmark = pytest.mark.skipif(not PROGRAM.exists(), reason="the native front is not built")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "model: which artifact to serve, --model FILE"),
        (("--model", "x", "--speed", "9"), "unknown option --speed"),
        (("--model", "x", "--max-batch", "many"), "max_batch: must be an integer, got 'many'"),
        (
            ("--model", "x", "--max-batch", "0"),
            "max_batch: must be an integer in [1, 1000000], got 0",
        ),
        (("--model", "x", "--grace-s", "-1"), "grace_s: must be an integer in [0, 86400], got -1"),
        (("--model", "x", "--threads"), "--threads: its value is missing"),
        (("--model=no.gerank", "--max-batch=x"), "max_batch: must be an integer, got 'x'"),
        (("--model=no.gerank", "--threads=1x"), "threads: must be an integer, got '1x'"),
        (("--model=no=a=b.gerank", "--address=127.0.0.1:0"), "a=b.gerank: "),
        (("--model=x", "--speed=9"), "unknown option --speed;"),
        (("--model=x", "--plaintext=yes"), "--plaintext: takes no value"),
        (("--model", "x", "--threads", "1", "--threads=2"), "--threads: must be given once"),
        (("--config", "x", "--config", "y"), "--config: must be given once"),
        (("--model", "x", "--reflection", "--no-reflection"), "--no-reflection: must be given"),
        (
            ("--model", "x", "--tls-key", "k"),
            "tls_certificate: must be given with tls_key, got none",
        ),
        (("--model", "x", "--token-file", ""), "token_file: must not be empty, got ''"),
        (("--model", "x", "--token-file", "no.txt"), "token_file: no.txt must be a file that can"),
        (("--model", "x", "--address", "0.0.0.0:0"), "address: must be a loopback address or unix"),
        (("--plaintext", "--model", "no.gerank", "--address", "0.0.0.0:0"), "no.gerank: "),
        (("--model", "no.gerank", "--address", "127.0.0.1:0"), "no.gerank: "),
    ],
)
def test_what_it_cannot_do_is_said(words: tuple[str, ...], message: str) -> None:
    run = subprocess.run([PROGRAM, *words], capture_output=True, text=True, timeout=60)
    assert run.returncode == 1
    assert run.stderr.startswith("error: ") and message in run.stderr


@pytest.mark.parametrize("share", ["2", "-1", "nan", "x"])
def test_a_share_that_is_none_is_refused(share: str, tmp_path: Path) -> None:
    words = [PROGRAM, "--model", "no.gerank", "--exposures", tmp_path, "--exposure-share", share]
    refused = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert refused.returncode == 1
    assert "exposure_share: must be a number in [0, 1], got" in refused.stderr


def test_help_names_every_option_and_its_default() -> None:
    run = subprocess.run([PROGRAM, "--help"], capture_output=True, text=True, timeout=60)
    assert run.returncode == 0 and run.stderr == ""
    assert len(re.findall("^  --model ", run.stdout, flags=re.MULTILINE)) == 1
    shown = dict(re.findall(r"^  (--[a-z-]+) .* \[([^]]+)\]$", run.stdout, flags=re.MULTILINE))
    assert shown.pop("--address") == "127.0.0.1:50051"
    assert shown.pop("--unknown-features") == "refuse"
    for name, value in shown.items():
        standard = option_table()[name[2:].replace("-", "_")].default
        assert value == str(standard) or float(value) == standard
    words = [PROGRAM, "--model", "no.gerank", "--unknown-features", "x"]
    refused = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert "unknown_features: must be refuse or ignore, got 'x'" in refused.stderr
    numbers = {name: int(value) for name, value in shown.items() if value.isdecimal()}
    assert numbers["--max-delay-us"] == 0 and min(numbers.values()) >= 0
    for name, value in numbers.items():  # known, and checked: this one ends it
        words = [PROGRAM, "--model", "no.gerank", name, f"{value}x"]
        refused = subprocess.run(words, capture_output=True, text=True, timeout=60)
        option = name[2:].replace("-", "_")
        kind = "a number" if name == "--exposure-share" else "an integer"
        assert f"error: {option}: must be {kind}" in refused.stderr
