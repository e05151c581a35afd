"""GERANK_CPU: every instruction set gives the reference's answer, and a wrong one is an error."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OBJECTS = ROOT / "build/cmake/CMakeFiles/gerank_page.dir/csrc/kernels"

DECODE = """
import sys
import torch
from gerank import ops
from tests.ops.cases import make_case, random_sizes
from tests.ops.parity import Answer, expect_same_decode
torch.set_num_threads(1)
seed = int(sys.argv[1])
for offset in range(24):
    scale = (1.0, 10.0, 30.0)[offset % 3]
    case = make_case(seed + offset, random_sizes(seed + offset), scale=scale)
    answer = Answer(*ops.decode_slates(*case.arguments()))
    expect_same_decode(case, answer)
    log_prob, _ = ops.slate_log_prob(*case.along(answer.slates))
    torch.testing.assert_close(log_prob, answer.log_prob, rtol=1e-4, atol=1e-4)
"""


def run(instruction_set: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """In a process of its own: the choice is made once."""
    environment = os.environ | {"GERANK_CPU": instruction_set}
    command = [sys.executable, "-c", DECODE, *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize("instruction_set", ["avx512", "avx2", "plain"])
def test_every_instruction_set_equals_the_reference(seed: int, instruction_set: str) -> None:
    result = run(instruction_set, str(seed))
    if "must name what this processor has" in result.stderr:
        pytest.skip(f"this processor has no {instruction_set}")
    assert result.returncode == 0, result.stderr


def test_an_unknown_instruction_set_is_an_error() -> None:
    result = run("sse9", "0")
    assert result.returncode != 0
    assert "GERANK_CPU must be avx512, avx2 or plain, got sse9" in result.stderr


@pytest.mark.skipif(shutil.which("nm") is None, reason="needs nm")
@pytest.mark.parametrize("unit", ["kernels_avx512", "kernels_avx512bf16", "kernels_avx2"])
def test_no_code_of_one_instruction_set_can_replace_that_of_another(unit: str) -> None:
    # A weak symbol is one of which the linker keeps any copy: perhaps that with AVX-512 in it.
    path = OBJECTS / f"{unit}.cpp.o"
    if not path.exists():
        pytest.skip("the library was built elsewhere")
    symbols = subprocess.run(["nm", "-C", path], check=True, capture_output=True, text=True).stdout
    assert "Kernels" in symbols
    weak = [line for line in symbols.splitlines() if line.split()[-2:-1] in (["W"], ["V"], ["u"])]
    assert weak == []
