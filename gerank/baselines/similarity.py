"""How alike the candidates of a page are: what MMR and DPP keep apart."""

from __future__ import annotations

from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from gerank.baselines.comparator import Pages, UnfitPagesError
from gerank.data.exposure_log import ExposureLog
from gerank.data.schema import FeatureSchema
from gerank.train.page_batches import at_most


class SimilarityKind(StrEnum):
    """What is compared.

    `groups`: the share of the schema's group keys that two items have in common. `features`:
    (1 + cosine) / 2 of their standardised dense features. As matrices over a page both are positive
    semidefinite with ones on the diagonal, as a DPP needs.
    """

    GROUPS = "groups"
    FEATURES = "features"


def lacking_for_similarity(kind: object, schema: FeatureSchema) -> str:
    """What pages lack for a kind of similarity; empty where they have it all."""
    found = schema.groups if kind == SimilarityKind.GROUPS else schema.candidate_dense
    return "" if found else f"similarity is {str(kind)!r}, but candidates have no {kind}"


class Similarity:
    """A similarity in 0..1 of all pairs of a page's candidates."""

    def __init__(self, kind: SimilarityKind | str, pages: Pages) -> None:
        """Learns the scales of the features.

        Raises:
            ValueError: There is no such kind.
            UnfitPagesError: The schema has no group keys, or no dense features of the candidates.
        """
        self._kind = SimilarityKind(kind)
        lacking = lacking_for_similarity(kind, pages.log.schema)
        if lacking:
            raise UnfitPagesError(lacking)
        if self._kind is SimilarityKind.FEATURES:
            batch = pages.log.batch(at_most(pages.train, 10_000))
            values = batch.candidate_dense[batch.candidate_mask].double().numpy()
            self._mean, deviation = values.mean(axis=0), values.std(axis=0)
            self._scale = np.where(deviation > 0, deviation, 1.0)

    def __call__(self, log: ExposureLog, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """[B, M, M] of the pages `rows`."""
        batch = log.batch(rows)
        if self._kind is SimilarityKind.GROUPS:
            keys = batch.candidate_ids[..., list(log.schema.group_columns)].numpy()
            shared: NDArray[np.float64] = np.mean(
                keys[:, :, None] == keys[:, None], axis=-1, dtype=np.float64
            )
            return shared
        vectors = (batch.candidate_dense.double().numpy() - self._mean) / self._scale
        length = np.linalg.norm(vectors, axis=-1, keepdims=True)
        vectors = vectors / np.where(length > 0, length, 1.0)
        alike: NDArray[np.float64] = (1 + vectors @ vectors.transpose(0, 2, 1)) / 2
        diagonal = np.arange(alike.shape[1])
        alike[:, diagonal, diagonal] = 1.0
        return alike
