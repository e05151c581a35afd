"""The structured evaluator: a click model with an attraction that is learnt under priors."""

from gerank.data.schema import FeatureSchema
from gerank.nn.structured.evaluator import StructuredEvaluator
from gerank.nn.structured.network_evaluator import NetworkEvaluator
from gerank.nn.structured.page_evaluator import PageEvaluator, PlacedItems, StructuredShape

__all__ = [
    "NetworkEvaluator",
    "PageEvaluator",
    "PlacedItems",
    "StructuredEvaluator",
    "StructuredShape",
    "new_page_evaluator",
]


def new_page_evaluator(schema: FeatureSchema, shape: StructuredShape) -> PageEvaluator:
    """The structured evaluator, or the one of a network of one's own where the shape names it.

    Raises:
        ValueError: There is no such network or form of reading, or one of them cannot be built.
    """
    kind = NetworkEvaluator if shape.network else StructuredEvaluator
    return kind(schema, shape)
