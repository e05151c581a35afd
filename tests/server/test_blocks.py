"""However a block of features is serialized, and whatever came before it, it means the same."""

from __future__ import annotations

import grpc
import pytest
from google.protobuf.internal import encoder

from gerank.data.request_check import parse_request
from gerank.proto import rerank_pb2 as pb
from gerank.wire.query import query_from_request
from tests.data.bad_requests import valid_document
from tests.data.request_cases import CONTRACT

NAMES, FLOAT32_LE, INT64_LE, FLOATS = 1, 2, 3, 4
BLOCKS = 4  # field of Query: candidate_features


def _field(number: int, value: bytes) -> bytes:
    length: bytes = encoder._VarintBytes(len(value))  # type: ignore[attr-defined]
    return bytes([number << 3 | 2]) + length + value


def _names(*names: str) -> bytes:
    return b"".join(_field(NAMES, name.encode()) for name in names)


def _payload(blocks: list[bytes]) -> bytes:
    """A request of one valid query whose candidate features are these blocks."""
    query = query_from_request(parse_request(valid_document(), CONTRACT))
    query.ClearField("candidate_features")
    content = query.SerializeToString() + b"".join(_field(BLOCKS, block) for block in blocks)
    return _field(1, content)


def _blocks() -> list[pb.FeatureBlock]:
    query = query_from_request(parse_request(valid_document(), CONTRACT))
    return list(query.candidate_features)


def _usual(block: pb.FeatureBlock) -> bytes:
    return block.SerializeToString()


def _values_first(block: pb.FeatureBlock) -> bytes:
    return _values(block) + _names(*block.names)


def _names_around(block: pb.FeatureBlock) -> bytes:
    return _names(*block.names[:1]) + _values(block) + _names(*block.names[1:])


def _values_twice(block: pb.FeatureBlock) -> bytes:
    """A field that comes twice counts with its last value."""
    spoilt = _field(_number(block), b"\xff" * 8 * len(block.names))
    return _names(*block.names) + spoilt + _values(block)


def _unknown_field(block: pb.FeatureBlock) -> bytes:
    return _names(*block.names) + _field(15, b"from a newer client") + _values(block)


def _as_floats(block: pb.FeatureBlock) -> bytes:
    if not block.float32_le:
        return _usual(block)
    return _names(*block.names) + _field(FLOATS, block.float32_le)


def _number(block: pb.FeatureBlock) -> int:
    return FLOAT32_LE if block.float32_le else INT64_LE


def _values(block: pb.FeatureBlock) -> bytes:
    return _field(_number(block), block.float32_le or block.int64_le)


def _split(block: pb.FeatureBlock) -> list[bytes]:
    """A block per feature: its names are the beginning of the whole block's."""
    rows = 8
    width = 4 if block.float32_le else 8
    values = block.float32_le or block.int64_le
    count = len(block.names)
    columns = [
        b"".join(
            values[(row * count + index) * width : (row * count + index + 1) * width]
            for row in range(rows)
        )
        for index in range(count)
    ]
    return [
        _names(name) + _field(_number(block), column)
        for name, column in zip(block.names, columns, strict=True)
    ]


WAYS = [_usual, _values_first, _names_around, _values_twice, _unknown_field, _as_floats]


def _ask(channel: grpc.Channel, payload: bytes) -> pb.RerankResponse:
    answer = channel.unary_unary("/gerank.v1.RerankService/Rerank")(payload, timeout=20)
    response = pb.RerankResponse.FromString(answer)
    response.ClearField("timing")
    return response


def test_every_way_to_serialize_a_block_gives_the_same_slate(channel: grpc.Channel) -> None:
    usual = _ask(channel, _payload([_usual(block) for block in _blocks()]))
    for _ in range(2):  # the second time the names are known
        for way in WAYS:
            assert _ask(channel, _payload([way(block) for block in _blocks()])) == usual, way
        split = [part for block in _blocks() for part in _split(block)]
        assert _ask(channel, _payload(split)) == usual


def test_more_lists_of_names_than_a_server_keeps(channel: grpc.Channel) -> None:
    usual = _ask(channel, _payload([_usual(block) for block in _blocks()]))
    [whole, *_] = [block for block in _blocks() if len(block.names) > 1]
    for _ in range(3):
        for index in range(12):
            unknown = _names(*whole.names, f"unknown_{index}") + _values(whole)
            with pytest.raises(grpc.RpcError):
                _ask(channel, _payload([unknown]))
        assert _ask(channel, _payload([_usual(block) for block in _blocks()])) == usual


@pytest.mark.parametrize(
    "block",
    [
        _names("score") + b"\x12\x7f\0\0\0\0",
        _names("score") + b"\x12",
        _field(NAMES, b"sc\xffre") + _field(FLOAT32_LE, b"\0" * 32),
        b"\x0a\xff\xff\xff\xff\x0f",
        b"\x07",
    ],
    ids=["cut values", "no length", "a name that is no UTF-8", "endless name", "bad tag"],
)
def test_a_block_that_is_none_spoils_the_message(channel: grpc.Channel, block: bytes) -> None:
    payload = _payload([block])
    with pytest.raises(grpc.RpcError) as caught:
        _ask(channel, payload)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert caught.value.details() == (
        f"request: must be a gerank.v1.RerankRequest, got '{len(payload)} other bytes'"
    )
