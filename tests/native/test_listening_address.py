"""gerank-server reads addresses as gerank/address.py does, and tells where it listens."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from gerank.address import MalformedAddressError, parse_address
from gerank.client import RerankClient
from gerank_server.native import library_path
from tests.data.bad_requests import valid_document
from tests.data.test_address import MALFORMED
from tests.server.stand_in import StandIn

PROGRAM = library_path().parent / "gerank-server"
pytestmark = pytest.mark.skipif(not PROGRAM.exists(), reason="the native front is not built")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> StandIn:
    return StandIn(tmp_path_factory.mktemp("served"))


@pytest.mark.parametrize("text", [text for text in MALFORMED if "\0" not in text])
def test_what_is_no_address_is_refused_in_the_same_words(model: StandIn, text: str) -> None:
    with pytest.raises(MalformedAddressError) as caught:
        parse_address(text)
    rule = str(caught.value).removeprefix(f"address {text!r}: ")
    run = subprocess.run(
        [PROGRAM, "--model", model.path, "--address", text],
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert (run.returncode, run.stdout) == (1, "")
    shown = text.replace("\n", "?")
    assert run.stderr == f"error: address '{shown}': {rule}\n"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("127.0.0.1:0", "127.0.0.1:{port}"),
        ("localhost:0", "localhost:{port}"),
        ("[::1]:0", "[::1]:{port}"),
        ("unix:gerank.sock", "unix:gerank.sock"),
    ],
)
def test_where_it_listens_is_told_as_people_write_it(
    model: StandIn, tmp_path: Path, text: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = [str(PROGRAM), "--model", str(model.path), "--address", text]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line and text.startswith("[::1]"):
                pytest.skip("this machine has no IPv6")
            address = line.split()[-1]
            assert address == told.format(port=address.rpartition(":")[2])
            with RerankClient(address, timeout_s=10) as client:
                assert len(client.rerank([valid_document()])) == 1
        finally:
            process.kill()
