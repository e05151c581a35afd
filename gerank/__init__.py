"""gerank re-ranks whole pages: a generator proposes the slate, rules are masks in its decoding.

Three names are said here once: the library `libgerank.so`, the op namespace `torch.ops.gerank`, the
package `gerank`. Importing it loads nothing heavy, and registers the ops as soon as torch is there.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gerank.import_hooks import install as install_import_hooks
from gerank.torch_version import LIBRARY
from gerank.version import __version__

if TYPE_CHECKING:
    import pandas

    from gerank.ranker import Ranker

NAMESPACE = "gerank"
cmake_prefix_path = str(Path(__file__).resolve().parent)
"""For C++ programs: `cmake -DCMAKE_PREFIX_PATH=...`, then `find_package(gerank)`."""

__all__ = ["LIBRARY", "NAMESPACE", "__version__", "cmake_prefix_path", "load", "runs"]


def load(
    path: str | Path,
    *,
    implementation: str = "auto",
    precision: str = "auto",
    device: str = "cpu",
) -> Ranker:
    """Loads an artifact: `gerank.load("model.gerank").rank(requests)`.

    Args:
        path: The file.
        implementation: `auto`, `native` or `torchscript`; see `gerank.ranker.Ranker.load`.
        precision: `auto`, `float32` or `bfloat16`.
        device: `cpu` or `cuda`.

    Raises:
        ArtifactError: The file is refused; see `gerank.ranker.Ranker.load`.
        ValueError: An option is none of its words.
    """
    from gerank.ranker import Ranker  # importing gerank alone stays cheap

    return Ranker.load(path, implementation=implementation, precision=precision, device=device)


def runs(*folders: str | Path) -> pandas.DataFrame:
    """Training runs as a pandas frame, the oldest first: `gerank.runs("runs")`.

    Args:
        folders: Runs, or folders that hold some.

    Raises:
        ImportError: pandas is not installed.
        RunError: A folder does not exist, or a run in it cannot be read.
    """
    from gerank.train.runs import find_runs, frame_of  # importing gerank alone stays cheap

    return frame_of(find_runs([Path(folder) for folder in folders]))


install_import_hooks()
