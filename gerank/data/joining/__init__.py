"""What servers wrote down and what users did, joined into one exposure log."""

from __future__ import annotations

from gerank.data.joining.errors import JoinError
from gerank.data.joining.join import Joined, join_exposures
from gerank.data.joining.selection import RecordSelection

__all__ = ["JoinError", "Joined", "RecordSelection", "join_exposures"]
