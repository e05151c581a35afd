"""Where a server listens and a client connects: one reading of addresses for all of them.

    host:50051   [::1]:50051   host   ::1   unix:/run/gerank.sock   dns:///host:50051

Without a port it is 50051. An IPv6 address has brackets where a port follows it.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

DEFAULT_PORT = 50051
_MAX_PORT = 65535
_SCHEMES = ("unix", "unix-abstract", "dns", "ipv4", "ipv6", "vsock", "xds")


class MalformedAddressError(ValueError):
    """A text that is no address; the message names it."""


@dataclass(frozen=True)
class Address:
    """One address.

    Attributes:
        target: As gRPC takes it, to listen or to connect.
        host: Name or number, without brackets; empty where `target` has a scheme of gRPC's.
        port: None where `target` has a scheme of gRPC's.
    """

    target: str
    host: str = ""
    port: int | None = None

    @property
    def is_local(self) -> bool:
        """Whether it can only be on this machine: a loopback address, or a socket in a folder."""
        if not self.host:
            return self.target.startswith("unix")
        if self.host == "localhost" or self.host.endswith(".localhost"):
            return True
        try:
            return ipaddress.ip_address(self.host.partition("%")[0]).is_loopback
        except ValueError:
            return False

    def with_port(self, port: int) -> str:
        """How people write it once the port is known, where 0 had asked for any."""
        return join_address(self.host, port) if self.host else self.target


def parse_address(text: str, lowest_port: int = 0) -> Address:
    """Reads an address as people write it.

    Args:
        text: The address.
        lowest_port: 0 to listen, where it takes a free one; 1 to connect.

    Raises:
        MalformedAddressError: It has no host, a colon that belongs to no IPv6 address, or a port
            that is no integer in [lowest_port, 65535].
    """
    if not isinstance(text, str):
        raise _malformed(text, "must be a text, as host:50051")
    if any(character < " " or character == "\x7f" for character in text):
        raise _malformed(text, "must not hold control characters")
    scheme, _, rest = text.partition(":")
    if scheme in _SCHEMES and rest and not (rest.isascii() and rest.isdecimal()):
        if any(character in rest for character in "%?#"):
            raise _malformed(text, "must not hold %, ? or #, which gRPC reads otherwise")
        return Address(text)
    host, port = _split(text)
    if not host or " " in host or not host.isascii():
        raise _malformed(text, "must have a host of ASCII characters, as in host:50051")
    if ":" in host and not _is_ipv6(host):
        raise _malformed(text, "must be host:port, [IPv6]:port or unix:path")
    number = DEFAULT_PORT if port is None else _port(text, port, lowest_port)
    return Address(join_address(host, number), host, number)


def join_address(host: str, port: int) -> str:
    """The address of a host and a port, with brackets around IPv6; a `unix:` path as it is.

    Raises:
        MalformedAddressError: The host has a port of its own.
    """
    scheme, colon, _ = host.partition(":")
    if colon and scheme in _SCHEMES:
        return host
    bare = host.removeprefix("[").removesuffix("]")
    if ":" in bare and not _is_ipv6(bare):
        raise MalformedAddressError(f"host {host!r}: must not have a port, which is given apart")
    return f"[{bare}]:{port}" if ":" in bare else f"{bare}:{port}"


def _split(text: str) -> tuple[str, str | None]:
    """Host without brackets, and the port as it stands there."""
    if text.startswith("["):
        host, bracket, after = text[1:].partition("]")
        if not bracket or not _is_ipv6(host) or (after and not after.startswith(":")):
            raise _malformed(text, "must be an IPv6 address in brackets, as in [::1]:50051")
        return host, after[1:] if after else None
    if _is_ipv6(text):
        return text, None
    host, colon, port = text.rpartition(":")
    return (host, port) if colon else (text, None)


def _port(text: str, port: str, lowest: int) -> int:
    is_number = port.isascii() and port.isdecimal() and len(port) <= len(str(_MAX_PORT))
    if not is_number or not lowest <= int(port) <= _MAX_PORT:
        rule = f"the port must be an integer in [{lowest}, {_MAX_PORT}], not {port!r}"
        raise _malformed(text, rule)
    return int(port)


def _is_ipv6(host: str) -> bool:
    try:
        ipaddress.IPv6Address(host)
    except ValueError:
        return False
    return True


def _malformed(text: str, rule: str) -> MalformedAddressError:
    return MalformedAddressError(f"address {text!r}: {rule}")
