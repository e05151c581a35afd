"""The gradients of all processes added up, so that all make the step that one alone would make.

This is one all-reduce of one buffer per step, written out, and not `DistributedDataParallel`: that
wants a module whose `forward` gives the loss, once per backward pass, while policies are asked for
their encodings and log-probabilities, with PPO several times per roll-out; it averages over
processes, while parts of a batch are unequal and sometimes empty; and it does not take the sparse
gradients of large tables with every back-end. What it is fast by, overlapping the exchange with the
backward pass, these small networks have no use for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from gerank.train.processes import Processes, current
from gerank.train.table_adam import sparse_tables


def sum_gradients(model: nn.Module, figures: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Adds up the gradients of a model over all processes; alone, nothing happens.

    A parameter that no process has a gradient of has none afterwards, so that optimizers leave it
    alone; one that some have not counts as zero there.

    Args:
        model: Its gradients are exchanged for their sums.
        figures: Scalars that travel in the same buffer, of the same names in all processes; they
            lie where the model does.

    Returns:
        The sums of the figures.
    """
    processes = current()
    if processes.size == 1:
        return dict(figures)
    tables = sparse_tables(model)
    own = {id(table) for table in tables}
    learnt = [p for p in model.parameters() if p.requires_grad and id(p) not in own]
    sums = _sum_dense(learnt, list(figures.values()), processes)
    if tables:
        _sum_rows(tables, processes)
    return dict(zip(figures, sums, strict=True))


def _sum_dense(
    learnt: list[nn.Parameter], figures: Sequence[Tensor], processes: Processes
) -> list[Tensor]:
    """Adds up gradients, and which of them there are; answers the sums of figures."""
    exact = any(parameter.dtype == torch.float64 for parameter in learnt)
    dtype, device = torch.float64 if exact else torch.float32, learnt[0].device
    there = torch.tensor([float(parameter.grad is not None) for parameter in learnt])
    gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in learnt]
    values = [*gradients, there.to(device), *figures]
    buffer = torch.cat([value.to(dtype).flatten() for value in values])
    processes.add_up(buffer)
    summed = torch.split(buffer, [value.numel() for value in values])
    known = summed[len(learnt)].cpu().tolist()
    for parameter, total, count in zip(learnt, summed, known, strict=False):
        parameter.grad = total.view_as(parameter).to(parameter.dtype) if count else None
    return [each.squeeze() for each in summed[len(learnt) + 1 :]]


def _sum_rows(tables: list[Tensor], processes: Processes) -> None:
    """Adds up the gradients of tables; only rows that some process looked up are exchanged."""
    own = [None if table.grad is None else table.grad.coalesce() for table in tables]
    lengths = torch.tensor([[-1 if each is None else each.values().size(0) for each in own]])
    everywhere = processes.gathered(
        lengths.to(tables[0].device), 0, [1] * processes.size
    ).tolist()  # [processes][tables]; -1 = no gradient
    for place, (table, gradient) in enumerate(zip(tables, own, strict=True)):
        counts = [max(0, lengths[place]) for lengths in everywhere]
        if all(lengths[place] < 0 for lengths in everywhere):
            continue
        rows, values = _rows_of(table, gradient)
        if any(counts):
            rows = processes.gathered(rows, 0, counts)
            values = processes.gathered(values, 0, counts)
        table.grad = torch.sparse_coo_tensor(
            rows.unsqueeze(0), values, table.shape, device=table.device, check_invariants=False
        ).coalesce()


def _rows_of(table: Tensor, gradient: Tensor | None) -> tuple[Tensor, Tensor]:
    """Rows [R] and their gradients [R, W]; R = 0 where there is no gradient."""
    if gradient is None:
        rows = torch.zeros(0, dtype=torch.int64, device=table.device)
        return rows, table.detach().new_zeros(0, table.size(1))
    return gradient.indices()[0], gradient.values()
