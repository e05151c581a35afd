"""What an operator can move: the weights and rules of one request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from gerank.data.contract import RequestContract
from gerank.data.request import Pin, Quota, Request, Spacing

_NO_SPACING, _NO_QUOTA = (0, 1), (0, None)


@dataclass(frozen=True)
class Controls:
    """Where every control stands.

    Attributes:
        slots: Slots to fill.
        weights: Utility -> preference weight, of every utility.
        pins: Slot -> candidate (an index of the page).
        spacing: Group key -> (window, cap); a window of 0 is no rule.
        quotas: Flag -> (minimum, maximum); None is no maximum.
        greedy: Whether the most probable candidate is taken, or one drawn.
        temperature: Divides the logits.
        seed: Seeds the draws.
    """

    slots: int
    weights: Mapping[str, float]
    pins: Mapping[int, int] = field(default_factory=dict)
    spacing: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    quotas: Mapping[str, tuple[int, int | None]] = field(default_factory=dict)
    greedy: bool = True
    temperature: float = 1.0
    seed: int = 0


def default_controls(contract: RequestContract) -> Controls:
    """Returns the controls of a request that asks for nothing."""
    return Controls(
        slots=contract.max_slots,
        weights={name: weight.default for name, weight in contract.weights.items()},
        spacing=dict.fromkeys(contract.schema.groups, _NO_SPACING),
        quotas=dict.fromkeys(contract.schema.flags, _NO_QUOTA),
    )


def preset_controls(preset: Mapping[str, Any], contract: RequestContract) -> Controls:
    """Returns the controls of a request that asks for a preset alone (`gerank.export.presets`)."""
    start = default_controls(contract)
    spacing = {rule["group"]: (rule["window"], rule["cap"]) for rule in preset.get("spacing", ())}
    quotas = {
        rule["flag"]: (rule.get("min", 0), rule.get("max")) for rule in preset.get("quotas", ())
    }
    return replace(
        start,
        slots=preset.get("slots", start.slots),
        weights={**start.weights, **preset.get("weights", {})},
        spacing={**start.spacing, **spacing},
        quotas={**start.quotas, **quotas},
        greedy=preset.get("mode", "greedy") == "greedy",
        temperature=preset.get("temperature", start.temperature),
    )


def controlled(request: Request, controls: Controls) -> Request:
    """The request with the weights and rules that the controls say."""
    spacing = (Spacing(group, *rule) for group, rule in controls.spacing.items() if rule[0] > 0)
    quotas = (Quota(flag, *rule) for flag, rule in controls.quotas.items() if rule != _NO_QUOTA)
    return replace(
        request,
        slots=controls.slots,
        pins=tuple(Pin(*pin) for pin in sorted(controls.pins.items())),
        spacing=tuple(spacing),
        quotas=tuple(quotas),
        weights=dict(controls.weights),
        seed=controls.seed,
        greedy=controls.greedy,
        temperature=controls.temperature,
    )
