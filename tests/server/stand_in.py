"""A tiny deterministic model in an artifact, so that the fronts are tested without a trained one.

It can be watched and held from outside, also in another process: it maps a file, its board.
"""

from __future__ import annotations

import time
import warnings
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from gerank.data.batch import Slates
from gerank.data.contract import RequestContract
from gerank.export.artifact import save_artifact
from gerank.export.manifest import build_manifest
from tests.data.request_cases import CONTRACT

GATE, ENTERED, FAILING, WRONG = 0, 1, 2, 3
_CELLS = 16


class _Chooser(nn.Module):
    """Orders candidates by the first dense feature, or by a hash of the seed; pins hold.

    Spaced requests report a relaxed rule at slot 1, and those with quotas both rules at slot 2.
    """

    def __init__(self, board: str) -> None:
        super().__init__()
        self.board = board

    def forward(
        self,
        user_dense: Tensor,
        user_ids: Tensor,
        candidate_dense: Tensor,
        candidate_ids: Tensor,
        candidate_mask: Tensor,
        weights: Tensor,
        pins: Tensor,
        dedup_keys: Tensor,
        spacing: Tensor,
        quotas: Tensor,
        slots: Tensor,
        temperature: Tensor,
        seeds: Tensor,
        greedy: Tensor,
    ) -> Slates:
        # The size depends on an input, so that no optimiser reads the file once and for all.
        board = torch.from_file(self.board, True, 16 + int(slots.size(0) < 0), dtype=torch.int32)
        board[1] += 1
        while int(board[0]) == 0:
            pass
        if int(board[2]) != 0:
            raise RuntimeError("the secret of the house")
        slates = torch.full_like(pins, -1)
        log_prob = torch.zeros([pins.size(0), pins.size(1)])
        relaxed = torch.zeros_like(pins)
        for b in range(pins.size(0)):
            count = int(candidate_mask[b].sum())
            score = candidate_dense[b, :count, 0].double()
            if not bool(greedy[b]):
                place = torch.arange(count)
                score = ((seeds[b] % 1000003) * 7919 + place * 104729 + 17).remainder(999983)
                score = score.double() / temperature[b].double()
            owned = torch.zeros([count], dtype=torch.bool)
            for n in range(pins.size(1)):
                pin = int(pins[b, n])
                if pin >= 0:
                    owned[pin] = True
                    if int(dedup_keys[b, pin]) >= 0:
                        owned |= dedup_keys[b, :count] == dedup_keys[b, pin]
            for n in range(int(slots[b])):
                pin = int(pins[b, n])
                if pin >= 0:
                    slates[b, n] = pin
                    continue
                if bool(owned.all()):
                    continue
                best = int(score.masked_fill(owned, -float("inf")).argmax())
                owned[best] = True
                if int(dedup_keys[b, best]) >= 0:
                    owned |= dedup_keys[b, :count] == dedup_keys[b, best]
                slates[b, n] = best
                log_prob[b, n] = -0.1 * float(n + 1)
                if n == 1 and bool((spacing[b, :, 0] > 0).any()):
                    relaxed[b, n] = 1
                if n == 2 and bool((quotas[b] > 0).any()):
                    relaxed[b, n] = 3
        if int(board[3]) != 0:
            slates[:, 0] = int(board[3])
        return Slates(slates, log_prob, relaxed)


def _scripted(board: str) -> torch.jit.ScriptModule:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*torch.jit.*", category=DeprecationWarning)
        scripted: torch.jit.ScriptModule = torch.jit.script(_Chooser(board))
    return scripted


class StandIn:
    """An artifact file whose model is `_Chooser`, and the board that it maps.

    Attributes:
        path: The artifact.
        model_version: As answers name it.
    """

    def __init__(
        self, folder: Path, name: str = "stand-in", contract: RequestContract = CONTRACT
    ) -> None:
        board = folder / f"{name}.board"
        np.zeros(_CELLS, np.int32).tofile(board)
        self._board = np.memmap(board, np.int32, "r+")
        self.release()
        self.path = folder / f"{name}.gerank"
        self.model_version = f"{name}-1"
        manifest = build_manifest(contract, self.model_version, {})
        save_artifact(_scripted(str(board)), contract, manifest, self.path)

    def hold(self) -> None:
        """Forwards that begin from now on wait."""
        self._board[GATE] = 0

    def release(self) -> None:
        """Forwards go on."""
        self._board[GATE] = 1

    def fail(self, failing: bool) -> None:
        """Whether forwards raise."""
        self._board[FAILING] = int(failing)

    def answer_wrongly(self, candidate: int) -> None:
        """Whether slot 0 of every slate holds this candidate; 0 = no."""
        self._board[WRONG] = candidate

    def reset(self) -> None:
        """Counts forwards from 0 again: loading an artifact runs it too."""
        self._board[ENTERED] = 0

    @property
    def forwards(self) -> int:
        """How many have begun."""
        return int(self._board[ENTERED])

    def await_forwards(self, count: int, timeout_s: float = 10.0) -> None:
        """Returns when so many have begun."""
        end = time.monotonic() + timeout_s
        while self.forwards < count:
            assert time.monotonic() < end, f"{self.forwards} forwards have begun, not {count}"
            time.sleep(0.001)
