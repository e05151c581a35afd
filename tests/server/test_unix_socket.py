"""A socket in a folder belongs to the server that listens there, until it ends."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from gerank.client import RerankClient
from gerank_server import AddressError, Front, serve
from tests.data.bad_requests import valid_document
from tests.server.stand_in import StandIn


@pytest.mark.parametrize("form", ["unix:{}", "unix://{}"])
def test_a_second_server_leaves_the_socket_of_the_first(
    front: Front, model: StandIn, tmp_path: Path, form: str
) -> None:
    address = form.format(tmp_path / "gerank.sock")
    with serve(model.path, address, front=front):
        said = r"^address: cannot listen on unix:.*: a server listens"
        with pytest.raises(AddressError, match=said):
            serve(model.path, address, front=front)
        with RerankClient(address, timeout_s=10) as client:
            assert len(client.rerank([valid_document()])) == 1


def test_a_socket_that_a_dead_server_left_is_taken_over(
    front: Front, model: StandIn, tmp_path: Path
) -> None:
    left = tmp_path / "gerank.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(left))
    address = f"unix:{left}"
    with serve(model.path, address, front=front), RerankClient(address, timeout_s=10) as client:
        assert len(client.rerank([valid_document()])) == 1
