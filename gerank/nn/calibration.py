"""Monotone maps of upstream scores, so that the model need not know today's upstream."""

import torch
from torch import Tensor, nn

KNOTS = 72
"""Every map has so many knots, so that any map can take the place of another."""


class ScoreCalibration(nn.Module):
    """Replaces some dense columns by piecewise linear, rising functions of them.

    The knots are buffers: a scripted model carries them, and refitting them is no retraining.
    Outside of its knots a map goes on with the slope of its last piece, so that scores never seen
    before keep their order. Fresh maps leave scores as they are.
    """

    __constants__ = ("maps",)
    columns: Tensor
    knots: Tensor
    values: Tensor

    def __init__(self, columns: tuple[int, ...], knots: int = KNOTS) -> None:
        super().__init__()
        self.maps = len(columns)
        self.register_buffer("columns", torch.tensor(columns, dtype=torch.int64))
        line = torch.linspace(0.0, 1.0, knots).repeat(self.maps, 1)
        self.register_buffer("knots", line)
        self.register_buffer("values", line.clone())

    @torch.jit.unused
    def set_maps(self, knots: Tensor, values: Tensor) -> None:
        """Takes over maps.

        Args:
            knots: [S, K]. Rising in every row.
            values: [S, K]. Never falling in any row.

        Raises:
            ValueError: Shapes, values that are not finite, or rows that do not rise.
        """
        check_maps(self.knots, knots, values)
        self.knots.copy_(knots)
        self.values.copy_(values)

    def forward(self, dense: Tensor) -> Tensor:
        """[B, M, F] -> [B, M, F] with the columns replaced."""
        if self.maps == 0:
            return dense
        raw = dense.index_select(2, self.columns)
        scores = raw.permute(2, 0, 1).reshape(self.maps, -1)  # [S, B * M]
        last = self.knots.size(1) - 1
        right = torch.searchsorted(self.knots, scores.contiguous()).clamp(1, last)
        x0, x1 = self.knots.gather(1, right - 1), self.knots.gather(1, right)
        y0, y1 = self.values.gather(1, right - 1), self.values.gather(1, right)
        mapped = y0 + (scores - x0) * ((y1 - y0) / (x1 - x0))
        mapped = mapped.view(self.maps, raw.size(0), raw.size(1)).permute(1, 2, 0)
        return dense.index_copy(2, self.columns, mapped)


def check_maps(like: Tensor, knots: Tensor, values: Tensor) -> None:
    """Raises ValueError unless knots and values [S, K] are maps of the shape of `like`."""
    for name, rows in (("knots", knots), ("values", values)):
        if rows.shape != like.shape:
            raise ValueError(f"{name} have shape {list(rows.shape)}, not {list(like.shape)}")
        if not rows.isfinite().all():
            raise ValueError(f"{name} hold a value that is not finite")
    if (knots.to(like.dtype).diff(dim=1) <= 0).any():
        raise ValueError("knots do not rise")
    if (values.to(like.dtype).diff(dim=1) < 0).any():
        raise ValueError("values fall")
