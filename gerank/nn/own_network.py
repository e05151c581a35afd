"""Networks of one's own in the evaluator: found by `package.module:Class`, and held to a contract.

Axes: E pages, N slots of a page, X numbers that describe an item, Xu that describe a user.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gerank.own_code import called, module_class

_PAGES, _SLOTS, _FEATURES, _USER = 4, 5, 7, 3
_TOLERANCE = 1e-4


def new_network(path: str, candidate_width: int, user_width: int, slots: int) -> nn.Module:
    """A network of the user's.

    Args:
        path: `package.module:Class`.
        candidate_width: X.
        user_width: Xu.
        slots: The most slots that a page has.

    Raises:
        ValueError: There is no such class, or it cannot be built.
    """
    kind = module_class(path)
    return called(path, "__init__", lambda: kind(candidate_width, user_width, slots))


def checked_logits(
    path: str, network: nn.Module, items: Tensor, users: Tensor, mask: Tensor
) -> Tensor:
    """What a network answers, [E, N]; items [E, N, X], users [E, Xu], mask [E, N] bool.

    Raises:
        ValueError: It fails, or answers another shape or dtype, or numbers that are not finite.
    """
    answer = called(path, "forward", lambda: network(items, users, mask))
    wanted = f"logits [E, N] = {list(mask.shape)} of float32"
    if not isinstance(answer, Tensor):
        raise ValueError(f"{path!r}: forward answers a {type(answer).__name__}, not {wanted}")
    if answer.shape != mask.shape or answer.dtype != torch.float32:
        dtype = str(answer.dtype).removeprefix("torch.")
        raise ValueError(f"{path!r}: forward answers {list(answer.shape)} of {dtype}, not {wanted}")
    if not answer.isfinite().all():
        raise ValueError(f"{path!r}: forward answers numbers that are not finite")
    return answer


def check_network(path: str) -> None:
    """Tries a network on small pages, full ones, short ones and an empty one; none passes.

    Raises:
        ValueError: It cannot be built, its answer has another shape or dtype or is not finite,
            an empty slot or a slot below changes a logit, or no gradient flows.
    """
    if not path:
        return
    torch_state = torch.get_rng_state()
    try:
        torch.manual_seed(0)
        network = new_network(path, _FEATURES, _USER, _SLOTS).eval()
        _check_parts(path, network)
        _check(path, network)
        with torch.no_grad():  # a gate that starts at zero hides what it will let through
            for parameter in network.parameters():
                parameter.add_(torch.randn_like(parameter), alpha=0.1)
        _check(path, network)
    finally:
        torch.set_rng_state(torch_state)


def _check_parts(path: str, network: nn.Module) -> None:
    """Refuses what no trial in evaluation mode can show."""
    parameters = list(network.parameters())
    if not any(parameter.requires_grad for parameter in parameters):
        raise ValueError(f"{path!r}: has no parameters that learn")
    if any(nn.parameter.is_lazy(parameter) for parameter in parameters):
        raise ValueError(f"{path!r}: has a lazy layer; __init__ gets the sizes, so name them")
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            raise ValueError(
                f"{path!r}: {type(module).__name__} mixes pages, and slots with those below, while "
                "it learns; use LayerNorm"
            )


def _check(path: str, network: nn.Module) -> None:
    mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [1, 0, 1, 1, 0], [0] * 5]).bool()
    items = torch.randn(_PAGES, _SLOTS, _FEATURES) * mask.unsqueeze(-1)
    users = torch.randn(_PAGES, _USER)
    answer = checked_logits(path, network, items, users, mask)
    spoiled = items.masked_fill(~mask.unsqueeze(-1), 9.0)
    if not _alike(answer, checked_logits(path, network, spoiled, users, mask), mask):
        raise ValueError(f"{path!r}: what lies in an empty slot changes what forward answers")
    for slots in range(1, _SLOTS):
        top, there = items[:, :slots], mask[:, :slots]
        if not _alike(answer[:, :slots], checked_logits(path, network, top, users, there), there):
            raise ValueError(
                f"{path!r}: the logit of slot {slots - 1} depends on the slots below it, and "
                "credit is given slot by slot: let a slot see itself and those above"
            )
    if not answer.requires_grad:
        raise ValueError(f"{path!r}: no gradient of what forward answers reaches a parameter")
    network.zero_grad()
    (answer * mask).sum().backward()  # type: ignore[no-untyped-call]
    if not any(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters()):
        raise ValueError(f"{path!r}: no gradient of what forward answers reaches a parameter")


def _alike(answer: Tensor, again: Tensor, mask: Tensor) -> bool:
    return bool(torch.allclose(answer[mask], again[mask], atol=_TOLERANCE))
