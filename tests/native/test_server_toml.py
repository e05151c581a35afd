"""`server.toml`: the options of gerank-server and of `gerank serve` in a file."""

from __future__ import annotations

import subprocess
from pathlib import Path

import grpc
import pytest

from gerank.data.request_check import parse_request
from gerank.option_table import option_table
from gerank.proto import rerank_pb2 as pb
from gerank.wire.query import query_from_request
from gerank_server import OptionError, ServerOptions
from tests.cli.command import run
from tests.data.bad_requests import valid_document
from tests.data.request_cases import CONTRACT
from tests.native.test_gerank_server import PROGRAM, running
from tests.server.stand_in import StandIn

pytestmark = pytest.mark.skipif(not PROGRAM.exists(), reason="the native front is not built")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> StandIn:
    return StandIn(tmp_path_factory.mktemp("served"))


def code_of(channel: grpc.Channel, method: str, message: bytes) -> str:
    try:
        channel.unary_unary(method)(message, timeout=20)
    except grpc.RpcError as error:
        return str(error.code().name)
    return "OK"


@pytest.fixture
def config(model: StandIn, tmp_path: Path) -> Path:
    """A server.toml that names everything that these tests need."""
    path = tmp_path / "server.toml"
    path.write_text(
        f'model = "{model.path}"\naddress = "127.0.0.1:0"\nmax_queries = 1\nreflection = false\n'
    )
    return path


def test_a_file_tells_the_options_and_flags_win(config: Path) -> None:
    query = query_from_request(parse_request(valid_document(), CONTRACT))
    pages = pb.RerankRequest(queries=[query] * 2).SerializeToString()
    for flags, code in ((), "INVALID_ARGUMENT"), (("--max-queries", "2"), "OK"):
        with running("--config", config, *flags) as (_, channel):
            assert code_of(channel, "/gerank.v1.RerankService/Rerank", pages) == code
            reflection = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
            assert code_of(channel, reflection, b"") == "UNIMPLEMENTED"


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ("max_batch = 0", "max_batch: must be an integer in [1, 1000000], got 0"),
        ("max_batch = 6.5", "max_batch: must be an integer, got 6.5"),
        ("max_batch = 'x'", "max_batch: must be an integer, got 'x'"),
        ("plaintext = 1", "plaintext: must be true or false, got 1"),
        ("token_file = 5", "token_file: must be a"),
        ("log_level = true", "log_level: must be "),
        ("unknown_features = 'hide'", "unknown_features: must be refuse or ignore, got 'hide'"),
        ("max_bach = 5", "max_bach: is no option of the server, got 5"),
        ("max_bach = []", "max_bach: is no option of the server, got ["),
        ("max_batch = ", "line 1: not TOML: "),
    ],
)
def test_a_file_that_says_something_wrong_is_refused_by_name(
    tmp_path: Path, document: str, words: str
) -> None:
    path = tmp_path / "server.toml"
    path.write_text(document)
    refused = subprocess.run(
        [PROGRAM, "--config", path], capture_output=True, text=True, timeout=60
    )
    assert refused.returncode == 1
    assert refused.stderr.startswith(f"error: {path}: {words}")
    if document == "max_batch = ":
        return  # each parser words that by itself
    again = run("serve", "--config", path)
    assert again.code == 1
    assert words.partition(": ")[0] in again.err and "Traceback" not in again.err
    assert "server.toml: " in again.err.replace("\n", " ")


def test_the_table_tells_what_each_option_is_for() -> None:
    for option in option_table().values():
        assert option.description
        assert (option.low is None) is (isinstance(option.default, bool | str | dict))


@pytest.mark.parametrize("front", ["native", "grpcio"])
def test_a_file_that_an_option_names_is_read_by_either_front(
    front: str, config: Path, tmp_path: Path
) -> None:
    config.write_text(config.read_text() + f'token_file = "{tmp_path}/none.txt"\n')
    for words in (["--config", config], ["--model", "x", "--token-file", tmp_path / "none.txt"]):
        refused = run("serve", "--front", front, "--port", 0, *words)
        assert refused.code == 1
        assert "token_file" in refused.err and "none.txt" in refused.err
        assert "Traceback" not in refused.err


@pytest.mark.parametrize("name", ["tls_certificate", "token_file", "exposures"])
@pytest.mark.parametrize("value", ["", 5])
def test_what_is_no_path_is_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(OptionError, match=rf"^{name}: must be a path, got {value!r}$"):
        ServerOptions(**{name: value})  # type: ignore[arg-type]
