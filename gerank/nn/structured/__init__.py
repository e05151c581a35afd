"""The structured evaluator: a click model with an attraction that is learnt under priors."""

from gerank.nn.structured.evaluator import (
    PlacedItems,
    StructuredEvaluator,
    StructuredItems,
    StructuredShape,
)

__all__ = ["PlacedItems", "StructuredEvaluator", "StructuredItems", "StructuredShape"]
