"""Settings of an embedding table that was trained elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class TableConfig:
    """Vectors of an id's values; those of which it has none start as without a file.

    Attributes:
        file: `.npy`, a row for each value of a fixed vocabulary in its order; or Parquet, a row for
            each value that it knows, with the columns `key` and `vector`. It is relative to the
            folder of the TOML file. Vectors are as wide as `generator.embedding_width` and are
            taken as they are: a deviation of 0.1 is what others start with.
        frozen: Whether training leaves the vectors as they are.
        key: The Parquet column of the values, as requests write them.
        vector: The Parquet column of the vectors.
    """

    file: Path
    frozen: bool = False
    key: str = "key"
    vector: str = "vector"
