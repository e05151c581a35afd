"""Servers over TLS, connections to them, and what the servers say of connections."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from gerank_server import Front, RerankServer, ServerOptions, serve
from gerank_server.native import is_built
from tests.server.raw_calls import rerank
from tests.server.stand_in import StandIn
from tests.server.tls.certificates import Identity

native_only = pytest.mark.skipif(not is_built(), reason="the native front is not built")


def options_of(identity: Identity, **more: Any) -> ServerOptions:
    return ServerOptions(tls_certificate=identity.certificate, tls_key=identity.key, **more)


@contextmanager
def serving(
    model: StandIn, front: Front, options: ServerOptions | None = None
) -> Iterator[RerankServer]:
    running = serve(model.path, "127.0.0.1:0", options, front)
    try:
        yield running
    finally:
        running.stop(grace_s=5)


@contextmanager
def channel_to(
    server: RerankServer, authority: Path, client: Identity | None = None
) -> Iterator[grpc.Channel]:
    """A connection of its own, by the name that certificates are made for."""
    own = {} if client is None else _shown(client)
    credentials = grpc.ssl_channel_credentials(authority.read_bytes(), **own)
    alone = (("grpc.use_local_subchannel_pool", 1),)
    with grpc.secure_channel(f"localhost:{server.port}", credentials, alone) as channel:
        yield channel


def _shown(client: Identity) -> dict[str, bytes]:
    return {
        "private_key": client.key.read_bytes(),
        "certificate_chain": client.certificate.read_bytes(),
    }


class Heard:
    """What was written to stderr since the beginning of the test."""

    def __init__(self, capture: pytest.CaptureFixture[str]) -> None:
        self._capture = capture
        self.text = ""

    def await_words(self, words: str) -> None:
        end = time.monotonic() + 10
        while words not in self.read():
            assert time.monotonic() < end, f"{words!r} was not said: {self.text}"
            time.sleep(0.05)

    def read(self) -> str:
        self.text += self._capture.readouterr().err
        return self.text


def refused_status(channel: grpc.Channel) -> grpc.StatusCode:
    with pytest.raises(grpc.RpcError) as caught:
        rerank(channel, timeout_s=20).result()
    code: grpc.StatusCode = caught.value.code()
    return code
