"""Named presets: the part of a request that an operator decides, kept in the artifact.

    {"new-arrivals": {"weights": {"clicks": 0.6}, "slots": 10, "mode": "greedy",
                      "spacing": [{"group": "seller", "window": 4, "cap": 1}],
                      "quotas": [{"flag": "fresh", "min": 3}], "temperature": 1.0}}

Every key may be left out. Pins and dedup keys name candidates, so they cannot be in a preset. What
a request says itself goes before its preset: weights by utility, spacing by group key, quotas by
flag, the rest by key.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from gerank.data.contract import RequestContract
from gerank.data.feature_names import unknown_name
from gerank.data.request import RequestError
from gerank.data.request_check import parse_request
from gerank.data.schema import Feature, FeatureKind

Presets = dict[str, dict[str, Any]]
"""Name -> preset, in the JSON of requests."""

_KEYS = ("weights", "spacing", "quotas", "slots", "mode", "temperature")
_LONGEST_NAME = 100


class PresetError(ValueError):
    """A preset that no request could use; the message names preset, field and value."""


def read_presets(path: Path, contract: RequestContract) -> Presets:
    """Reads a TOML file (one table per preset) or a JSON file (one object per preset).

    Raises:
        PresetError: The file is missing or malformed, or a preset does not fit the contract.
    """
    try:
        text = path.read_text(encoding="utf-8")
        document = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except FileNotFoundError:
        raise PresetError(f"{path}: no such file") from None
    except (ValueError, RecursionError) as error:
        kind = "JSON" if path.suffix == ".json" else "TOML"
        raise PresetError(f"{path}: not {kind}: {error}") from None
    try:
        return check_presets(document, contract)
    except PresetError as error:
        raise PresetError(f"{path}: {error}") from None


def check_presets(document: object, contract: RequestContract) -> Presets:
    """The presets of a document, each checked as requests are.

    Raises:
        PresetError: Something does not fit the contract.
    """
    if not isinstance(document, Mapping):
        raise PresetError(f"presets: must be an object, got {document!r}")
    for name, preset in document.items():
        if not 1 <= len(name) <= _LONGEST_NAME:
            raise PresetError(f"presets: a name has 1 to {_LONGEST_NAME} characters, got {name!r}")
        try:
            _check(preset, contract)
        except RequestError as error:
            raise PresetError(f"presets.{name}.{error}") from None
    return {name: dict(preset) for name, preset in document.items()}


def _check(preset: object, contract: RequestContract) -> None:
    """As part of a request for one candidate: so one place decides what is allowed."""
    if not isinstance(preset, Mapping):
        raise RequestError("preset", preset, "must be an object")
    for key, value in preset.items():
        if key not in _KEYS:
            raise unknown_name(key, value, "key of a preset", str(key), _KEYS)
    schema = contract.schema
    anyone = {feature.name: _some_value(feature) for feature in schema.user}
    anything = {feature.name: _some_value(feature) for feature in schema.candidate}
    request = {"id": "preset", "user": anyone, "candidates": [{"id": "candidate"} | anything]}
    parse_request(request | dict(preset), replace(contract, presets={}))


def _some_value(feature: Feature) -> float | int:
    return 0.0 if feature.kind is FeatureKind.DENSE else 0
