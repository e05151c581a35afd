"""Holds a form of reading of one's own to what all forms promise, before anything is trained."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import TypeVar

import torch
from torch import Tensor

from gerank.nn.structured.readings.reading import Reading

T = TypeVar("T")

_SLOTS = 3
_TOLERANCE = 1e-3
_RATES = (0.5, 0.3, 0.2)


def check_reading(name: str, form: type[Reading]) -> None:
    """Tries a form on pages of three slots, where all eight patterns of clicks can be summed.

    Args:
        name: The name of the form, for messages.
        form: The class; it is built with one member.

    Raises:
        ValueError: Names the method that fails, answers another shape or contradicts the others:
            likelihoods that do not sum to one, marginals or counts that are not sums over patterns.
    """
    reading = _called(name, "__init__", lambda: form(1, _SLOTS))
    with torch.no_grad():
        _called(name, "start_from", lambda: reading.start_from(torch.tensor(_RATES)))
        logits = torch.tensor([[[0.4, -0.3, 0.8], [-1.0, 0.2, -0.5]]])  # [K, E, N]
        wide = logits.unsqueeze(-1) + torch.tensor([-0.5, 0.0, 0.5])  # [K, E, N, Q]
        mask = torch.ones(2, _SLOTS, dtype=torch.bool)
        shape = wide.shape
        patterns = torch.tensor(list(product((0.0, 1.0), repeat=_SLOTS)))

        def likelihood(pattern: Tensor) -> Tensor:
            clicks = pattern.expand(2, -1)
            return reading.page_log_likelihood(wide, clicks, mask)

        chances = []
        for pattern in patterns:
            found = _called(name, "page_log_likelihood", lambda p=pattern: likelihood(p))  # type: ignore[misc]
            _shaped(name, "page_log_likelihood", found, (shape[0], shape[1], shape[3]))
            chances.append(found.exp())
        chance = torch.stack(chances)  # [patterns, K, E, Q]
        marginal = _called(name, "page_marginal", lambda: reading.page_marginal(wide, mask))
        _shaped(name, "page_marginal", marginal, tuple(shape))
        counts = _called(name, "page_counts", lambda: reading.page_counts(wide, mask))
        _shaped(name, "page_counts", counts, (2, shape[0], shape[1], shape[3]))
    _agrees(name, "page_log_likelihood", chance.sum(0), torch.ones_like(chance[0]), "sum to 1")
    clicked = torch.einsum("pn,pkeq->kenq", patterns, chance)
    _agrees(name, "page_marginal", marginal, clicked, "agree with page_log_likelihood")
    total = patterns.sum(1)
    summed = torch.stack([chance[total == count].sum(0) for count in (0, 1)])
    _agrees(name, "page_counts", counts, summed, "agree with page_log_likelihood")


def _called(name: str, method: str, call: Callable[[], T]) -> T:
    try:
        return call()
    except NotImplementedError:
        raise ValueError(f"{name}.{method} is missing") from None
    except Exception as error:  # whatever the user's class does
        raise ValueError(f"{name}.{method} fails: {type(error).__name__}: {error}") from error


def _shaped(name: str, method: str, found: object, shape: tuple[int, ...]) -> None:
    if not isinstance(found, Tensor) or tuple(found.shape) != shape:
        got = list(found.shape) if isinstance(found, Tensor) else type(found).__name__
        raise ValueError(f"{name}.{method} answers {got}, not a tensor {list(shape)}")


def _agrees(name: str, method: str, found: Tensor, expected: Tensor, rule: str) -> None:
    if not torch.allclose(found, expected, atol=_TOLERANCE, rtol=0):
        worst = (found - expected).abs().max().item()
        raise ValueError(f"{name}.{method}: probabilities do not {rule}: off by {worst:.3g}")
