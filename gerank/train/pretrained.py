"""Embedding tables that were trained elsewhere, as the generator's starting rows or for good."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from torch import Tensor

from gerank.data.feature_block import IdUnit, id_units
from gerank.data.schema import Feature, FeatureSchema, SchemaError
from gerank.nn.features import IdEmbedding
from gerank.nn.generator import Generator
from gerank.train.setting_rules import ConfigError
from gerank.train.table_config import TableConfig


@dataclass(frozen=True)
class Pretrained:
    """The vectors of one id feature, or of a list's ids.

    Attributes:
        name: `user.NAME` or `candidate.NAME`.
        column: Where its first column lies among the id columns of its side.
        ids: [R] int64. Values, as in a log; each once.
        vectors: [R, W] float32. Their vectors.
        frozen: Whether training leaves them as they are.
    """

    name: str
    column: int
    ids: Tensor
    vectors: Tensor
    frozen: bool

    def rows(self, generator: Generator) -> Tensor:
        """[R] int64: the rows of the generator's table, on the CPU."""
        embedding = self._embedding(generator)
        columns = embedding.sizes.numel()
        ids = torch.zeros(len(self.ids), columns, dtype=torch.int64)
        ids[:, self.column] = self.ids
        rows: Tensor = embedding.rows(ids.to(embedding.offsets.device))[:, self.column]
        return rows.cpu()

    def put(self, generator: Generator) -> None:
        """Puts the vectors into the table; hashed values that share a row give it their mean."""
        rows, table = self.rows(generator), self._embedding(generator).table.weight.data
        taken, place, count = torch.unique(rows, return_inverse=True, return_counts=True)
        total = torch.zeros(len(taken), self.vectors.size(1)).index_add_(0, place, self.vectors)
        table[taken.to(table.device)] = (total / count.unsqueeze(1)).to(table.device)

    def hold(self, generator: Generator) -> None:
        """Keeps training from the rows, where the generator lies now."""
        weight = self._embedding(generator).table.weight
        free = torch.ones(len(weight), dtype=torch.bool)
        free[self.rows(generator)] = False
        free = free.to(weight.device)
        weight.register_hook(lambda gradient: _of_rows(gradient, free))  # type: ignore[no-untyped-call]

    def _embedding(self, generator: Generator) -> IdEmbedding:
        features = generator.features
        of_user = self.name.startswith("user.")
        return features.user_embedding if of_user else features.candidate_embedding


class PretrainedTables:
    """All tables of a configuration."""

    def __init__(self, tables: Sequence[Pretrained] = ()) -> None:
        self._tables = tables

    @classmethod
    def read(cls, tables: Mapping[str, TableConfig], schema: FeatureSchema, width: int) -> Self:
        """Reads the files.

        Args:
            tables: `user.NAME` or `candidate.NAME` -> its table.
            schema: The features.
            width: W, of the generator's embeddings.

        Raises:
            ConfigError: There is no such id feature or file, or a vector is missing, of another
                width or not finite, or a value does not fit; key, file and value are named.
        """
        return cls([_read(name, config, schema, width) for name, config in tables.items()])

    def put(self, generator: Generator) -> None:
        """Puts all vectors into the generator's tables."""
        for table in self._tables:
            table.put(generator)

    def hold(self, generator: Generator) -> None:
        """Puts the frozen ones there, whatever was there, and keeps training from them."""
        for table in self._tables:
            if table.frozen:
                table.put(generator)
                table.hold(generator)


def _of_rows(gradient: Tensor, free: Tensor) -> Tensor:
    """The gradient of the rows that are `free`; the others have none."""
    if not gradient.is_sparse:
        return torch.where(free.unsqueeze(1), gradient, torch.zeros_like(gradient))
    gradient = gradient.coalesce()
    kept = free[gradient.indices()[0]]
    indices, values = gradient.indices()[:, kept], gradient.values()[kept]
    return torch.sparse_coo_tensor(
        indices, values, gradient.shape, is_coalesced=True, check_invariants=False
    )


def _read(name: str, config: TableConfig, schema: FeatureSchema, width: int) -> Pretrained:
    key, unit = f"tables.{name!r}", _unit(name, schema)
    if not config.file.is_file():
        raise ConfigError(f"{key}: file: {config.file}: no such file")
    try:
        if config.file.suffix == ".npy":
            ids, vectors = _of_npy(config.file, unit.feature)
        else:
            ids, vectors = _of_parquet(config, unit.feature)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise ConfigError(f"{key}: {config.file}: {error}") from None
    if vectors.ndim != 2 or vectors.shape[1] != width:
        raise ConfigError(
            f"{key}: {config.file}: its vectors have the shape {vectors.shape[1:]}, not the "
            f"({width},) of generator.embedding_width"
        )
    wrong = ~np.isfinite(vectors).all(1)
    if wrong.any():
        value = unit.feature.decode(ids[int(np.argmax(wrong))])
        raise ConfigError(f"{key}: {config.file}: the vector of {value!r} is not finite")
    tensors = torch.from_numpy(ids), torch.from_numpy(vectors.astype(np.float32))
    return Pretrained(name, unit.columns[0], *tensors, config.frozen)


def _unit(name: str, schema: FeatureSchema) -> IdUnit:
    side, _, own = name.partition(".")
    if side in ("user", "candidate"):
        ids = schema.user_ids if side == "user" else schema.candidate_ids
        units = {unit.name: unit for unit in id_units(ids, schema.blocks_of(side))}
        if own in units:
            return units[own]
    raise ConfigError(
        f"tables.{name!r}: is no id feature or list of ids: user.NAME, candidate.NAME"
    )


def _of_npy(file: Path, feature: Feature) -> tuple[NDArray[np.int64], NDArray[Any]]:
    if feature.hashed:
        raise ValueError("the values of a hashed id have no order: take Parquet with a key")
    vectors = np.load(file, allow_pickle=False)
    if not 1 <= len(np.atleast_1d(vectors)) <= feature.vocabulary:
        raise ValueError(f"{len(vectors)} rows for a vocabulary of {feature.vocabulary}")
    return np.arange(len(vectors)), vectors


def _of_parquet(config: TableConfig, feature: Feature) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """The rows of values that the feature has; a named vocabulary may lack some of the file's."""
    table = pq.read_table(config.file, columns=[config.key, config.vector])
    for name in (config.key, config.vector):
        if name not in table.column_names:
            raise ValueError(f"it has no column {name!r}")
    found: dict[int, Any] = {}
    for value, vector in zip(
        table[config.key].to_pylist(), table[config.vector].to_pylist(), strict=True
    ):
        if feature.values and value not in feature.values:
            continue
        try:
            number = int(feature.encode(value))
        except SchemaError as error:
            raise ValueError(str(error)) from None
        if number in found:
            raise ValueError(f"{value!r} is there twice")
        found[number] = vector
    if not found:
        raise ValueError(f"column {config.key!r} has no value of the feature")
    lengths = {0 if vector is None else len(vector) for vector in found.values()}
    if len(lengths) > 1:
        raise ValueError(f"its vectors have different widths: {sorted(lengths)}")
    vectors = np.array(list(found.values()), np.float64)
    return np.fromiter(found, np.int64, len(found)), vectors
