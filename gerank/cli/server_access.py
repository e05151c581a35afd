"""How commands reach a server that speaks TLS or wants a token."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import grpc

TokenFile = Annotated[Path | None, typer.Option(help="A file that holds the server's token.")]
TlsAuthority = Annotated[
    Path | None, typer.Option("--tls-ca", help="Speak TLS: certificates of authorities, PEM.")
]


class AuthorityFileError(OSError):
    """The file of `--tls-ca` cannot be read; the message names option and file."""


def credentials_from(authority: Path | None) -> grpc.ChannelCredentials | None:
    """What a client speaks TLS with; None where no file of authorities is given.

    Raises:
        AuthorityFileError: The file cannot be read.
    """
    import grpc

    if authority is None:
        return None
    try:
        content = authority.read_bytes()
    except OSError as error:
        raise AuthorityFileError(
            f"--tls-ca: {authority} cannot be read: {error.strerror}"
        ) from None
    return grpc.ssl_channel_credentials(content)
