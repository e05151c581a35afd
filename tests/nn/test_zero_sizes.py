"""A schema may have no user features, no groups, no flags: models are built without a warning."""

from __future__ import annotations

import warnings

import torch

from gerank.data.schema import Feature, FeatureKind, FeatureSchema
from gerank.nn.channel_residual import ChannelResidual, ResidualShape
from gerank.nn.generator import Generator, GeneratorShape
from gerank.nn.layers import FeatureLinear

BARE = FeatureSchema(user=(), candidate=(Feature("score", FeatureKind.DENSE),))


def test_models_over_a_bare_schema_are_built_without_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        generator = Generator(BARE, GeneratorShape(width=8, attention_width=8))
        ChannelResidual(BARE, ResidualShape(slots=3, width=8, heads=2, embedding_width=2))
    assert generator.encoder.user_side.weight.shape == (8, 0)
    assert not generator.encoder.user_side.bias.any()


def test_a_layer_of_features_begins_as_torchs_own() -> None:
    torch.manual_seed(5)
    ours = FeatureLinear(3, 4)
    torch.manual_seed(5)
    assert torch.equal(ours.weight, torch.nn.Linear(3, 4).weight)
