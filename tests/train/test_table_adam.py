"""Adam over large tables: rows that a batch looked up, and none but those."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from gerank.train.table_adam import TableAdam, adam, clip_gradients


class Scores(nn.Module):
    def __init__(self, *, sparse: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.table = nn.Embedding(6, 3, sparse=sparse)
        self.last = nn.Linear(3, 1)

    def loss(self, ids: Tensor) -> Tensor:
        scores: Tensor = self.last(self.table(ids)).square()
        return scores.mean()


def step(model: Scores, optimizer: torch.optim.Optimizer, ids: list[int]) -> None:
    optimizer.zero_grad(set_to_none=True)
    model.loss(torch.tensor(ids)).backward()  # type: ignore[no-untyped-call]
    optimizer.step()


def test_a_model_without_large_tables_has_plain_adam() -> None:
    assert isinstance(adam(Scores(sparse=False), 0.1), torch.optim.Adam)


def test_it_is_adam_where_every_row_is_looked_up() -> None:
    plain, tables = Scores(sparse=False), Scores(sparse=True)
    optimizers = [adam(plain, 0.1), adam(tables, 0.1)]
    assert isinstance(optimizers[1], TableAdam)
    schedules = [torch.optim.lr_scheduler.CosineAnnealingLR(o, 8) for o in optimizers]
    for _ in range(5):
        for model, optimizer, schedule in zip((plain, tables), optimizers, schedules, strict=True):
            step(model, optimizer, [0, 1, 2, 3, 4, 5, 5])
            schedule.step()
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(tables.state_dict()[name], value)


def test_a_row_that_is_not_looked_up_stays() -> None:
    model = Scores(sparse=True)
    optimizer, before = adam(model, 0.1), model.table.weight.detach().clone()
    for ids in ([1, 2], [4]):
        step(model, optimizer, ids)
    moved = (model.table.weight.detach() != before).any(1)
    assert moved.tolist() == [False, True, True, False, True, False]


def test_it_goes_on_from_its_state() -> None:
    model = Scores(sparse=True)
    optimizer = adam(model, 0.1)
    step(model, optimizer, [1, 2])
    again = copy.deepcopy(model)
    restored = adam(again, 0.5)
    restored.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    assert [group["lr"] for group in restored.param_groups] == [0.1, 0.1]
    step(model, optimizer, [2, 3])
    step(again, restored, [2, 3])
    for name, value in model.state_dict().items():
        assert torch.equal(again.state_dict()[name], value)
    restored.param_groups[1]["lr"] = 0.0
    held = again.table.weight.detach().clone()
    step(again, restored, [2, 3])
    assert torch.equal(again.table.weight, held)


def test_tables_are_told_apart_by_their_order_in_the_model() -> None:
    """An optimizer's state knows them by it: in another order a resumed run would mix them up."""
    tables = nn.ModuleList([nn.Embedding(6, 3, sparse=True) for _ in range(8)])
    optimizer = adam(nn.Sequential(tables, nn.Linear(3, 1)), 0.1)
    found = [id(table) for table in optimizer.param_groups[-1]["params"]]
    assert found == [id(table.weight) for table in tables]


@pytest.mark.parametrize("limit", [1e-3, 1e3])
def test_the_norm_is_that_of_all_gradients(limit: float) -> None:
    norms, gradients = [], []
    for sparse in (False, True):
        model = Scores(sparse=sparse)
        model.loss(torch.tensor([1, 1, 4])).backward()  # type: ignore[no-untyped-call]
        norms.append(clip_gradients(model.parameters(), limit).item())
        gradients.append([p.grad.to_dense() for p in model.parameters() if p.grad is not None])
    assert norms[0] == pytest.approx(norms[1])
    for plain, table in zip(*gradients, strict=True):
        torch.testing.assert_close(table, plain)
