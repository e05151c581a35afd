"""The address of administrators: who reaches it, what it serves, what is told of it."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

from gerank.admin import AdminClient
from gerank.proto import admin_pb2
from gerank.server_error import ServerError
from gerank_server import Front, OptionError, ServerOptions, serve
from tests.cli.command import done, environment, gerank
from tests.native.admin_server import AdminServer, administered, code_of
from tests.native.metrics_client import await_page
from tests.native.test_gerank_server import PROGRAM, running
from tests.server.stand_in import StandIn
from tests.server.tls.certificates import Authority

pytestmark = pytest.mark.skipif(not PROGRAM.exists(), reason="the native front is not built")


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> StandIn:
    return StandIn(tmp_path_factory.mktemp("old"), "old")


@pytest.fixture(scope="module")
def new(tmp_path_factory: pytest.TempPathFactory) -> StandIn:
    return StandIn(tmp_path_factory.mktemp("new"), "new")


@pytest.fixture(scope="module")
def server(old: StandIn) -> Iterator[AdminServer]:
    with administered({"feed": old.path}) as served:
        yield served


def test_it_serves_health_and_reflection_and_callers_find_no_admin(server: AdminServer) -> None:
    with grpc.insecure_channel(server.address) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        for name in ("", "gerank.v1.AdminService"):
            status = health.Check(health_pb2.HealthCheckRequest(service=name)).status
            assert status == health_pb2.HealthCheckResponse.SERVING
        database = ProtoReflectionDescriptorDatabase(channel)
        services = set(database.get_services())
        assert "gerank.v1.AdminService" in services and "gerank.v1.RerankService" not in services
        assert database.FindFileByName("gerank/v1/admin.proto").name == admin_pb2.DESCRIPTOR.name
        assert code_of(channel) == "UNIMPLEMENTED"
    callers = ProtoReflectionDescriptorDatabase(server.channel).get_services()
    assert "gerank.v1.AdminService" not in callers
    with pytest.raises(grpc.RpcError) as caught:
        server.channel.unary_unary("/gerank.v1.AdminService/List")(b"", timeout=20)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_each_action_is_in_the_log_under_its_request_id(old: StandIn, new: StandIn) -> None:
    options = ("--log-level", "info", "--log-format", "json")
    with administered({"feed": old.path}, *options) as server:
        with AdminClient(server.address, metadata=[("x-request-id", "shift-7")]) as client:
            client.load("feed", new.path, keep_old=True)
            client.make_current("feed")
            client.retire("feed", "new-1")
            with pytest.raises(ServerError):
                client.retire("feed", "new-1")
            client.split("feed", ())
        server.process.send_signal(signal.SIGTERM)
        assert server.process.stderr is not None
        events = [json.loads(line) for line in server.process.stderr]
    actions = [
        (event["event"], event["level"], event["result"])
        for event in events
        if event.get("request_id") == "shift-7"
    ]
    assert actions == [
        ("admin_load", "info", "OK"),
        ("admin_make_current", "info", "OK"),
        ("admin_retire", "info", "OK"),
        ("admin_retire", "warning", "NOT_FOUND"),
        ("admin_set_split", "info", "OK"),
    ]
    assert "'feed' is not split" in [event["message"] for event in events]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("--admin-address", "0.0.0.0:0"),
            "admin_address: must be a loopback address or unix:path unless tls_certificate and "
            "tls_key are given, or admin_plaintext, got 0.0.0.0:0",
        ),
        (("--admin-address", "a b"), "admin_address: address 'a b': "),
        (
            ("--admin-token-file", "x"),
            "admin_address: must be given with admin_token_file, got none",
        ),
        (("--admin-plaintext",), "admin_address: must be given with admin_plaintext, got none"),
        (
            ("--admin-address", "127.0.0.1:0", "--admin-token-file", "no.txt"),
            "admin_token_file: no.txt must be a file that can",
        ),
    ],
)
def test_an_address_that_may_not_be_served_ends_the_start(
    words: tuple[str, ...], message: str
) -> None:
    ended = subprocess.run(
        [PROGRAM, "--model", "x", "--address", "127.0.0.1:0", *words],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 1 and message in ended.stderr


@pytest.mark.parametrize("program", ["gerank-server", "gerank serve"])
@pytest.mark.parametrize("taken", ["address", "admin_address", "metrics_address"])
def test_a_port_that_is_taken_ends_either_program_and_is_told_by_its_option(
    program: str, taken: str, old: StandIn, tmp_path: Path
) -> None:
    config = tmp_path / "server.toml"
    with socket.create_server(("127.0.0.1", 0)) as holder:
        ports = {"address": 0, "admin_address": 0, "metrics_address": 0}
        ports[taken] = holder.getsockname()[1]
        lines = [f'{option} = "127.0.0.1:{port}"\n' for option, port in ports.items()]
        config.write_text(f'model = "{old.path}"\n{"".join(lines)}')
        command = [PROGRAM] if program == "gerank-server" else [sys.executable, "-m", "gerank"]
        command += [] if program == "gerank-server" else ["serve"]
        ended = subprocess.run(
            [*command, "--config", config],
            env=environment(),
            capture_output=True,
            text=True,
            timeout=60,
        )
    said = f"{taken}: cannot listen on 127.0.0.1:{ports[taken]}: the port is in use"
    assert ended.returncode == 1 and said in ended.stderr
    assert "serving" not in ended.stdout and "Traceback" not in ended.stderr


def test_it_has_tokens_of_its_own_and_the_certificates_of_the_server(
    old: StandIn, tmp_path: Path
) -> None:
    authority, tokens = Authority(tmp_path, "house"), tmp_path / "tokens"
    identity = authority.issue()
    tokens.write_text("sesame\n")
    tls = ("--tls-certificate", identity.certificate, "--tls-key", identity.key)
    words = ("--address", "127.0.0.1:0", "--admin-address", "0.0.0.0:0")
    with running("--model", old.path, *words, *tls, "--admin-token-file", tokens) as (process, _):
        assert process.stdout is not None
        port = process.stdout.readline().rpartition(":")[2].strip()
        credentials = grpc.ssl_channel_credentials(authority.certificate.read_bytes())
        with AdminClient(f"localhost:{port}", credentials=credentials, token=tokens) as client:
            assert [each.version for each in client.models().models] == ["old-1"]
        with (
            AdminClient(f"localhost:{port}", credentials=credentials) as client,
            pytest.raises(ServerError, match="UNAUTHENTICATED"),
        ):
            client.models()
        assert process.stderr is not None
        line = process.stderr.readline()
        assert re.match(
            r"warning: a call of gerank\.v1\.AdminService/List by \S+:\d+ was refused: "
            "authorization: must be given once",
            line,
        )
        shown = done(
            *("admin", "list", "--address", f"localhost:{port}", "--token-file", tokens),
            *("--tls-ca", authority.certificate, "--json"),
        )
        assert json.loads(shown)["models"][0]["version"] == "old-1"


def test_loads_and_calls_of_administrators_are_counted(old: StandIn, tmp_path: Path) -> None:
    with administered({"feed": old.path}, "--metrics-address", "127.0.0.1:0") as server:
        with pytest.raises(ServerError):
            server.client.load("search", tmp_path / "none.gerank")
        server.client.load("search", old.path)

        page = await_page(
            server.metrics,
            lambda page: (
                page("gerank_calls_total", method="gerank.v1.AdminService/Load", code="OK") == 1
            ),
        )
    for model, loaded, refused in (("feed", 1, 0), ("search", 1, 1)):
        assert page("gerank_model_loads_total", model=model, result="loaded") == loaded
        assert page("gerank_model_loads_total", model=model, result="refused") == refused
    assert page("gerank_calls_total", method="gerank.v1.RerankService/Rerank", code="OK") == 0


def test_a_server_in_python_serves_it_and_the_front_in_python_refuses_it_by_name(
    old: StandIn,
) -> None:
    options = ServerOptions(admin_address="127.0.0.1:0")
    with (
        serve(old.path, "127.0.0.1:0", options, Front.NATIVE) as server,
        AdminClient(f"127.0.0.1:{server.admin_port}") as client,
    ):
        assert [each.name for each in client.models().models] == ["default"]
    with pytest.raises(OptionError, match=r"^admin_address: only the native front has it"):
        serve(old.path, "127.0.0.1:0", options, Front.GRPCIO)
    with pytest.raises(OptionError, match=r"^admin_address: must be given with admin_token_file"):
        ServerOptions(admin_token_file=Path("x"))


def test_the_client_needs_neither_torch_nor_numpy(server: AdminServer) -> None:
    words = (
        "import sys\n"
        "for name in ('torch', 'numpy', 'gerank._engine'): sys.modules[name] = None\n"
        "from gerank.admin import AdminClient\n"
        "with AdminClient(sys.argv[1]) as client: print(client.models().models[0].name)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", words, server.address],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.stdout == "feed\n", ended.stderr


def test_the_command_lists_loads_splits_rolls_back_and_retires(old: StandIn, new: StandIn) -> None:
    with administered({"feed": old.path}) as server:
        at = ("--address", server.address)
        assert done("admin", "load", "feed", new.path, "--keep-old", *at) == (
            "new-1 is current, beside old-1\nnew-1 runs: torchscript, float32\n"
        )
        assert done("admin", "make-current", "feed", *at) == "old-1 is current, new-1 was\n"
        shares = done("admin", "split", "feed", "control=old-1:90", "new=new-1:30", *at)
        assert shares == (
            "control: old-1 gets 75.00% of the calls\nnew: new-1 gets 25.00% of the calls\n"
        )
        table = done("admin", "list", *at)
        for word in ("feed", "old-1", "new-1", "control 90", "new 30", str(old.path)):
            assert word in table
        refused = gerank("admin", "retire", "feed", "--version", "new-1", *at)
        assert refused.code == 1 and "is in the split of 'feed'" in refused.err
        assert done("admin", "split", "feed", *at) == "feed is not split\n"
        shown = done("admin", "retire", "feed", "--version", "new-1", "--json", *at)
        assert json.loads(shown) == {"name": "feed", "version": "new-1"}
        dry = done("admin", "load", "feed", new.path, "--dry-run", *at)
        assert dry.startswith("new-1 could be loaded as feed; nothing has changed\n")
        dry = done("admin", "load", "", new.path, "--dry-run", *at)
        assert dry.startswith("new-1 could be loaded as the model of calls that name none;")
        malformed = gerank("admin", "split", "feed", "control=old-1", *at)
        assert malformed.code == 1 and "ARM=VERSION:WEIGHT, got 'control=old-1'" in malformed.err
        listed = json.loads(done("admin", "list", "--json", *at))
    assert [(each["version"], each["arms"]) for each in listed["models"]] == [("old-1", [])]
