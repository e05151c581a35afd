"""An engine whose model shows what it was asked: the padded batch of the last forward pass."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gerank import _engine
from gerank.data.batch import RerankBatch
from tests.data.request_cases import CONTRACT

Arrays = tuple[NDArray[Any], ...]


class LookingEngine:
    """One worker over a model that puts candidate n into slot n, and relaxes a rule at slot 1.

    Attributes:
        native: The engine of csrc/python.
        batch: What the model saw last, by the names of `RerankBatch`; empty = nothing yet.
    """

    def __init__(self) -> None:
        self.batch: dict[str, NDArray[Any]] = {}
        self.native = _engine.Engine()
        contract = json.dumps(CONTRACT.to_json())
        self.native.publish("feed", _engine.Ranker.over_function(contract, "v1", self._look))

    def __enter__(self) -> LookingEngine:
        return self

    def __exit__(self, *_: object) -> None:
        self.native.stop()

    def _look(self, *arrays: NDArray[Any]) -> Arrays:
        self.batch = dict(zip(RerankBatch._fields, arrays, strict=True))
        most = np.minimum(self.batch["candidate_mask"].sum(1), self.batch["slots"])
        shape = self.batch["pins"].shape
        places = np.broadcast_to(np.arange(shape[1]), shape)
        slates = np.where(places < most[:, None], places, -1)
        relaxed = np.where((places == 1) & (slates >= 0), 3, 0)
        return slates, -0.5 * places.astype(np.float32), relaxed
