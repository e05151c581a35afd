"""What a preset means, stated for JSON: what the engine must equal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_LISTS = {"spacing": "group", "quotas": "flag"}


def with_preset(document: Mapping[str, Any], preset: Mapping[str, Any]) -> dict[str, Any]:
    """A JSON request with what its preset adds; what the request says itself stays."""
    merged = {**preset, **document}
    if "weights" in preset:
        merged["weights"] = {**preset["weights"], **document.get("weights", {})}
    for key, of in _LISTS.items():
        own = list(document.get(key, ()))
        said = {rule[of] for rule in own}
        added = [rule for rule in preset.get(key, ()) if rule[of] not in said]
        if own or added:
            merged[key] = own + added
    return merged
