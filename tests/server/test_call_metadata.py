"""Metadata that no call can carry is the caller's to mend, not the server's fault."""

from __future__ import annotations

import re
from typing import Any

import pytest

from gerank.admin import AdminClient
from gerank.client import RerankClient
from tests.data.bad_requests import valid_document

BAD: list[tuple[Any, str]] = [
    (("X-Request-Id", "a"), "the name must be of lower-case letters, digits, '-', '_' and '.', "),
    (("x request", "a"), "the name must be of lower-case letters"),
    (("", "a"), "the name must be of lower-case letters"),
    ((7, "a"), "the name must be of lower-case letters.*got 7"),
    (("x-user", "žluť"), "x-user: the value must be of visible ASCII and spaces"),
    (("x-user", "a\nb"), "x-user: the value must be of visible ASCII and spaces"),
    (("x-user", "\ud800"), "x-user: the value must be of visible ASCII and spaces"),
    (("x-user", b"\xff"), "x-user: the value must be of visible ASCII and spaces"),
    (("x-user", 7), "x-user: the value must be a text or bytes"),
    (("x-user",), "must be pairs of a name and a value"),
]


@pytest.mark.parametrize(("entry", "message"), BAD)
def test_it_is_named_by_its_key(client: RerankClient, entry: Any, message: str) -> None:
    expected = re.compile(f"^metadata: {message}")
    with pytest.raises(ValueError, match=expected):
        client.rerank([valid_document()], metadata=[entry])
    for kind in (RerankClient, AdminClient):
        with pytest.raises(ValueError, match=expected):
            kind("localhost:1", metadata=[entry])


def test_what_a_call_can_carry_is_sent(client: RerankClient) -> None:
    metadata = (("x-request-id", "a b~!"), ("x-bytes", b"plain"), ("trace-bin", b"\x00\xff"))
    assert len(client.rerank([valid_document()], metadata=metadata)) == 1
