"""What a server grants its callers, whichever its front."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from pathlib import Path, PurePath

from gerank.engine_options import EngineOptions
from gerank.option_table import Option, default, option_table
from gerank.unknown_features import checked

_PATHS = (
    *("tls_certificate", "tls_key", "tls_client_ca", "token_file"),
    *("admin_token_file", "exposures"),
)


class AddressError(OSError):
    """The server cannot listen where it was told to."""


class OptionError(ValueError):
    """An option is out of its range."""


class ModelRefusedError(ValueError):
    """A file is no artifact, is damaged, or does not fit this installation."""


@dataclass(frozen=True)
class ServerOptions(EngineOptions):
    """The engine's options, and those of the front before it; `gerank.option_table` has the ranges.

    Attributes:
        threads: In the native front, it counts the threads that read and write calls;
            None = 1, which serves what a core can. In the one in Python, where every call has a
            thread of its own, it counts the calls that may be open beyond `max_queue`; None = 16.
        max_message_bytes: Limits the size of one call; a larger one gets RESOURCE_EXHAUSTED.
        max_calls_per_connection: Limits the calls that are open at once; a client that honours
            HTTP/2 queues the others itself.
        max_header_bytes: Limits the headers of one call, each counted with 32 bytes more.
        buffer_bytes: Limits the messages and answers that the native front holds at once.
        connection_buffer_bytes: Limits those of one connection; in the native front too.
        keepalive_s: After so many seconds of silence a caller is asked whether it is there.
        keepalive_timeout_s: The caller must answer in so many seconds.
        max_connection_age_s: After so many seconds a connection takes no new calls, and its caller
            opens another; 0: never.
        reflection: Whether grpc.reflection is served.
        admin_address: Where the native front serves gerank.v1.AdminService; None = nowhere.
        admin_token_file: A file of tokens as `token_file`, for that service.
        admin_plaintext: Lets that service do without TLS where other machines can reach it.
        metrics_address: Where the native front serves /metrics and /healthz; None = nowhere.
        log_level: The least that the native front tells on standard error.
        log_format: How: `text` or `json`.
        exposures: Folder of the exposure log, where answered calls are written down; None = they
            are not. The options below are of this log.
        exposure_share: Share of the calls that are written down, 0 to 1; the request id decides.
        exposure_file_bytes: A file that would be larger is followed by another.
        exposure_file_s: A file that is older, in seconds, is closed.
        exposure_queue_bytes: Calls that wait for the disk take at most so much memory; those that
            come beyond are lost, and counted.
        exposure_max_bytes: The oldest files are deleted where all take more; 0 = they stay.
        grace_s: So many seconds calls have to end when the server does.
        pre_stop_delay_s: So many seconds the server serves on before that, with NOT_SERVING as its
            health.
        tls_certificate: A PEM file with the server's certificate and those between it and the
            root. With it the front speaks TLS and nothing else. This file and the others are read
            again when they change.
        tls_key: A PEM file with its private key, without a passphrase.
        tls_client_ca: A PEM file with certificates of authorities; a client must show one that
            they signed.
        token_file: A file with a token per line, of which every call but those of health must bring
            one, as `authorization: Bearer TOKEN`.
        plaintext: Lets the front do without TLS where other machines can reach it.

    Raises:
        OptionError: An option is out of its range, or lacks its fellow.
    """

    threads: int | None = None
    max_message_bytes: int = default("max_message_bytes")
    max_calls_per_connection: int = default("max_calls_per_connection")
    max_header_bytes: int = default("max_header_bytes")
    buffer_bytes: int = default("buffer_bytes")
    connection_buffer_bytes: int = default("connection_buffer_bytes")
    keepalive_s: int = default("keepalive_s")
    keepalive_timeout_s: int = default("keepalive_timeout_s")
    max_connection_age_s: int = default("max_connection_age_s")
    reflection: bool = default("reflection")
    admin_address: str | None = None
    admin_token_file: Path | None = None
    admin_plaintext: bool = default("admin_plaintext")
    metrics_address: str | None = None
    log_level: str = default("log_level")
    log_format: str = default("log_format")
    exposures: Path | None = None
    exposure_share: float = default("exposure_share")
    exposure_file_bytes: int = default("exposure_file_bytes")
    exposure_file_s: int = default("exposure_file_s")
    exposure_queue_bytes: int = default("exposure_queue_bytes")
    exposure_max_bytes: int = default("exposure_max_bytes")
    grace_s: int = default("grace_s")
    pre_stop_delay_s: int = default("pre_stop_delay_s")
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    tls_client_ca: Path | None = None
    token_file: Path | None = None
    plaintext: bool = default("plaintext")

    def __post_init__(self) -> None:
        try:
            checked(self.unknown_features)
        except ValueError as error:
            raise OptionError(str(error)) from None
        for name, value in asdict(self).items():
            if not (value is None and name == "threads"):
                self.check(name, value)
        for name in _PATHS:
            _read_path(self, name)
        try:
            self.check_model_options()
        except ValueError as error:
            raise OptionError(str(error)) from None
        self._check_tls()
        self._check_exposures()

    @staticmethod
    def check(name: str, value: object) -> None:
        """Checks a value against `gerank.option_table`; of a text only that it is one, or a path.

        Raises:
            OptionError: The value is not what the option may be.
        """
        option = option_table()[name]
        if option.low is not None:
            _check_number(option, value)
        elif isinstance(option.default, bool):
            if not isinstance(value, bool):
                raise OptionError(f"{name}: must be true or false, got {value!r}")
        elif name in _PATHS:
            if value is not None and not isinstance(value, PurePath) and not _is_text(value):
                raise OptionError(f"{name}: must be a path, got {value!r}")
        elif value is not None and not isinstance(value, str):
            raise OptionError(f"{name}: must be a text, got {value!r}")
        if option.words and value not in option.words:
            words = f"{', '.join(option.words[:-1])} or {option.words[-1]}"
            raise OptionError(f"{name}: must be {words}, got {value!r}")

    def _check_exposures(self) -> None:
        if self.exposures is not None:
            return
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name.startswith("exposure_") and value != field.default:
                rule = "is of no use without a folder of exposures"
                raise OptionError(f"{field.name}: {rule}, got {value!r}")

    def _check_tls(self) -> None:
        given = {
            name
            for name in ("tls_certificate", "tls_key", "tls_client_ca")
            if getattr(self, name) is not None
        }
        for fellow, missing in (
            ("tls_certificate", "tls_key"),
            ("tls_key", "tls_certificate"),
            ("tls_client_ca", "tls_certificate"),
        ):
            if fellow in given and missing not in given:
                raise OptionError(f"{missing}: must be given with {fellow}, got none")
        for name in ("plaintext", "admin_plaintext"):
            if getattr(self, name) and given:
                raise OptionError(f"{name}: must not be given with tls_certificate, got both")
        for name in ("admin_token_file", "admin_plaintext"):
            if getattr(self, name) and self.admin_address is None:
                raise OptionError(f"admin_address: must be given with {name}, got none")


def _read_path(options: ServerOptions, name: str) -> None:
    """A path as a command line or `server.toml` gives it, a text, becomes one."""
    value = getattr(options, name)
    if isinstance(value, str):
        object.__setattr__(options, name, Path(value))


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _check_number(option: Option, value: object) -> None:
    assert option.low is not None and option.high is not None
    kinds = (int, float) if isinstance(option.default, float) else (int,)
    if isinstance(value, bool) or not isinstance(value, kinds):
        fits = False
    else:
        fits = option.low <= value <= option.high
    if not fits:
        kind = "a number" if isinstance(option.default, float) else "an integer"
        rule = f"must be {kind} in [{option.low}, {option.high}]"
        raise OptionError(f"{option.name}: {rule}, got {value!r}")
