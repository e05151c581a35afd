"""Who can reach an address at which a server listens."""

from __future__ import annotations

import ipaddress
import socket

from gerank.address import parse_address


def is_loopback(target: str) -> bool:
    """Whether this machine alone can: wherever the name lies is a loopback address or a socket."""
    if target.startswith("unix"):
        return True
    for scheme in ("dns:///", "dns:", "ipv4:", "ipv6:"):
        target = target.removeprefix(scheme)
    address = parse_address(target)
    try:
        places = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except OSError:
        return True  # it lies nowhere, which listening there will tell
    return all(_is_loopback(str(place[4][0])) for place in places)


def _is_loopback(number: str) -> bool:
    address = ipaddress.ip_address(number.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback
