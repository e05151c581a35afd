"""A generator as one block of memory, as csrc/page/page_format.h lays it out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

MAGIC, VERSION = 0x454741505F524547, 1
_ALIGNMENT = 64  # bytes
_SIZES = (
    "user_dense",
    "user_ids",
    "candidate_dense",
    "candidate_ids",
    "utilities",
    "groups",
    "flags",
    "width",
    "attention_width",
    "embedding_width",
    "context_window",
    "context",
    "maps",
    "knots",
    "user_units",
    "candidate_units",
    "user_rows",
    "candidate_rows",
    "user_lists",
    "candidate_lists",
    "control",
    "control_hidden",
)
_SECTIONS = (
    "user_mean",
    "user_deviation",
    "user_columns",
    "user_units",
    "user_unit_columns",
    "user_table",
    "dense_columns",
    "candidate_mean",
    "candidate_deviation",
    "map_columns",
    "knots",
    "map_values",
    "candidate_columns",
    "candidate_units",
    "candidate_unit_columns",
    "candidate_table",
    "list_queries",
    "flag_columns",
    "group_columns",
    "weight_middle",
    "weight_reach",
    "control_input",
    "control_hidden",
    "control_head",
    "candidate_first",
    "candidate_bias",
    "user_first",
    "product",
    "item",
    "set_hidden",
    "set_out",
    "decoder",
    "attention",
)
_FIRST_SIZE = 3  # magic, version and bytes stand before
_HEADER = _FIRST_SIZE + len(_SIZES) + len(_SECTIONS)  # numbers of 64 bits


class Packed(NamedTuple):
    """A packed generator.

    Attributes:
        blob: [P] float32. The block; its bits are what counts, and some of them are integers.
        offsets: Section -> where it begins in `blob`, in numbers of 32 bits.
    """

    blob: Tensor
    offsets: dict[str, int]

    def section(self, name: str, shape: Sequence[int]) -> Tensor:
        """A float32 section as a view of the block."""
        count = torch.Size(shape).numel()
        return self.blob.narrow(0, self.offsets[name], count).view(*shape)


def pack_page(sizes: Mapping[str, int], sections: Mapping[str, Sequence[Tensor]]) -> Packed:
    """Lays out a block.

    Args:
        sizes: Each field of the header between `bytes` and `sections`.
        sections: Each section, as the float32 and int64 tensors that follow upon each other there.

    Raises:
        ValueError: A size or a section is missing or unknown, or a tensor has another dtype.
    """
    for given, known in ((sizes, _SIZES), (sections, _SECTIONS)):
        if set(given) != set(known):
            differing = sorted(set(given) ^ set(known))
            raise ValueError(f"a page model has {', '.join(known)}; {differing} differ")
    parts, offsets, end = [], {}, _padded(2 * _HEADER)
    for name in _SECTIONS:
        section = torch.cat([*map(_words, sections[name]), torch.zeros(0)])
        offsets[name] = end
        end += _padded(section.numel())
        parts += [section, torch.zeros(_padded(section.numel()) - section.numel())]
    header = [MAGIC, VERSION, 4 * end, *(sizes[name] for name in _SIZES)]
    header += [4 * offsets[name] for name in _SECTIONS]
    first = _words(torch.tensor(header, dtype=torch.int64))
    gap = torch.zeros(_padded(first.numel()) - first.numel())
    return Packed(torch.cat([first, gap, *parts]), offsets)


def read_offsets(blob: Tensor) -> Packed:
    """A block that was packed before.

    Raises:
        ValueError: It is none of this version.
    """
    header = blob[: 2 * _HEADER].view(torch.int64)
    if len(header) < _HEADER or header[:2].tolist() != [MAGIC, VERSION]:
        raise ValueError(f"no packed page model of version {VERSION}")
    places = header[_FIRST_SIZE + len(_SIZES) :].tolist()
    return Packed(blob, {name: at // 4 for name, at in zip(_SECTIONS, places, strict=True)})


def _words(values: Tensor) -> Tensor:
    """A tensor's numbers as float32 of the same bits, [numbers of 32 bits]."""
    if values.dtype not in (torch.float32, torch.int64):
        raise ValueError(f"a page model holds float32 and int64, got {values.dtype}")
    flat = values.detach().cpu().contiguous().reshape(-1)
    return flat if values.dtype == torch.float32 else flat.view(torch.float32)


def _padded(words: int) -> int:
    unit = _ALIGNMENT // 4
    return -(-words // unit) * unit
