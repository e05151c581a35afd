"""What a later run may take over from a finished one, and whether its sizes fit."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from gerank.data.schema import FeatureSchema
from gerank.train.config import TrainConfig
from gerank.train.run_folder import RunFolder, read_checkpoint

State = dict[str, Tensor]
NEVER_TAKEN = ("attraction.features.", "attraction.upstream_ease", "weight_middle", "weight_reach")
"""Beginnings of the names of what is a run's own: scales, and ranges of weights."""


def weights_of(run: RunFolder) -> dict[str, Any]:
    """All that a later run may take over from a finished one, as plain values and tensors.

    Raises:
        RunError: A checkpoint is missing or damaged.
    """
    data, config = run.config.data, run.config.evaluator
    document: dict[str, Any] = {
        "run": str(run.path),
        "schema": run.schema.to_json(),
        "utilities": list(run.config.reward),
        "control": str(run.config.generator.control) if _controllable(run.config) else "",
        "slots": max(data.slots, config.page_slots),
        "forms": {},
        "evaluator": {},
        "residual": {},
        "clone": {},
        "generator": run.load_generator().state_dict(),
    }
    if run.facts.get("reading") is None:  # its reward was no evaluator's
        return document
    evaluator = run.load_evaluator()
    form, state = evaluator.shape.structured.reading, evaluator.structured.state_dict()
    compared = read_checkpoint(run.checkpoint("evaluator-readings", "last"))["more"]["best"]
    return document | {
        "forms": {name: _member(compared, k) for k, name in enumerate(config.readings)},
        "evaluator": {"form": form, "model": state},
        "residual": evaluator.residual.state_dict() if evaluator.residual else {},
        "clone": run.load_clone().state_dict(),
    }


def _member(state: State, member: int) -> State:
    """The member of an ensemble of competing forms, as one of an ensemble of its own."""
    own = f"reading.forms.{member}."
    alone = {}
    for name, value in state.items():
        if name.startswith(own):
            alone[f"reading.{name.removeprefix(own)}"] = value.clone()
        elif not name.startswith(("reading.forms.", *NEVER_TAKEN)):
            alone[name] = value[member : member + 1].clone()
    return alone


def other_architecture(before: RunFolder, config: TrainConfig) -> list[str]:
    """A clause for each size that weights of the run `before` do not fit."""
    sizes = [("evaluator", "embedding_width")]
    sizes += [("generator", name) for name in ("width", "attention_width", "embedding_width")]
    if _controllable(before.config) and _controllable(config):
        sizes.append(("generator", "control"))
    if before.config.evaluator.residual and config.evaluator.residual:
        sizes += [("evaluator", name) for name in ("width", "heads", "channels")]
    found = []
    for part, name in sizes:
        was, now = (getattr(getattr(c, part), name) for c in (before.config, config))
        if was != now:
            found.append(f"{part}.{name} was {was} and is {now}")
    encoders = [c.generator.encoder for c in (before.config, config)]
    if any(encoders):
        found.append(
            f"generator.encoder was {encoders[0]!r} and is {encoders[1]!r}: which of its columns "
            "belong to which feature is known of the DeepSet alone"
        )
    networks = [c.evaluator.network for c in (before.config, config)]
    if any(networks):
        found.append(
            f"evaluator.network was {networks[0]!r} and is {networks[1]!r}: which of its columns "
            "belong to which feature is known of the structured evaluator alone"
        )
    return found


def _controllable(config: TrainConfig) -> bool:
    return any(utility.min < utility.max for utility in config.reward.values())


def feature_names(schema: FeatureSchema) -> str:
    """All features of a schema, in words."""
    named = [f"user.{f.name}" for f in schema.user]
    return ", ".join(named + [f"candidate.{f.name}" for f in schema.candidate])
