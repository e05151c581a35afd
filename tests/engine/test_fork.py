"""Processes that a fork made: what was made before fails at once by name, and nothing hangs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from gerank.export.artifact import Artifact
from tests.cli.command import environment
from tests.data.bad_requests import valid_document
from tests.export.conftest import written  # noqa: F401  fixture

# The parent holds an engine, one call at a worker's and one in the queue; what the child does with
# them is given. Then the parent answers, and tells how the child ended.
HOST = """
import gc, json, os, signal, sys
from gerank.engine import Engine, EngineOptions, StatusError
from gerank.ranker import Ranker
document, action = json.loads(sys.argv[2]), sys.argv[3]
ranker = Ranker.load(sys.argv[1], implementation=sys.argv[5])
engine = Engine(EngineOptions(max_delay_us=1_000_000))
engine.publish("feed", ranker)
call = engine.submit([document])
exec(sys.argv[4])
child = os.fork()
if child == 0:
    signal.alarm(20)
    exec(action)
    sys.exit(0)
_, status = os.waitpid(child, 0)
print("child", os.waitstatus_to_exitcode(status))
print("parent", len(call.wait().slates), len(engine.rank([document]).slates))
engine.stop()
"""

REFUSED = """
for method in (
    lambda: engine.rank([document]),
    lambda: engine.submit([document], timeout_s=5),
    lambda: engine.publish("b", ranker),
    lambda: engine.load("b", sys.argv[1]),
    lambda: engine.make_current("feed", "v"),
    lambda: engine.retire("feed"),
    lambda: engine.find(),
    lambda: engine.models(),
    lambda: engine.stats(),
    lambda: engine.drain(),
    lambda: engine.stop(),
    lambda: call.wait(),
    lambda: call.done(),
):
    try:
        method()
    except StatusError as error:
        assert error.code == "FAILED_PRECONDITION"
        assert str(error) == (
            f"this engine was made in process {os.getppid()}, and this is process {os.getpid()}, "
            "which a fork made: make an engine of its own here"
        ), error
    else:
        raise AssertionError("no error")
"""

ACTIONS = {
    "exits": "",
    "raises no error when it leaves the block": "engine.__exit__(None, None, None)",
    "drops the engine": "engine = call = None; gc.collect()",
    "drops a call": "call = None; gc.collect()",
    "is refused by name": REFUSED,
    "makes an engine of its own": """
with Engine() as own:
    own.publish("feed", ranker)
    assert len(own.submit([document]).wait().slates) == 1
""",
}


def host(
    artifact: Path,
    action: str,
    threads: int = 1,
    before: str = "",
    implementation: str = "native",
) -> subprocess.CompletedProcess[str]:
    document = json.dumps(valid_document())
    return subprocess.run(
        [sys.executable, "-c", HOST, artifact, document, action, before, implementation],
        env=environment() | {"OMP_NUM_THREADS": str(threads)},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize("implementation", ["native", "torchscript"])
@pytest.mark.parametrize("threads", [1, 2])
def test_a_forked_process_ranks_though_its_parent_did(
    threads: int,
    implementation: str,
    written: tuple[Path, Artifact],  # noqa: F811
) -> None:
    action = "assert len(ranker.rank([document] * 500)) == 500"
    before = "ranker.rank([document] * 500)"
    run = host(written[0], action, threads, before, implementation)
    assert run.stdout.splitlines() == ["child 0", "parent 1 1"], run


@pytest.mark.parametrize("action", ACTIONS)
def test_a_forked_process(action: str, written: tuple[Path, Artifact]) -> None:  # noqa: F811
    run = host(written[0], ACTIONS[action])
    assert run.stdout.splitlines() == ["child 0", "parent 1 1"], run
    assert run.returncode == 0, run
    assert "Error" not in run.stderr
