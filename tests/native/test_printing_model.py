"""A model that prints does not hold the server up where nobody reads what it prints."""

from __future__ import annotations

import contextlib
import io
import signal
import subprocess
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from gerank.client import RerankClient
from gerank.data.batch import Slates
from gerank.export.artifact import save_artifact
from gerank.export.manifest import build_manifest
from gerank_server.native import library_path
from tests.data.bad_requests import valid_document
from tests.data.request_cases import CONTRACT

PROGRAM = library_path().parent / "gerank-server"
pytestmark = pytest.mark.skipif(not PROGRAM.exists(), reason="the native front is not built")


class _Talkative(nn.Module):
    def forward(
        self,
        user_dense: Tensor,
        user_ids: Tensor,
        candidate_dense: Tensor,
        candidate_ids: Tensor,
        candidate_mask: Tensor,
        weights: Tensor,
        pins: Tensor,
        dedup_keys: Tensor,
        spacing: Tensor,
        quotas: Tensor,
        slots: Tensor,
        temperature: Tensor,
        seeds: Tensor,
        greedy: Tensor,
    ) -> Slates:
        for _ in range(1000):
            print("what nobody has ever asked this model for, again and again")  # noqa: T201
        nothing = torch.full_like(pins, -1)
        return Slates(nothing, torch.zeros([pins.size(0), pins.size(1)]), torch.zeros_like(pins))


def test_a_model_that_prints_into_a_pipe_that_nobody_reads_is_served_and_drained(
    tmp_path: Path,
) -> None:
    path = tmp_path / "talkative.gerank"
    manifest = build_manifest(CONTRACT, "talkative", {})
    with contextlib.redirect_stdout(io.StringIO()):
        save_artifact(torch.jit.script(_Talkative()), CONTRACT, manifest, path)
    words = [str(PROGRAM), "--model", str(path), "--address", "127.0.0.1:0"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        try:
            assert process.stdout is not None
            address = process.stdout.readline().split()[-1].decode()  # and no more
            with RerankClient(address, timeout_s=20) as client:
                for _ in range(3):
                    assert client.rerank([valid_document() | {"pins": {}}])[0]["slate"] == []
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=20) == 0
        finally:
            process.kill()
