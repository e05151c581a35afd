from __future__ import annotations

from typing import Any

import pytest

from gerank.address import Address, MalformedAddressError, join_address, parse_address

MALFORMED = (
    *("", ":50051", "feed:", "feed:99999", "feed:-1", "feed:0x10", "feed:000099999", "feed:9a"),
    *("[::1", "[::1]50051", "[feed]:9", "1:2:3", "feed:1:2", "a b:9", "unix:", "http://feed:9"),
    *("unix:/a%41.sock", "unix:/q?x=1", "unix:a#b"),
    *("[fe80::1%]:9", "[fe80::1%a%b]:9", "feed\u00a0:9", "feed\u2003x:9"),
    *("feed:\u0665\u0660", f"feed:{10**11}", "\0:1", "unix:/a\nb"),
)


@pytest.mark.parametrize(
    ("text", "target", "is_local"),
    [
        ("feed:50052", "feed:50052", False),
        ("feed", "feed:50051", False),
        ("127.0.0.1:0", "127.0.0.1:0", True),
        ("127.9.9.9", "127.9.9.9:50051", True),
        ("localhost:65535", "localhost:65535", True),
        ("10.0.0.7", "10.0.0.7:50051", False),
        ("::1", "[::1]:50051", True),
        ("[::1]", "[::1]:50051", True),
        ("[::1]:9", "[::1]:9", True),
        ("::", "[::]:50051", False),
        ("2001:db8::7", "[2001:db8::7]:50051", False),
        ("[fe80::1%eth0]:9", "[fe80::1%eth0]:9", False),
        ("unix:/run/gerank.sock", "unix:/run/gerank.sock", True),
        ("unix:gerank.sock", "unix:gerank.sock", True),
        ("unix:///run/gerank.sock", "unix:///run/gerank.sock", True),
        ("dns:///feed:50052", "dns:///feed:50052", False),
        ("unix:\u0665\u0660", "unix:\u0665\u0660", True),
        ("dns:53", "dns:53", False),
    ],
)
def test_an_address_is_read_as_people_mean_it(text: str, target: str, is_local: bool) -> None:
    address = parse_address(text)
    assert (address.target, address.is_local) == (target, is_local)
    assert parse_address(address.target) == address


@pytest.mark.parametrize("text", [*MALFORMED, None, 5, b"feed:9"])
def test_what_is_no_address_is_named(text: Any) -> None:
    with pytest.raises(MalformedAddressError) as caught:
        parse_address(text)
    assert str(caught.value).startswith(f"address {text!r}: ")


def test_who_connects_needs_a_port_above_zero() -> None:
    with pytest.raises(MalformedAddressError, match=r"the port must be an integer in \[1, 65535\]"):
        parse_address("feed:0", lowest_port=1)


@pytest.mark.parametrize(
    ("host", "joined"),
    [("::1", "[::1]:9"), ("[::1]", "[::1]:9"), ("feed", "feed:9"), ("unix:/x", "unix:/x")],
)
def test_host_and_port_are_joined(host: str, joined: str) -> None:
    assert join_address(host, 9) == joined
    assert parse_address(joined).with_port(9) == joined


def test_a_host_with_a_port_of_its_own_is_no_host() -> None:
    with pytest.raises(MalformedAddressError, match="host 'feed:1': must not have a port"):
        parse_address(join_address("feed:1", 9))


def test_addresses_of_grpc_have_no_host() -> None:
    assert parse_address("unix:/x") == Address("unix:/x")
