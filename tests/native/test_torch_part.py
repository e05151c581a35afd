"""Where torch comes into gerank-server: with the first artifact that asks for it, not before."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

from tests.engine.write_artifact import write
from tests.native.test_gerank_server import PROGRAM, serving
from tests.server.stand_in import StandIn

pytestmark = pytest.mark.skipif(not PROGRAM.exists(), reason="the native front is not built")


@pytest.fixture
def model(tmp_path: Path) -> StandIn:
    """An artifact whose module is no stock generator."""
    return StandIn(tmp_path)


def test_it_has_torch_only_once_an_artifact_asks_for_it(tmp_path: Path, model: StandIn) -> None:
    served = tmp_path / "served.gerank"
    write(served)
    with serving(served) as (process, _):
        assert process.stdout is not None
        maps = Path(f"/proc/{process.pid}/maps")
        assert "libgerank_runtime" in maps.read_text() and "libtorch" not in maps.read_text()
        model.path.rename(served)
        process.send_signal(signal.SIGHUP)
        assert process.stdout.readline().startswith(f"now serving {model.model_version} on ")
        assert "libtorch" in maps.read_text()


def test_it_refuses_an_implementation_that_an_artifact_lacks(model: StandIn) -> None:
    words = [PROGRAM, "--model", model.path, "--address", "127.0.0.1:0"]
    words += ["--implementation", "native"]
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "has no page model to run natively" in done.stderr
