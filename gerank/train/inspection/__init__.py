"""What a log holds and what can be learnt from it, before anything is trained."""

from __future__ import annotations

from gerank.train.inspection.inspect import Inspection, inspect_log

__all__ = ["Inspection", "inspect_log"]
