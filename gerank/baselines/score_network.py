"""The sort by a feature as a module, so that it can be served beside what is to beat it."""

from torch import Tensor

from gerank.baselines.rerank_network import ScoringNetwork
from gerank.data.batch import Features
from gerank.data.schema import FeatureSchema


class ScoreNetwork(ScoringNetwork):
    """Sorts by a dense candidate feature, highest first; it has no parameters."""

    def __init__(self, schema: FeatureSchema, score: str) -> None:
        super().__init__(schema, 0)
        self.column = [feature.name for feature in schema.candidate_dense].index(score)

    def scores(self, features: Features) -> Tensor:
        """See `ScoringNetwork`."""
        return features.candidate_dense[:, :, self.column]
