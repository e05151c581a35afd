"""Judged documents of queries, in libsvm form with query sizes: LightGBM's lambdarank example.

A query has no user and no clicks, so pages are drawn: the query's documents in a fair shuffle, and
a reader who looks at slot n with probability 1 / log2(n + 2) and clicks a document that he looks at
with probability (2^grade - 1) / (2^4 - 1). Expected clicks are then the DCG of the page, up to a
factor. Joachims, Swaminathan and Schnabel, "Unbiased learning-to-rank with biased feedback", WSDM
2017, draw clicks on judged documents in this way.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_svmlight_file

from foreign.random_pages import RandomPage, looks, random_log
from gerank.data.exposure_log import ExposureLog
from gerank.data.schema import Feature, FeatureKind, FeatureSchema

_BEST_GRADE = 4


@dataclass(frozen=True)
class Queries:
    """Judged documents, query by query.

    Attributes:
        features: [D, F] float64.
        grades: [D] int64, 0..4.
        sizes: [Q] documents of each query.
    """

    features: NDArray[np.float64]
    grades: NDArray[np.int64]
    sizes: NDArray[np.int64]

    @property
    def gains(self) -> NDArray[np.float64]:
        """[D] 2^grade - 1."""
        return 2.0**self.grades - 1

    @property
    def offsets(self) -> NDArray[np.int64]:
        """[Q + 1] first document of each query."""
        return np.concatenate([[0], np.cumsum(self.sizes)])

    def select(self, queries: NDArray[np.int64]) -> Queries:
        """Some of the queries."""
        offsets = self.offsets
        rows = np.concatenate([np.arange(offsets[q], offsets[q + 1]) for q in queries])
        return Queries(self.features[rows], self.grades[rows], self.sizes[queries])

    def gain_table(self) -> NDArray[np.float64]:
        """[Q, M] gain of each document; 0 behind the last."""
        table = np.zeros((len(self.sizes), int(self.sizes.max())))
        for query, first in enumerate(self.offsets[:-1]):
            table[query, : self.sizes[query]] = self.gains[first : first + self.sizes[query]]
        return table


def read_queries(folder: Path, part: str, columns: int | None = None) -> Queries:
    """Reads `rank.PART.gz` and `rank.PART.query`."""
    features, grades = load_svmlight_file(
        str(folder / f"rank.{part}.gz"), n_features=columns, zero_based=False
    )
    sizes = np.array((folder / f"rank.{part}.query").read_text().split(), dtype=np.int64)
    return Queries(features.toarray(), grades.astype(np.int64), sizes)


def letor_log(queries: Queries, pages: int, seed: int) -> ExposureLog:
    """`pages` random pages of each query, which is their person; users have no features."""
    rng = np.random.default_rng(seed)
    attraction = queries.gains / (2.0**_BEST_GRADE - 1)
    names = [f"feature_{column + 1}" for column in range(queries.features.shape[1])]
    drawn = []
    for query, (first, size) in enumerate(zip(queries.offsets, queries.sizes, strict=False)):
        documents = slice(first, first + size)
        columns = dict(zip(names, queries.features[documents].T, strict=True))
        for page in range(pages):
            order = rng.permutation(size)
            clicks = rng.random(size) < attraction[documents][order] * looks(size)
            items = [f"q{query}-d{document}" for document in range(size)]
            name = f"q{query}-p{page}"
            drawn.append(RandomPage(name, f"q{query}", items, order, clicks, {}, columns))
    dense = tuple(Feature(name, FeatureKind.DENSE) for name in names)
    return random_log(FeatureSchema(user=(), candidate=dense), drawn)
