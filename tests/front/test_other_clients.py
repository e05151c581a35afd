"""Clients that others wrote: h2load where it is installed, an old grpcio and grpc-js where they
may be.

`GERANK_FRONT_OLD_GRPCIO=1.59.3` installs that grpcio into an environment of its own, and
`GERANK_FRONT_GRPC_JS=1.13.0` that @grpc/grpc-js from npm: both need the network.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.front.call_bytes import RERANK, malformed_page, page, slate_of
from tests.front.frames import framed
from tests.front.server_process import ServerProcess
from tests.server.counters import statistics_of

OLD_GRPCIO = os.environ.get("GERANK_FRONT_OLD_GRPCIO")
GRPC_JS = os.environ.get("GERANK_FRONT_GRPC_JS")

_GRPCIO_CALLS = """
import json, sys, grpc
address, method = sys.argv[1:]
good, bad = (bytes.fromhex(line) for line in sys.stdin.read().split())
with grpc.insecure_channel(address) as channel:
    call = channel.unary_unary(method)
    calls = [call.future(good, timeout=20) for _ in range(100)]
    answers = [future.result().hex() for future in calls]
    try:
        call(bad, timeout=20)
    except grpc.RpcError as error:
        print(json.dumps([answers, error.code().value[0], error.details()]))
"""

_GRPC_JS_CALLS = """
const grpc = require('@grpc/grpc-js');
const [address, method, good, bad] = process.argv.slice(2);
const client = new grpc.Client(address, grpc.credentials.createInsecure());
const same = (bytes) => bytes;
const call = (hex) => new Promise((done) => client.makeUnaryRequest(
  method, same, same, Buffer.from(hex, 'hex'), {deadline: Date.now() + 20000},
  (error, answer) => done([error, answer])));
(async () => {
  const found = await Promise.all(Array.from({length: 100}, () => call(good)));
  for (const [error] of found) if (error) throw error;
  const [error] = await call(bad);
  const answers = found.map((pair) => pair[1].toString('hex'));
  console.log(JSON.stringify([answers, error.code, error.details]));
  client.close();
})();
"""


def _check(told: str) -> None:
    answers, code, details = json.loads(told)
    assert {slate_of(bytes.fromhex(answer)).id for answer in answers} == {"page"}
    assert code == 3 and details.startswith("queries[0].slots:")


@pytest.mark.skipif(shutil.which("h2load") is None, reason="h2load is not installed")
@pytest.mark.parametrize(("clients", "streams"), [(1, 1), (4, 16), (20, 40)])
def test_h2load_gets_an_answer_to_every_call(
    server: ServerProcess, tmp_path: Path, clients: int, streams: int
) -> None:
    """nghttp2's own load generator: every stream ends well, and every page was answered."""
    body = tmp_path / "body"
    body.write_bytes(framed(page()))
    calls = 2000
    with server.own_channel() as channel:
        before = statistics_of(channel).answered
        words = ["h2load", "-n", calls, "-c", clients, "-m", streams, "-d", body]
        words += ["-H", "content-type: application/grpc", "-H", "te: trailers"]
        words.append(f"http://{server.address}{RERANK}")
        run = subprocess.run(
            list(map(str, words)), capture_output=True, text=True, timeout=60, check=True
        )
        found = re.search(r"(\d+) succeeded, (\d+) failed", run.stdout)
        assert found is not None, run.stdout
        assert (int(found[1]), int(found[2])) == (calls, 0), run.stdout
        answered = statistics_of(channel).answered - before
    assert answered == calls


@pytest.mark.skipif(OLD_GRPCIO is None, reason="GERANK_FRONT_OLD_GRPCIO names no version")
def test_an_old_grpcio(server: ServerProcess, tmp_path: Path) -> None:
    """Clients live longer than servers: a grpcio of three years ago."""
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "old"], check=True, timeout=120)
    python = tmp_path / "old" / "bin" / "python"
    install = [python, "-m", "pip", "install", "-q", "--only-binary=:all:", f"grpcio=={OLD_GRPCIO}"]
    subprocess.run(install, check=True, timeout=300)
    run = subprocess.run(
        [python, "-c", _GRPCIO_CALLS, server.address, RERANK],
        input=f"{page().hex()}\n{malformed_page().hex()}",
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    _check(run.stdout)


@pytest.mark.skipif(GRPC_JS is None, reason="GERANK_FRONT_GRPC_JS names no version")
def test_grpc_js(server: ServerProcess, tmp_path: Path) -> None:
    """The client of Node.js has an HTTP/2 of its own."""
    install = ["npm", "install", "--silent", "--no-audit", f"@grpc/grpc-js@{GRPC_JS}"]
    subprocess.run(install, cwd=tmp_path, check=True, timeout=300)
    (tmp_path / "calls.js").write_text(_GRPC_JS_CALLS)
    run = subprocess.run(
        ["node", "calls.js", server.address, RERANK, page().hex(), malformed_page().hex()],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    _check(run.stdout)
