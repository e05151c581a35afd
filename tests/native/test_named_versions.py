"""`RerankClient` and `gerank rerank` name the model and the version that shall answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gerank.client import RerankClient, ServerError
from gerank.data.request_check import parse_request
from tests.cli.command import done, gerank
from tests.data.request_cases import CONTRACT
from tests.native.admin_server import administered, plain
from tests.native.test_gerank_server import PROGRAM
from tests.server.stand_in import StandIn

pytestmark = pytest.mark.skipif(not PROGRAM.exists(), reason="the native front is not built")
OTHER = replace(CONTRACT, max_candidates=8)
NAMED = [
    ("", "", "old-1"),
    ("feed", "", "old-1"),
    ("feed", "new-1", "new-1"),
    ("", "new-1", "new-1"),
    ("shop", "", "shop-1"),
    ("shop", "shop-1", "shop-1"),
]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("named")
    socket = f"unix:{folder}/gerank.sock"
    models = {"feed": StandIn(folder, "old").path, "shop": StandIn(folder, "shop", OTHER).path}
    with administered(models, at=socket) as running:
        running.client.load("feed", StandIn(folder, "new").path, keep_current=True)
        yield socket


@pytest.fixture(scope="module")
def client(address: str) -> Iterator[RerankClient]:
    with RerankClient(address, timeout_s=20) as connected:
        yield connected


@pytest.mark.parametrize(("model", "version", "answers"), NAMED)
def test_pages_are_answered_by_the_model_and_version_they_name(
    client: RerankClient, model: str, version: str, answers: str
) -> None:
    columns = parse_request(plain(), CONTRACT)
    for page in (plain(), columns):
        answer = client.rerank([page], model=model, version=version)[0]
        assert answer["model_version"] == answers


def test_the_contract_is_that_of_the_model_and_version(client: RerankClient) -> None:
    assert client.contract(model="shop", version="shop-1").max_candidates == 8
    assert client.contract(model="feed").max_candidates == CONTRACT.max_candidates
    with pytest.raises(ServerError, match="NOT_FOUND: no version of model 'shop' 'x' is published"):
        client.contract(model="shop", version="x")


@pytest.mark.parametrize("field", ["model", "version"])
def test_a_name_that_is_none_is_named(client: RerankClient, field: str) -> None:
    with pytest.raises(ValueError, match=f"^{field}: must be a string, got 3"):
        client.rerank([plain()], **{field: 3})  # type: ignore[arg-type]


def test_the_command_names_them_too(address: str, tmp_path: Path) -> None:
    source, target = tmp_path / "pages.jsonl", tmp_path / "slates.jsonl"
    source.write_text(json.dumps(plain()))
    files = ("--input", source, "--output", target)
    done(
        *("rerank", "--server", address, "--model-name", "feed"),
        *("--version", "new-1", *files),
    )
    assert json.loads(target.read_text())["model_version"] == "new-1"
    for option in ("--model-name", "--version"):
        refused = gerank("rerank", "--model", "m.gerank", option, "new-1", *files)
        assert refused.code == 2
        assert f"{option} is of no use without --server, got 'new-1'" in refused.err
