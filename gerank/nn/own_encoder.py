"""Encoders of one's own: found by `package.module:Class`, and held to what decoding needs."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from gerank.nn.encoder import DeepSetEncoder
from gerank.own_code import called, module_class

_BATCH, _CANDIDATES, _FEATURES, _USER, _WIDTH = 3, 5, 7, 4, 8
_TOLERANCE = 1e-4


def new_encoder(path: str, candidate_width: int, user_width: int, width: int) -> nn.Module:
    """The encoder of a generator: `DeepSetEncoder`, or a class of the user's.

    Args:
        path: `package.module:Class`, or empty.
        candidate_width: X, the numbers that describe a candidate.
        user_width: Xu, the numbers that describe a user.
        width: D, of the vectors it gives.

    Raises:
        ValueError: There is no such class, or it cannot be built.
    """
    kind = module_class(path) if path else DeepSetEncoder
    return called(path, "__init__", lambda: kind(candidate_width, user_width, width))


def check_encoder(path: str) -> None:
    """Tries an encoder of one's own on a small batch, before anything is trained; none passes.

    Raises:
        ValueError: It cannot be built or scripted, its answer has another shape or dtype or is not
            finite, padding is not 0 or changes what real candidates get, or no gradient flows.
    """
    if not path:
        return
    torch_state = torch.get_rng_state()
    try:
        torch.manual_seed(0)
        encoder = new_encoder(path, _FEATURES, _USER, _WIDTH).eval()
        _check(path, encoder)
    finally:
        torch.set_rng_state(torch_state)


def _check(path: str, encoder: nn.Module) -> None:
    candidates = torch.randn(_BATCH, _CANDIDATES, _FEATURES)
    users = torch.randn(_BATCH, _USER)
    mask = torch.arange(_CANDIDATES) < torch.tensor([[_CANDIDATES], [2], [1]])
    answer = called(path, "forward", lambda: encoder(candidates, users, mask))
    items, pages = _checked(path, answer)
    if (items[~mask] != 0).any():
        raise ValueError(f"{path!r}: forward gives padding another vector than 0")
    spoiled = torch.where(mask.unsqueeze(-1), candidates, 9.0)
    again = _checked(path, called(path, "forward", lambda: encoder(spoiled, users, mask)))
    if not all(torch.allclose(a, b, atol=_TOLERANCE) for a, b in zip(again, answer, strict=True)):
        raise ValueError(f"{path!r}: what lies in padding changes what forward answers")
    (items.sum() + pages.sum()).backward()  # type: ignore[no-untyped-call]
    if not any(p.grad is not None and p.grad.abs().sum() > 0 for p in encoder.parameters()):
        raise ValueError(f"{path!r}: no gradient of what forward answers reaches a parameter")
    scripted = called(path, "torch.jit.script", lambda: torch.jit.script(encoder))
    served = _checked(path, called(path, "forward", lambda: scripted(candidates, users, mask)))
    if not all(torch.allclose(a, b, atol=_TOLERANCE) for a, b in zip(served, answer, strict=True)):
        raise ValueError(f"{path!r}: forward answers otherwise once it is scripted")


def _checked(path: str, answer: Any) -> tuple[Tensor, Tensor]:
    wanted = f"(e [B, M, D], e_c [B, D]) of float32 with D = {_WIDTH}"
    if not (isinstance(answer, tuple) and len(answer) == 2):
        raise ValueError(f"{path!r}: forward answers a {type(answer).__name__}, not {wanted}")
    shapes = ((_BATCH, _CANDIDATES, _WIDTH), (_BATCH, _WIDTH))
    for part, shape in zip(answer, shapes, strict=True):
        if not isinstance(part, Tensor) or part.shape != shape or part.dtype != torch.float32:
            found = [list(p.shape) if isinstance(p, Tensor) else type(p).__name__ for p in answer]
            raise ValueError(f"{path!r}: forward answers {found}, not {wanted}")
        if not part.isfinite().all():
            raise ValueError(f"{path!r}: forward answers numbers that are not finite")
    return answer
