"""Sockets in a folder: gRPC takes the place of one on which somebody listens, so we ask first."""

from __future__ import annotations

import socket


def is_taken(target: str) -> bool:
    """Whether somebody listens at a target of gRPC's that is a socket in a folder."""
    scheme, _, path = target.partition(":")
    if scheme != "unix":
        return False
    with socket.socket(socket.AF_UNIX) as probe:
        probe.setblocking(False)
        try:
            probe.connect(path.removeprefix("//"))
        except BlockingIOError:  # its backlog is full: all the more
            return True
        except (OSError, ValueError):  # gRPC refuses what cannot be listened on by name
            return False
    return True
