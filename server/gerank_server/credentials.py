"""TLS files and tokens of the front in Python: read at its start, and again when they change."""

from __future__ import annotations

import logging
import os
import ssl
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar, cast

import grpc

from gerank.bearer_token import tokens_of
from gerank_server.options import OptionError, ServerOptions

_LOG = logging.getLogger(__name__)
_LARGEST = 2**20

Stamp = tuple[int, ...]
Content = TypeVar("Content")


class Credentials:
    """What a server and its callers show each other to tell who they are. It is thread-safe.

    The files are looked at with every call and every new connection: one that has changed is read
    again. What cannot be used is logged, once for each change, and what was read before stays.

    Args:
        options: Name the files.

    Raises:
        OptionError: A file cannot be used; the message names option, file and reason.
    """

    def __init__(self, options: ServerOptions) -> None:
        self._tls: _Followed[grpc.ServerCertificateConfiguration] | None = None
        self._tokens: _Followed[tuple[bytes, ...]] | None = None
        self._needs_client = options.tls_client_ca is not None
        if options.tls_certificate is not None and options.tls_key is not None:
            files = (options.tls_certificate, options.tls_key, options.tls_client_ca)
            paths = tuple(path for path in files if path is not None)
            self._tls = _Followed("TLS files", paths, lambda: _read_tls(*files))
        if options.token_file is not None:
            path = options.token_file
            self._tokens = _Followed("tokens", (path,), lambda: _read_tokens(path))

    def tls(self) -> grpc.ServerCredentials | None:
        """What a server's port needs; it then follows the files by itself. None = no TLS."""
        if self._tls is None:
            return None
        followed = self._tls
        given = followed.read()

        def changed() -> grpc.ServerCertificateConfiguration | None:  # with every new connection
            nonlocal given
            before, given = given, followed.read()
            return None if given is before else given

        credentials: grpc.ServerCredentials = grpc.dynamic_ssl_server_credentials(
            given,
            cast(
                Callable[[], grpc.ServerCertificateConfiguration], changed
            ),  # or None, grpcio says
            self._needs_client,
        )
        return credentials

    def tokens(self) -> tuple[bytes, ...] | None:
        """The tokens that let a call in; None = a call needs none."""
        return None if self._tokens is None else self._tokens.read()

    def reload(self) -> None:
        """Reads all files again."""
        for followed in (self._tls, self._tokens):
            if followed is not None:
                followed.reload()


class _Followed(Generic[Content]):
    """What some files hold, as far as it could be used. Thread-safe."""

    def __init__(self, name: str, paths: tuple[Path, ...], load: Callable[[], Content]) -> None:
        self._name, self._paths, self._load = name, paths, load
        self._lock = threading.Lock()
        self._stamps = self._stamp()
        self._content = load()

    def read(self) -> Content:
        stamps = self._stamp()
        if stamps != self._stamps:
            with self._lock:
                if stamps != self._stamps:
                    self._follow(stamps)
        return self._content

    def reload(self) -> None:
        with self._lock:
            self._follow(self._stamp())

    def _follow(self, stamps: tuple[Stamp, ...]) -> None:
        """Stamps first: a file that changes while it is read is read again."""
        self._stamps = stamps
        try:
            self._content = self._load()
        except OptionError as error:
            _LOG.warning("refused, %s kept: %s", self._name, error)
        else:
            _LOG.info("%s read again", self._name)

    def _stamp(self) -> tuple[Stamp, ...]:
        return tuple(_stamp_of(path) for path in self._paths)


def _stamp_of(path: Path) -> Stamp:
    """What tells one content of a path from the next without reading it."""
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _read(option: str, path: Path) -> bytes:
    rule = f"{option}: {path} must be a file that can be read"
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OptionError(f"{rule}, got something that is no regular file")
            content = file.read(_LARGEST + 1)
    except OSError as error:
        raise OptionError(f"{rule}, got {error.strerror}") from error
    if len(content) > _LARGEST:
        raise OptionError(f"{rule}, got more than 1 MiB")
    return content


def _read_tls(
    certificate: Path, key: Path, client_ca: Path | None
) -> grpc.ServerCertificateConfiguration:
    chain = _read("tls_certificate", certificate)
    _check_certificates("tls_certificate", certificate, chain)
    secret = _read("tls_key", key)
    _check_key(certificate, key)
    roots = None
    if client_ca is not None:
        roots = _read("tls_client_ca", client_ca)
        _check_certificates("tls_client_ca", client_ca, roots)
    made: grpc.ServerCertificateConfiguration = grpc.ssl_server_certificate_configuration(
        [(secret, chain)], roots
    )
    return made


def _check_certificates(option: str, path: Path, content: bytes) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(
            cadata=content.decode("ascii", errors="replace")
        )
    except ssl.SSLError as error:
        reason = (error.reason or "none").lower().replace("_", " ")
        raise OptionError(
            f"{option}: {path} must hold certificates in PEM, got {reason}"
        ) from error
    except ValueError as error:
        raise OptionError(f"{option}: {path} must hold certificates in PEM, got none") from error


def _check_key(certificate: Path, key: Path) -> None:
    def no_passphrase() -> str:
        raise OptionError(
            f"tls_key: {key} must hold a private key in PEM, without a passphrase, got one with it"
        )

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, no_passphrase)
    except ssl.SSLError as error:
        reason = (error.reason or "none").lower().replace("_", " ")
        if "mismatch" in reason:
            rule = "must be the key of tls_certificate"
        else:
            rule = "must hold a private key in PEM, without a passphrase"
        raise OptionError(f"tls_key: {key} {rule}, got {reason}") from error


def _read_tokens(path: Path) -> tuple[bytes, ...]:
    text = _read("token_file", path).decode("utf-8", errors="replace")
    try:
        return tuple(token.encode() for token in tokens_of(text))
    except ValueError as error:
        raise OptionError(f"token_file: {path} {error}") from None
