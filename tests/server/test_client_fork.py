"""A client in a process that a fork made: gRPC does not survive it, and says so at once."""

from __future__ import annotations

import subprocess
import sys

from tests.cli.command import environment

HOST = """
import os, signal, sys
from gerank.client import RerankClient, ServerError
with RerankClient(sys.argv[1], timeout_s=20) as client:
    client.contract()
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        try:
            client.contract()
        except ServerError as error:
            print(error.code.name, error, flush=True)
        sys.exit(0)
    _, status = os.waitpid(child, 0)
    client.contract()
    print(os.getpid(), child, os.waitstatus_to_exitcode(status))
"""


def test_a_forked_process_is_refused_by_name_and_leaves_its_parent_s_connection(
    address: str,
) -> None:
    run = subprocess.run(
        [sys.executable, "-c", HOST, address],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
    )
    refusal, ended = run.stdout.splitlines()
    parent, child, code = ended.split()
    assert code == "0", run
    assert refusal.startswith(
        f"FAILED_PRECONDITION this client of {address} was made in process {parent}, and this is "
        f"process {child}, which a fork made"
    )
