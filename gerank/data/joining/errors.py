"""The errors of joining exposures with feedback."""

from __future__ import annotations

from gerank.data.importing.errors import ImportLogError


class JoinError(ImportLogError):
    """Exposures or feedback that cannot be joined; the message names file, page and value."""
