"""Which exceptions are the user's to mend: one line on stderr and exit code 1, no traceback."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from gerank.cli.console import complain, err
from gerank.cli.streams import flush_output, open_standard_streams


@contextlib.contextmanager
def exit_on_error() -> Iterator[None]:
    """Turns an expected error into a message; anything else is a bug and keeps its traceback."""
    open_standard_streams()
    try:
        yield
    except (ValueError, RuntimeError, OSError) as error:
        if not _expected(error):
            raise
        complain(str(error))
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        err.print("interrupted")
        raise SystemExit(1) from None
    finally:
        flush_output()


def _expected(error: Exception) -> bool:
    """Our own errors name field and value; an OSError names its file."""
    module = type(error).__module__
    return isinstance(error, OSError) or module.startswith(("gerank.", "gerank_server."))
