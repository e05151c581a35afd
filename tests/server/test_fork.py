"""A server that a forked process inherits: the child is told so, ends at once, and harms nobody."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from gerank_server import Front
from tests.server.stand_in import StandIn

ROOT = Path(__file__).resolve().parents[2]

_FORK = """
import gc, json, os, signal, sys
from pathlib import Path
from gerank.client import RerankClient
from gerank_server import Front, serve
from tests.data.bad_requests import valid_document

path, front = Path(sys.argv[1]), Front(sys.argv[2])
server = serve(path, "127.0.0.1:0", front=front)
CALLS = {"load": (path,), "version": (), "stop": (), "wait": ()}
ENDED = 7


def in_child(what):
    global server
    signal.alarm(20)  # its death by this signal says that it hangs
    if what == "drop":
        del server
        gc.collect()
    if what == "block":
        with server:
            sys.exit(ENDED)
    if what in CALLS:
        try:
            getattr(server, what)(*CALLS[what])
        except Exception as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
        else:
            sys.exit(0)
    sys.exit(ENDED)  # as a worker of gunicorn does: the interpreter ends in good order


def fork(what):
    child = os.fork()
    if child == 0:
        in_child(what)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


codes = {what: fork(what) for what in ("exit", "drop", "block", *CALLS)}
with RerankClient(f"127.0.0.1:{server.port}", timeout_s=10) as client:
    slates = len(client.rerank([valid_document()]))
server.stop()
print(json.dumps({"codes": codes, "pid": os.getpid(), "slates": slates}))
"""


def test_a_child_that_inherits_a_server_is_told_so_and_ends_and_the_parent_serves_on(
    front: Front, model: StandIn
) -> None:
    paths = os.pathsep.join([str(ROOT), str(ROOT / "server")])
    ended = subprocess.run(
        [sys.executable, "-c", _FORK, model.path, front.value],
        env=os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    report = json.loads(ended.stdout.splitlines()[-1])
    assert set(report["codes"].values()) == {7}, f"{report['codes']}\n{ended.stderr}"
    for method in ("load", "version", "stop", "wait"):
        said = f"OtherProcessError: {method}: this server was made by process {report['pid']}"
        assert said in ended.stderr
    assert report["slates"] == 1
