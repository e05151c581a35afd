"""Certificates for tests, as the program openssl makes them."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

PASSPHRASE = "a-passphrase"


@dataclass(frozen=True)
class Identity:
    """A certificate and its key, as PEM files."""

    certificate: Path
    key: Path

    def replace_by(self, other: Identity) -> None:
        """Puts another one in the place of this one, by renames, the key first."""
        for old, new in ((self.key, other.key), (self.certificate, other.certificate)):
            draft = old.with_suffix(".new")
            draft.write_bytes(new.read_bytes())
            draft.rename(old)


class Authority:
    """Signs certificates, all of them in one folder."""

    def __init__(self, folder: Path, name: str) -> None:
        if shutil.which("openssl") is None:
            pytest.skip("no program openssl here")
        self._folder, self._made = folder, 0
        own = Identity(folder / f"{name}.pem", folder / f"{name}.key")
        _openssl(
            "req", "-x509", *_NEW_KEY, "-keyout", own.key, "-out", own.certificate,
            "-subj", f"/CN={name}", "-days", 10,
        )  # fmt: skip
        self._own = own
        self.certificate = own.certificate

    def issue(self, names: str = "DNS:localhost,IP:127.0.0.1", *, days: int = 5) -> Identity:
        """A certificate for these names; with -1 days one that has expired."""
        self._made += 1
        stem = f"{self.certificate.stem}-{self._made}"
        made = Identity(self._folder / f"{stem}.pem", self._folder / f"{stem}.key")
        request, extensions = made.key.with_suffix(".csr"), made.key.with_suffix(".ext")
        extensions.write_text(f"subjectAltName={names}\n")
        _openssl("req", *_NEW_KEY, "-keyout", made.key, "-out", request, "-subj", f"/CN={stem}")
        _openssl(
            "x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self._own.key,
            "-set_serial", self._made, "-days", days, "-extfile", extensions,
            "-out", made.certificate,
        )  # fmt: skip
        return made


def locked(key: Path) -> Path:
    """The same key behind a passphrase."""
    path = key.with_suffix(".locked")
    _openssl("pkey", "-in", key, "-aes256", "-passout", f"pass:{PASSPHRASE}", "-out", path)
    return path


_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


def _openssl(*words: object) -> None:
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True, timeout=60)
