"""What cannot be used is refused at the start, by the name of its option."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gerank_server import Front, OptionError, ServerOptions, listen
from tests.server.tls.certificates import PASSPHRASE, Authority, Identity, locked
from tests.server.tls.serving import options_of


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"tls_certificate": "server.pem"},
            "tls_key: must be given with tls_certificate, got none",
        ),
        ({"tls_key": "server.key"}, "tls_certificate: must be given with tls_key, got none"),
        ({"tls_client_ca": "ca"}, "tls_certificate: must be given with tls_client_ca, got none"),
        (
            {"tls_certificate": "server.pem", "tls_key": "server.key", "plaintext": True},
            "plaintext: must not be given with tls_certificate, got both",
        ),
        (
            {"tls_certificate": "absent", "tls_key": "server.key"},
            "tls_certificate: {absent} must be a file that can be read, got No such file",
        ),
        (
            {"tls_certificate": "server.key", "tls_key": "server.key"},
            "tls_certificate: {server.key} must hold certificates in PEM, got ",
        ),
        (
            {"tls_certificate": "server.pem", "tls_key": "folder"},
            "tls_key: {folder} must be a file that can be read, got ",
        ),
        (
            {"tls_certificate": "server.pem", "tls_key": "other.key"},
            "tls_key: {other.key} must be the key of tls_certificate, got ",
        ),
        (
            {"tls_certificate": "server.pem", "tls_key": "locked"},
            "tls_key: {locked} must hold a private key in PEM, without a passphrase, got ",
        ),
        (
            {"tls_certificate": "server.pem", "tls_key": "server.key", "tls_client_ca": "empty"},
            "tls_client_ca: {empty} must hold certificates in PEM, got ",
        ),
    ],
    ids=lambda value: "" if isinstance(value, str) else " ".join(value),
)
def test_what_cannot_be_used_is_told_at_the_start(
    front: Front,
    authority: Authority,
    identity: Identity,
    tmp_path: Path,
    options: dict[str, Any],
    words: str,
) -> None:
    files = {
        "server.pem": identity.certificate,
        "server.key": identity.key,
        "other.key": authority.issue().key,
        "locked": locked(identity.key),
        "ca": authority.certificate,
        "absent": tmp_path / "absent",
        "folder": tmp_path,
        "empty": tmp_path / "empty",
    }
    files["empty"].write_text("")
    given = {name: files.get(value, value) for name, value in options.items()}
    with pytest.raises(OptionError) as caught:
        listen("127.0.0.1:0", ServerOptions(**given), front)
    for name, path in files.items():
        words = words.replace(f"{{{name}}}", str(path))
    assert str(caught.value).startswith(words)
    assert "PRIVATE KEY" not in str(caught.value)
    assert PASSPHRASE not in str(caught.value)


def test_plaintext_beyond_this_machine_must_be_asked_for(
    front: Front, authority: Authority, identity: Identity
) -> None:
    rule = "address: must be a loopback address or unix:path unless tls_certificate and tls_key"
    with pytest.raises(OptionError, match=rule):
        listen("0.0.0.0:0", front=front)
    for allowed in (ServerOptions(plaintext=True), options_of(identity)):
        listen("0.0.0.0:0", allowed, front).stop(0)
    for own in ("127.0.0.1:0", "127.8.9.10:0", "localhost:0", "[::1]:0"):
        listen(own, front=front).stop(0)
