"""What the simulator knows and a log must not: the latent state of every page."""

from __future__ import annotations

import json
import zipfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gerank.data.simulator.above import ItemsAbove, logged_above
from gerank.data.simulator.users import ShownPages, User, UserKind, make_user
from gerank.data.whole_file import whole_file

FILE_NAME = "truth.npz"
"""Lies beside the exposure log it belongs to."""

_FORMAT_VERSION = 2
_COLUMNS = ("attraction", "seller", "category", "content_type")
_ARRAYS = ("page_ids", *_COLUMNS, "person")
_ABOVE = "above_"
_SLOTS_AT_ONCE = 1 << 20  # bounds the memory that enumerations take


class TruthError(ValueError):
    """A truth file that cannot be used; the message names it."""


@dataclass(frozen=True)
class SimulatorTruth:
    """Latent state of E pages of M candidates. Only metrics and rewards of experiments see it.

    Attributes:
        page_ids: [E] str. The ids of the log's pages.
        attraction: [E, M] float32. Tells how each candidate attracts the page's person, in logits.
        seller, category, content_type: [E, M] int64.
        person: [E] float32. Activity of the person and intent of the page, in logits.
        user: The click model.
        above: What the log showed above each page, in endless feeds; None = pages stand alone.
    """

    page_ids: NDArray[np.str_]
    attraction: Tensor
    seller: Tensor
    category: Tensor
    content_type: Tensor
    person: Tensor
    user: User
    above: ItemsAbove | None = None

    def __len__(self) -> int:
        return len(self.page_ids)

    def click_probability(self, rows: NDArray[np.int64] | Tensor, slates: Tensor) -> Tensor:
        """Probability of a click at every slot.

        Args:
            rows: [B] int64. Pages, as indices into this truth.
            slates: [B, N] or [B, G, N] int64. Candidates shown; -1 at an empty slot.

        Returns:
            The shape of `slates`, float32; 0 at empty slots.

        Raises:
            ValueError: The shapes do not agree.
            IndexError: A row or a candidate does not exist.
        """
        return self.user.click_probability(self._shown(rows, slates))

    def any_click(self, rows: NDArray[np.int64] | Tensor, slates: Tensor) -> Tensor:
        """Probability that a page is clicked at all: arguments and errors of `click_probability`.

        Returns:
            [B] or [B, G] float32.
        """
        return self.user.any_click(self._shown(rows, slates))

    def sample_clicks(
        self, generator: np.random.Generator, rows: NDArray[np.int64] | Tensor, slates: Tensor
    ) -> Tensor:
        """Clicks of one visit to every slate: arguments and errors of `click_probability`.

        Args:
            generator: Source of the chance.
            rows: Pages.
            slates: Candidates shown.

        Returns:
            The shape of `slates`, bool; False at empty slots.
        """
        return self.user.sample_clicks(generator, self._shown(rows, slates))

    def expected_clicks(self, rows: NDArray[np.int64] | Tensor, slates: Tensor) -> Tensor:
        """Expected number of clicks on every slate: arguments and errors of `click_probability`.

        Returns:
            [B] or [B, G] float32.
        """
        pages = self._checked(rows, slates)
        step = max(1, _SLOTS_AT_ONCE // max(1, slates[:1].numel()))
        parts = zip(pages.split(step), slates.split(step), strict=True)  # type: ignore[no-untyped-call]
        return torch.cat([self.click_probability(*part).sum(-1) for part in parts])

    def select(self, rows: NDArray[np.int64]) -> SimulatorTruth:
        """The truth of `log.select(rows)`, when this is the truth of `log`."""
        pages = torch.as_tensor(rows)
        return SimulatorTruth(
            self.page_ids[rows],
            self.attraction[pages],
            self.seller[pages],
            self.category[pages],
            self.content_type[pages],
            self.person[pages],
            self.user,
            None if self.above is None else self.above.select(pages),
        )

    def in_feeds(self, slates: Tensor, before: NDArray[np.int64]) -> SimulatorTruth:
        """The truth of the same pages when they follow each other in feeds.

        Args:
            slates: [E, N] int64. What was shown on every page.
            before: [E]. The page above each page; -1 = none.
        """
        pages = self._shown(torch.arange(len(self)), slates)
        return replace(self, above=logged_above(pages, before))

    def write(self, directory: Path) -> None:
        """Writes `truth.npz` into the folder, which is made if need be; all or nothing.

        Raises:
            OSError: The folder cannot be written.
        """
        path = Path(directory) / FILE_NAME
        document = {
            "format_version": _FORMAT_VERSION,
            "users": self.user.kind,
            "parameters": asdict(self.user),
        }
        columns = {name: getattr(self, name) for name in (*_COLUMNS, "person")}
        if self.above is not None:
            columns |= {_ABOVE + name: column for name, column in self.above.columns().items()}
        arrays: dict[str, Any] = {name: column.numpy() for name, column in columns.items()}
        with whole_file(path) as unfinished, unfinished.open("wb") as file:
            np.savez(
                file, document=np.array(json.dumps(document)), page_ids=self.page_ids, **arrays
            )

    @classmethod
    def read(cls, directory: Path) -> SimulatorTruth:
        """Reads what `write` wrote.

        Raises:
            TruthError: The file is missing, damaged or of another format version.
        """
        path = Path(directory) / FILE_NAME
        if not path.is_file():
            raise TruthError(f"{path}: no such file")
        try:
            with np.load(path, allow_pickle=False) as archive:
                document = json.loads(str(archive["document"]))
                if document["format_version"] != _FORMAT_VERSION:
                    raise TruthError(
                        f"{path}: format version {document['format_version']!r}, "
                        f"this gerank reads {_FORMAT_VERSION}"
                    )
                arrays = {name: archive[name] for name in _ARRAYS}
                above = {
                    name.removeprefix(_ABOVE): torch.from_numpy(archive[name])
                    for name in archive.files
                    if name.startswith(_ABOVE)
                }
            user = make_user(UserKind(document["users"]), document["parameters"])
            items = ItemsAbove(**above) if above else None
        except TruthError:
            raise
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
            raise TruthError(f"{path}: not a readable simulator truth: {error!r}") from error
        page_ids = arrays.pop("page_ids")
        tensors = {name: torch.from_numpy(values) for name, values in arrays.items()}
        return cls(page_ids=page_ids, user=user, above=items, **tensors)

    def _shown(self, rows: NDArray[np.int64] | Tensor, slates: Tensor) -> ShownPages:
        """What stands in the slots: columns of the shape of `slates`."""
        pages = self._checked(rows, slates)
        choice = slates.flatten(1).clamp(min=0)  # [B, G * N]
        columns = {
            name: getattr(self, name)[pages].gather(1, choice).view(slates.shape)
            for name in _COLUMNS
        }
        person = self.person[pages].view(-1, *(1,) * (slates.dim() - 1))
        alone = ShownPages(**columns, shown=slates >= 0, person=person)
        return alone if self.above is None else self.above.select(pages).on_top_of(alone)

    def _checked(self, rows: NDArray[np.int64] | Tensor, slates: Tensor) -> Tensor:
        """[B]. The rows as a tensor, after a look at shapes and ranges."""
        pages = torch.as_tensor(rows, device=self.attraction.device)
        if slates.dim() not in (2, 3) or slates.shape[:1] != pages.shape:
            raise ValueError(
                f"slates have shape {tuple(slates.shape)}, not [B, N] or [B, G, N] with "
                f"B = {len(pages)} rows"
            )
        _check_range("row", pages, 0, len(self) - 1)
        _check_range("candidate", slates, -1, self.attraction.shape[1] - 1)
        return pages


def _check_range(name: str, index: Tensor, lowest: int, highest: int) -> None:
    outside = (index < lowest) | (index > highest)
    if bool(outside.any()):
        raise IndexError(f"{name} {int(index[outside][0])} is outside [{lowest}, {highest}]")
