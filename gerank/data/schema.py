"""What a user and a candidate are made of: the one definition of every feature.

A `FeatureSchema` is read by the converters that write exposure logs, by the model that embeds
features, and by the fronts that check requests. It travels inside the artifact.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from gerank.data.feature import UNKNOWN_NAME as UNKNOWN_NAME
from gerank.data.feature import Feature as Feature
from gerank.data.feature import FeatureKind as FeatureKind
from gerank.data.feature import SchemaError as SchemaError
from gerank.data.feature import hash_id as hash_id
from gerank.data.feature_block import Block, check_blocks
from gerank.data.feedback_kind import FurtherFeedback
from gerank.data.missing_flag import MissingFlag, flags_among

NOT_FEATURES = ("id", "dedup_key")
"""What a request says of a candidate that is no feature."""


@dataclass(frozen=True)
class FeatureSchema:
    """The features of one deployment, in the order of their columns.

    Attributes:
        user: Features of the person a page is for.
        candidate: Features of an item.
        groups: Names of candidate id features that rules and local context speak of.
        flags: Names of candidate id features with a vocabulary of 2 (0 = no, 1 = yes).
        feedback: What a log tells of users beyond their clicks; requests know nothing of it.
        blocks: Which columns are a vector or a list together.
    """

    user: tuple[Feature, ...]
    candidate: tuple[Feature, ...]
    groups: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    feedback: tuple[FurtherFeedback, ...] = ()
    blocks: tuple[Block, ...] = ()

    def __post_init__(self) -> None:
        for side, features in (("user", self.user), ("candidate", self.candidate)):
            names = [feature.name for feature in features]
            blocks = [block.name for block in self.blocks if block.side == side]
            for name in NOT_FEATURES if side == "candidate" else ():
                if name in names or name in blocks:
                    raise SchemaError(
                        f"candidate feature {name!r}: requests have another meaning for this name; "
                        "choose another one"
                    )
            for name in names:
                if names.count(name) > 1:
                    raise SchemaError(f"{side} feature {name!r} is defined twice")
            check_blocks(self.blocks, side, features)
        ids = {f.name: f for f in self.candidate if f.kind is FeatureKind.ID}
        for name in self.groups + self.flags:
            if name not in ids:
                raise SchemaError(f"{name!r} is not an id feature of the candidate")
        kinds = [kind.name for kind in self.feedback]
        for name in kinds:
            if not name or name == "click" or kinds.count(name) > 1:
                raise SchemaError(f"feedback {name!r} has no name of its own")
        listed = {name for b in self.blocks if b.side == "candidate" for name in b.columns}
        for name in self.groups + self.flags:
            if name in listed:
                raise SchemaError(f"{name!r} is a column of a list, and no group or flag")
        for name in self.flags:
            if ids[name].hashed or ids[name].vocabulary != 2:
                raise SchemaError(f"flag {name!r} needs a fixed vocabulary of 2")

    @cached_property
    def named(self) -> dict[str, dict[str, Feature]]:
        """Side -> name -> feature, in the order of their columns."""
        return {side: {f.name: f for f in getattr(self, side)} for side in ("user", "candidate")}

    @cached_property
    def missing_flags(self) -> dict[str, tuple[MissingFlag, ...]]:
        """Side -> flags named `<name>_missing`, of the values no and yes, beside what they name."""
        return {side: flags_among(self.named[side], self.blocks_of(side)) for side in self.named}

    def blocks_of(self, side: str) -> tuple[Block, ...]:
        """The blocks of `user` or `candidate`, in order."""
        return tuple(block for block in self.blocks if block.side == side)

    @property
    def user_dense(self) -> tuple[Feature, ...]:
        """Dense user features, in column order."""
        return _of_kind(self.user, FeatureKind.DENSE)

    @property
    def user_ids(self) -> tuple[Feature, ...]:
        """Id user features, in column order."""
        return _of_kind(self.user, FeatureKind.ID)

    @property
    def candidate_dense(self) -> tuple[Feature, ...]:
        """Dense candidate features, in column order."""
        return _of_kind(self.candidate, FeatureKind.DENSE)

    @property
    def candidate_scores(self) -> tuple[Feature, ...]:
        """Dense candidate features that are no part of a vector, in column order."""
        parts = {name for block in self.blocks_of("candidate") for name in block.columns}
        return tuple(feature for feature in self.candidate_dense if feature.name not in parts)

    @property
    def candidate_ids(self) -> tuple[Feature, ...]:
        """Id candidate features, in column order."""
        return _of_kind(self.candidate, FeatureKind.ID)

    @cached_property
    def above(self) -> tuple[Feature, ...]:
        """The candidate features that a request tells of the slots above it: groups and flags."""
        told = {*self.groups, *self.flags}
        return tuple(feature for feature in self.candidate if feature.name in told)

    @property
    def group_columns(self) -> tuple[int, ...]:
        """Where each group key lies among the candidate's id columns."""
        return self._columns(self.groups)

    @property
    def flag_columns(self) -> tuple[int, ...]:
        """Where each flag lies among the candidate's id columns."""
        return self._columns(self.flags)

    def _columns(self, names: tuple[str, ...]) -> tuple[int, ...]:
        order = [feature.name for feature in self.candidate_ids]
        return tuple(order.index(name) for name in names)

    def to_json(self) -> dict[str, Any]:
        """Plain lists and dictionaries, as `gerank.json` and a log's metadata hold them."""
        document: dict[str, Any] = {
            "user": [_feature_to_json(feature) for feature in self.user],
            "candidate": [_feature_to_json(feature) for feature in self.candidate],
            "groups": list(self.groups),
            "flags": list(self.flags),
        }
        if self.feedback:
            document["feedback"] = [kind.to_json() for kind in self.feedback]
        if self.blocks:
            document["blocks"] = [block.to_json() for block in self.blocks]
        return document

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> FeatureSchema:
        """The inverse of `to_json`.

        Raises:
            SchemaError: A key is missing or unknown, or a value is malformed.
        """
        try:
            return cls(
                user=tuple(_feature_from_json(entry) for entry in document["user"]),
                candidate=tuple(_feature_from_json(entry) for entry in document["candidate"]),
                groups=tuple(document["groups"]),
                flags=tuple(document["flags"]),
                feedback=tuple(map(FurtherFeedback.from_json, document.get("feedback", ()))),
                blocks=tuple(map(Block.from_json, document.get("blocks", ()))),
            )
        except (KeyError, TypeError) as error:
            raise SchemaError(f"malformed feature schema: {error!r}") from error


def _of_kind(features: tuple[Feature, ...], kind: FeatureKind) -> tuple[Feature, ...]:
    return tuple(feature for feature in features if feature.kind is kind)


def _feature_to_json(feature: Feature) -> dict[str, Any]:
    default = {} if feature.default is None else {"default": feature.default}
    if feature.kind is FeatureKind.DENSE:
        bounds = {"minimum": feature.minimum, "maximum": feature.maximum}
        return {"name": feature.name, "kind": "dense"} | bounds | default
    entry = {"name": feature.name, "kind": "id", "vocabulary": feature.vocabulary}
    return entry | {"hashed": feature.hashed, "values": list(feature.values)} | default


def _feature_from_json(entry: Mapping[str, Any]) -> Feature:
    fields = dict(entry)
    kind = FeatureKind(fields.pop("kind"))
    values = tuple(fields.pop("values", ()))
    return Feature(kind=kind, values=values, **fields)
