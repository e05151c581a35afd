"""Bearer tokens: which calls need one, what is said where it is missing, and how they change."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from gerank.client import RerankClient, ServerError
from gerank_server import Front, OptionError, RerankServer, ServerOptions, listen, serve
from gerank_server.servicer import SERVICE
from tests.data.bad_requests import valid_document
from tests.server.raw_calls import HEALTH, RERANK, health, reflect, watch
from tests.server.stand_in import StandIn

TOKEN, OTHER = "sesame-1a2b3c", "barley.4d5e6f"
NEEDED = "authorization: must be given once, as 'Bearer TOKEN'"
UNKNOWN = "authorization: must be 'Bearer' and a token of this server"


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    path = tmp_path / "tokens"
    path.write_text(f"# of the two teams\n\n{TOKEN}\r\n  {OTHER}  \n")
    return path


@pytest.fixture
def server(front: Front, model: StandIn, token_file: Path) -> Iterator[RerankServer]:
    options = ServerOptions(token_file=token_file)
    running = serve(model.path, "127.0.0.1:0", options, front)
    yield running
    running.stop(grace_s=5)


def ask(address: str, token: str | Path) -> str:
    with RerankClient(address, token=token) as client:
        [answer] = client.rerank([valid_document()])
    return str(answer["model_version"])


def refusal(channel: grpc.Channel, method: str, metadata: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary(method)(b"", timeout=20, metadata=metadata)
    return caught.value.code(), caught.value.details()


@pytest.mark.parametrize("token", [TOKEN, OTHER])
def test_each_token_lets_a_caller_in(address: str, token: str) -> None:
    assert ask(address, token) == "stand-in-1"


def test_the_scheme_may_be_written_in_any_letters(channel: grpc.Channel) -> None:
    metadata = (("authorization", f"bEARER {TOKEN}"),)
    assert channel.unary_unary(f"/{SERVICE}/Describe")(b"", timeout=20, metadata=metadata)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ((), NEEDED),
        (("",), NEEDED),
        ((f"Bearer {TOKEN}", f"Bearer {TOKEN}"), NEEDED),
        (("Bearer wrong",), UNKNOWN),
        (("Bearer",), UNKNOWN),
        ((f"Bearer {TOKEN[:-1]}",), UNKNOWN),
        ((f"Bearer {TOKEN}x",), UNKNOWN),
        ((f"Bearer {TOKEN} {OTHER}",), UNKNOWN),
        ((f"Bearer {TOKEN.upper()}",), UNKNOWN),
        ((f"Bearer{TOKEN}",), UNKNOWN),
        ((f"Basic {TOKEN}",), UNKNOWN),
        ((TOKEN,), UNKNOWN),
        (("Bearer # of the two teams",), UNKNOWN),
    ],
)
def test_without_a_token_of_the_server_nobody_is_let_in(
    channel: grpc.Channel, capfd: pytest.CaptureFixture[str], values: tuple[str, ...], message: str
) -> None:
    metadata = tuple(("authorization", value) for value in values)
    for method in (RERANK, f"/{SERVICE}/Describe", f"/{SERVICE}/Statistics", "/no.such/Method"):
        code, told = refusal(channel, method, metadata)
        assert code is grpc.StatusCode.UNAUTHENTICATED
        assert told == message
    written = "".join(capfd.readouterr())
    assert TOKEN not in written and "wrong" not in written


def test_reflection_needs_a_token(channel: grpc.Channel) -> None:

    rest = threading.Event()
    with pytest.raises(grpc.RpcError) as caught:
        next(reflect(channel, rest))
    rest.set()
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


def test_health_needs_none(channel: grpc.Channel) -> None:
    assert health(channel) == HEALTH.SERVING
    watcher = watch(channel)
    assert next(watcher).status == HEALTH.SERVING
    watcher.cancel()


def replace(path: Path, text: str) -> None:
    draft = path.with_suffix(".new")
    draft.write_text(text)
    draft.rename(path)


def await_code(address: str, token: str, code: grpc.StatusCode | None) -> None:
    """Until a call with the token ends so; None = well."""
    end = time.monotonic() + 10
    while True:
        try:
            ask(address, token)
            ended = None
        except ServerError as error:
            ended = error.code
        if ended is code:
            return
        assert time.monotonic() < end, f"{ended} instead of {code}"
        time.sleep(0.1)


def test_tokens_change_without_a_restart(address: str, token_file: Path) -> None:
    assert ask(address, TOKEN)
    replace(token_file, f"{OTHER}\nnew-token\n")
    await_code(address, "new-token", None)
    await_code(address, TOKEN, grpc.StatusCode.UNAUTHENTICATED)
    assert ask(address, OTHER)


def test_they_are_read_at_once_where_that_is_asked_for(
    server: RerankServer, address: str, token_file: Path
) -> None:
    replace(token_file, "new-token\n")
    server.reload_credentials()
    assert ask(address, "new-token")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("# none\n", "{path} must hold a token per line, got none"),
        (
            "good\nse same\n",
            "{path} must hold tokens of visible ASCII characters, got other ones in line 2",
        ),
        (
            "s\u00e9same\n",
            "{path} must hold tokens of visible ASCII characters, got other ones in line 1",
        ),
    ],
)
def test_new_tokens_that_cannot_be_used_are_refused(
    front: Front,
    server: RerankServer,
    address: str,
    token_file: Path,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    content: str,
    words: str,
) -> None:
    replace(token_file, content)
    server.reload_credentials()
    words = words.replace("{path}", str(token_file))
    told = caplog.text
    end = time.monotonic() + 10
    while front is Front.NATIVE and "refused, tokens kept" not in told and time.monotonic() < end:
        told += capfd.readouterr().err  # a thread of its own writes the native front's log
        time.sleep(0.01)
    assert f"refused, tokens kept: token_file: {words}" in told
    assert "same" not in told and TOKEN not in told
    assert ask(address, TOKEN) == "stand-in-1"
    with pytest.raises(OptionError) as caught:
        listen("127.0.0.1:0", ServerOptions(token_file=token_file), front)
    assert str(caught.value) == f"token_file: {words}"


def test_a_file_that_is_not_there_is_named(front: Front, tmp_path: Path) -> None:
    absent = tmp_path / "absent"
    rule = f"token_file: {absent} must be a file that can be read, got No such file or directory"
    with pytest.raises(OptionError, match=rule):
        listen("127.0.0.1:0", ServerOptions(token_file=absent), front)


def test_the_client_reads_its_file_for_each_call(
    address: str, token_file: Path, tmp_path: Path
) -> None:
    own = tmp_path / "own"
    own.write_text("not-yet\n")
    with RerankClient(address, token=own) as client:
        with pytest.raises(ServerError) as caught:
            client.rerank([valid_document()])
        assert caught.value.code is grpc.StatusCode.UNAUTHENTICATED
        replace(own, f"# ours\n{TOKEN}\n")
        assert client.rerank([valid_document()])
        own.unlink()
        with pytest.raises(ServerError, match="No such file") as caught:
            client.rerank([valid_document()])
        assert caught.value.code is grpc.StatusCode.UNAUTHENTICATED


def test_the_client_sends_a_token_over_tls_or_within_this_machine_only() -> None:
    for local in ("127.0.0.1:1", "localhost:1", "[::1]:1", "unix:/tmp/none.sock"):
        RerankClient(local, token=TOKEN).close()
    RerankClient("far:1", token=TOKEN, credentials=grpc.ssl_channel_credentials()).close()
    for far in ("far:1", "dns:///far:1", "192.0.2.1:1"):
        with pytest.raises(ValueError, match="token: must travel over TLS to") as caught:
            RerankClient(far, token=TOKEN)
        assert TOKEN not in str(caught.value)


@pytest.mark.parametrize("token", ["", "se same", "s\u00e9same", "sesame\n"])
def test_a_text_that_is_no_token_is_refused_unshown(token: str) -> None:
    with pytest.raises(ValueError, match="token: must be of visible ASCII characters") as caught:
        RerankClient("127.0.0.1:1", token=token)
    assert "same" not in str(caught.value)
