"""The best parameters so far of an ensemble whose members learn side by side, member by member."""

from __future__ import annotations

import math
from typing import Any, Protocol

import torch
from torch import Tensor

from gerank.train.stage import Model, Stage


class Ensemble(Protocol):
    """A model of members that can be kept one by one."""

    def state_dict(self) -> dict[str, Any]:
        """The state, as any module has it."""
        ...

    def keep_members(self, kept: dict[str, Tensor], which: Tensor) -> None:
        """Copies the state of the members `which` [K] bool into `kept`, a state like this one."""
        ...


class BestMembers:
    """Every member as it was when its validation loss was lowest.

    Attributes:
        loss: [K]. The lowest loss of each.
        state: The parameters that they had.
    """

    def __init__(self, model: Ensemble, members: int) -> None:
        self._model = model
        self.loss = torch.full((members,), math.inf)
        self.state: dict[str, Tensor] = {k: v.clone() for k, v in model.state_dict().items()}

    def keep(self, loss: Tensor) -> None:
        """Keeps the members whose loss [K] is lower than ever."""
        better = loss < self.loss
        self.loss = torch.where(better, loss, self.loss)
        self._model.keep_members(self.state, better)

    def to_state(self) -> dict[str, Any]:
        """What a checkpoint must hold."""
        return {"best": self.state, "best_loss": self.loss}

    def load(self, state: dict[str, Any]) -> None:
        """The inverse of `to_state`."""
        devices = {name: value.device for name, value in self.state.items()}
        self.state = {name: value.to(devices[name]) for name, value in state["best"].items()}
        self.loss = state["best_loss"]


class EnsembleStage(Stage[Model]):
    """A stage that trains an ensemble, and keeps the best of every member.

    Attributes:
        best: The members as they were at their best.
    """

    best: BestMembers

    def restore_best(self) -> None:
        """Gives every member the parameters with which it did best on validation pages."""
        self.model.load_state_dict(self.best.state)
        self.model.eval().requires_grad_(False)

    def more_state(self) -> dict[str, Any]:
        """The best parameters so far."""
        return self.best.to_state()

    def load_more_state(self, state: dict[str, Any]) -> None:
        """The inverse of `more_state`."""
        self.best.load(state)
