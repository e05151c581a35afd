"""`gerank rerank` speaks TLS and brings a token."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from gerank_server import ServerOptions, serve
from tests.cli.command import done, gerank
from tests.data.bad_requests import valid_document
from tests.server.stand_in import StandIn


def test_it_reaches_a_server_with_tls_and_tokens(tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate")
    key, certificate, token = (tmp_path / name for name in ("key.pem", "own.pem", "token"))
    subject = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", *subject]
    files = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*command, *files], check=True, capture_output=True, timeout=60)
    token.write_text("t0ken\n")
    options = ServerOptions(tls_certificate=certificate, tls_key=key, token_file=token)
    source, target = tmp_path / "pages.jsonl", tmp_path / "slates.jsonl"
    source.write_text(json.dumps(valid_document()))
    with serve(StandIn(tmp_path).path, "localhost:0", options) as server:
        asked = ("rerank", "--server", f"localhost:{server.port}", "--tls-ca", certificate)
        files_of = ("--input", source, "--output", target)
        done(*asked, "--token-file", token, *files_of)
        assert json.loads(target.read_text())["model_version"] == "stand-in-1"
        refused = gerank(*asked, *files_of)
    assert refused.code == 1
    assert "UNAUTHENTICATED" in refused.err


def test_a_token_is_not_sent_without_tls_to_another_machine(tmp_path: Path) -> None:
    token, source = tmp_path / "token", tmp_path / "pages.jsonl"
    token.write_text("t0ken\n")
    source.write_text(json.dumps(valid_document()))
    files = ("--input", source, "--output", tmp_path / "slates.jsonl")
    refused = gerank("rerank", "--server", "far:1", "--token-file", token, *files)
    assert refused.code == 1
    assert "token: must travel over TLS to far:1" in refused.err


@pytest.mark.parametrize("option", ["--token-file", "--tls-ca"])
def test_options_of_a_server_are_of_no_use_in_process(tmp_path: Path, option: str) -> None:
    files = ("--input", tmp_path / "in", "--output", tmp_path / "out")
    refused = gerank("rerank", "--model", "m.gerank", option, "file", *files)
    assert refused.code == 2
    assert f"{option} is of no use without --server, got 'file'" in refused.err
