"""Adam for a model with large tables: of a table only those rows that a batch looked up."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn


def adam(model: nn.Module, lr: float) -> torch.optim.Optimizer:
    """Adam over all that a model learns; of tables with sparse gradients row by row."""
    sparse = sparse_tables(model)
    own = {id(table) for table in sparse}
    dense = [parameter for parameter in model.parameters() if id(parameter) not in own]
    if not sparse:
        return torch.optim.Adam(dense, lr=lr, fused=True)
    return TableAdam(
        torch.optim.Adam(dense, lr=lr, fused=True), torch.optim.SparseAdam(sparse, lr=lr)
    )


def sparse_tables(model: nn.Module) -> list[Tensor]:
    """The tables with sparse gradients that a model learns, in the order of its modules.

    An optimizer's state tells parameters by their order, so a run that is resumed needs the same.
    """
    return [
        weight
        for table in model.modules()
        if isinstance(table, nn.Embedding) and table.sparse
        for weight in table.parameters()
        if weight.requires_grad
    ]


class TableAdam(torch.optim.Optimizer):
    """Two optimizers as one. A row that no batch looked up neither moves nor costs anything.

    Kingma and Ba, "Adam: a method for stochastic optimization", ICLR 2015; of rows in the lazy form
    of `torch.optim.SparseAdam`.
    """

    def __init__(self, dense: torch.optim.Optimizer, tables: torch.optim.Optimizer) -> None:
        self._parts = (dense, tables)
        super().__init__(self._groups(), {})

    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One step of both."""
        if closure is not None:
            raise ValueError("TableAdam.step: a closure is not supported")
        for part in self._parts:
            part.step()

    def state_dict(self) -> dict[str, Any]:
        """The states of both."""
        dense, tables = self._parts
        return {"dense": dense.state_dict(), "tables": tables.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """The inverse of `state_dict`."""
        dense, tables = self._parts
        dense.load_state_dict(state_dict["dense"])
        tables.load_state_dict(state_dict["tables"])
        self.param_groups = self._groups()

    def _groups(self) -> list[dict[str, Any]]:
        """The groups of both themselves, not copies: who changes a rate here changes it there."""
        return [group for part in self._parts for group in part.param_groups]


def clip_gradients(parameters: Iterable[nn.Parameter], limit: float) -> Tensor:
    """Scales all gradients so that their common norm is at most `limit`; answers what it was.

    A sparse gradient counts with the rows that a batch looked up, each of them once.
    """
    learnt = [parameter for parameter in parameters if parameter.grad is not None]
    values = [_own_values(parameter) for parameter in learnt]
    if not any(parameter.grad.is_sparse for parameter in learnt if parameter.grad is not None):
        return torch.nn.utils.clip_grad_norm_(learnt, limit)
    norm = torch.nn.utils.get_total_norm(values)
    scale = (limit / (norm + 1e-6)).clamp(max=1.0)
    for each in values:
        each.mul_(scale)
    return norm


def _own_values(parameter: nn.Parameter) -> Tensor:
    """The gradient, or of a sparse one the values of its rows, each row being there once."""
    gradient = parameter.grad
    assert gradient is not None
    if not gradient.is_sparse:
        return gradient
    parameter.grad = gradient.coalesce()
    return parameter.grad.values()
