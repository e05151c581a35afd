"""Calls as they are written on the wire: methods, headers and messages."""

from __future__ import annotations

from functools import cache

from gerank.data.request_check import parse_request
from gerank.proto import rerank_pb2 as pb
from gerank.wire.query import query_from_request
from gerank_server.servicer import SERVICE
from tests.data.bad_requests import valid_document
from tests.data.request_cases import CONTRACT, MAX_CANDIDATES

RERANK = f"/{SERVICE}/Rerank"
DESCRIBE = f"/{SERVICE}/Describe"
STATISTICS = f"/{SERVICE}/Statistics"
HEALTH_CHECK = "/grpc.health.v1.Health/Check"
HEALTH_WATCH = "/grpc.health.v1.Health/Watch"


def call_headers(
    path: str = RERANK, *more: tuple[str, str], without: str = "", **changed: str
) -> list[tuple[str, str]]:
    """The headers of an ordinary call.

    Args:
        path: The method.
        more: Headers behind the ordinary ones.
        without: The name of one to leave out.
        changed: Other values of ordinary ones; `_` stands for `-`, `method` for `:method`.
    """
    ordinary = {
        ":method": changed.pop("method", "POST"),
        ":scheme": "http",
        ":path": path,
        ":authority": "localhost",
        "te": changed.pop("te", "trailers"),
        "content-type": changed.pop("content_type", "application/grpc"),
    }
    assert not changed, changed
    return [(name, value) for name, value in ordinary.items() if name != without] + list(more)


@cache
def page() -> bytes:
    """A RerankRequest with one valid page."""
    query = query_from_request(parse_request(valid_document(), CONTRACT))
    return pb.RerankRequest(queries=[query]).SerializeToString()


def malformed_page(model: str = "", slots: int = 99) -> bytes:
    """A RerankRequest that the engine refuses: too many slots, or a model that nobody serves."""
    request = pb.RerankRequest.FromString(page())
    if model:
        request.model = model
    else:
        request.queries[0].slots = slots
    return request.SerializeToString()


def large_page(size: int) -> bytes:
    """A valid RerankRequest of about `size` bytes: the names of its candidates are long."""
    document = valid_document()
    candidates = document["candidates"] = [
        document["candidates"][0] | {"id": f"item{index}", "dedup_key": index}
        for index in range(MAX_CANDIDATES)
    ]
    for candidate in candidates:
        candidate["id"] += "x" * (size // MAX_CANDIDATES)
    document["pins"] = {}
    query = query_from_request(parse_request(document, CONTRACT))
    return pb.RerankRequest(queries=[query]).SerializeToString()


def slate_of(message: bytes) -> pb.Slate:
    """The only slate of an answer."""
    [slate] = pb.RerankResponse.FromString(message).slates
    return slate
