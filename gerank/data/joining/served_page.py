"""One page of a record: what was asked, and what was shown."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gerank.data.contract import RequestContract
from gerank.data.joining.block_columns import columns_of_blocks
from gerank.data.schema import FeatureSchema
from gerank.proto import rerank_pb2 as pb


@dataclass(frozen=True)
class ServedPage:
    """A query of an answered call, with its slate.

    Attributes:
        record: The record of the call.
        place: Which of its queries.
    """

    record: Any
    place: int

    @cached_property
    def query(self) -> Any:
        """The Query message."""
        return self.record.request.queries[self.place]

    @cached_property
    def slate(self) -> Any:
        """The Slate message."""
        return self.record.response.slates[self.place]

    @property
    def name(self) -> str:
        """What the page is called within its request: the query's id, else its index."""
        return self.query.id or str(self.place)

    @property
    def candidate_names(self) -> list[str]:
        """[M] as people know them: the index in decimal where the query does not say."""
        return list(self.query.candidate_ids) or list(map(str, range(self.query.candidate_count)))

    @property
    def shown_names(self) -> list[str]:
        """[N] the names of the candidates from the top down."""
        return list(self.slate.candidate_ids)

    @property
    def is_below_others(self) -> bool:
        """Whether the request told what stood above the page in a feed."""
        return bool(self.query.above.count > 0)

    def complaint(self) -> str:
        """Why no log can hold this page; empty where one can."""
        slots = list(self.slate.slots)
        if not slots:
            return "shows nothing"
        if slots != list(range(len(slots))):
            return "has an empty slot above a filled one"
        return ""

    @property
    def deciding_preset(self) -> str:
        """The preset that says whether chance chose the slate; empty where the query says it."""
        return self.query.preset if self.query.mode == pb.MODE_UNSPECIFIED else ""

    def was_drawn(self, contract: RequestContract) -> bool:
        """Whether chance chose the slate, so that its log_prob are its propensities.

        The most probable slate would have been shown again: nothing is known of others.

        Args:
            contract: The artifact that answered has it; its presets are in it.

        Raises:
            KeyError: The contract does not know `deciding_preset`.
        """
        if self.query.mode != pb.MODE_UNSPECIFIED:
            return bool(self.query.mode == pb.MODE_SAMPLE)
        preset = self.query.preset
        return preset != "" and contract.presets[preset].get("mode") == "sample"

    def log_propensity(self, contract: RequestContract) -> NDArray[np.float32]:
        """[N] log P(choice | choices before it); NaN where the slate was not drawn."""
        if not self.was_drawn(contract):
            return np.full(len(self.slate.slots), math.nan, np.float32)
        return np.array(self.slate.log_prob, np.float32)

    def user_columns(self, schema: FeatureSchema) -> dict[str, NDArray[Any]]:
        """Feature name -> [1]. Errors are those of `columns_of_blocks`."""
        return columns_of_blocks(self.query.user_features, schema.user, 1)

    def candidate_columns(self, schema: FeatureSchema) -> dict[str, NDArray[Any]]:
        """Feature name -> [M]. Errors are those of `columns_of_blocks`."""
        count = self.query.candidate_count
        return columns_of_blocks(self.query.candidate_features, schema.candidate, count)


def pages_of(record: Any) -> Iterator[ServedPage]:
    """The pages of a record, in their order."""
    return (ServedPage(record, place) for place in range(len(record.response.slates)))
