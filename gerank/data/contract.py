"""What a request must satisfy to be answered by one artifact: schema, limits, weight ranges."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from gerank.data.schema import FeatureSchema

if TYPE_CHECKING:
    from gerank._engine import Contract


@dataclass(frozen=True)
class WeightRange:
    """The preference weight of one utility: its range in training, and its default."""

    minimum: float
    maximum: float
    default: float


@dataclass(frozen=True)
class RequestContract:
    """The limits of one artifact, checked for every request before it costs a forward.

    Attributes:
        schema: The features a request must give, no more and no fewer.
        max_candidates: Largest M.
        max_slots: Largest number of slots that may be asked for; also the default.
        weights: Utility name -> range, in the order of the columns of `RerankBatch.weights`.
        presets: Name -> part of a JSON request, see `gerank.export.presets`.
    """

    schema: FeatureSchema
    max_candidates: int
    max_slots: int
    weights: Mapping[str, WeightRange]
    presets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @cached_property
    def native(self) -> Contract:
        """The same contract as the engine reads it."""
        from gerank._engine import Contract  # the schema alone needs no compiled library

        return Contract(json.dumps(self.to_json()))

    def to_json(self) -> dict[str, Any]:
        """As `gerank.json` holds it."""
        schema = self.schema.to_json()
        parts = ("user", "candidate", "blocks")
        return {
            "features": {part: schema[part] for part in parts if part in schema},
            "groups": list(self.schema.groups),
            "flags": list(self.schema.flags),
            "limits": {"candidates": self.max_candidates, "slots": self.max_slots},
            "weights": {
                name: {"min": w.minimum, "max": w.maximum, "default": w.default}
                for name, w in self.weights.items()
            },
        } | ({"presets": dict(self.presets)} if self.presets else {})

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> RequestContract:
        """The inverse of `to_json`.

        Raises:
            KeyError, SchemaError: The document lacks a part, or a part is malformed.
        """
        features = document["features"]
        schema = FeatureSchema.from_json(
            {
                "user": features["user"],
                "candidate": features["candidate"],
                "groups": document["groups"],
                "flags": document["flags"],
                "blocks": features.get("blocks", ()),
            }
        )
        weights = {
            name: WeightRange(entry["min"], entry["max"], entry["default"])
            for name, entry in document["weights"].items()
        }
        limits = document["limits"]
        return cls(
            schema, limits["candidates"], limits["slots"], weights, document.get("presets", {})
        )
