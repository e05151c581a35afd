"""Clients of TLS that are not gRPC's: they show what a server answers below it."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes.fromhex("000000040000000000")
"""The first words of HTTP/2: the magic text, and SETTINGS without any."""

SETTINGS_FRAME = 4

DATA_ON_NO_STREAM = bytes(9)
"""A frame that ends the connection."""


def tls_context(*protocols: str, authority: Path | None = None) -> ssl.SSLContext:
    """One that offers these protocols; believes everybody where it knows no authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if authority is not None:
        context.load_verify_locations(authority)
        context.verify_mode = ssl.CERT_REQUIRED
    if protocols:
        context.set_alpn_protocols(list(protocols))
    return context


def shown_certificate(port: int) -> bytes:
    """What the server shows to a new connection, as DER."""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
        tls_context("h2").wrap_socket(plain) as connection,
    ):
        shown = connection.getpeercert(binary_form=True)
    assert shown is not None
    return shown


def handshake_byte_by_byte(port: int, authority: Path) -> bytes:
    """The first bytes of HTTP/2 of a server that got every byte by itself."""
    to_read, to_send = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = tls_context("h2", authority=authority).wrap_bio(to_read, to_send)
    with socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def send_singly() -> None:
            for byte in to_send.read():
                plain.sendall(bytes([byte]))

        while True:
            try:
                session.do_handshake()
                break
            except ssl.SSLWantReadError:
                send_singly()
                to_read.write(plain.recv(1))
        for byte in PREFACE:
            session.write(bytes([byte]))
        send_singly()
        while True:
            try:
                return session.read(4096)
            except ssl.SSLWantReadError:
                to_read.write(plain.recv(1))


def client_hello() -> bytes:
    """The first record of a client that speaks h2."""
    to_send = ssl.MemoryBIO()
    session = tls_context("h2").wrap_bio(ssl.MemoryBIO(), to_send)
    try:
        session.do_handshake()
    except ssl.SSLWantReadError:
        return to_send.read()
    raise AssertionError("a handshake without an answer")
