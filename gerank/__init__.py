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
    from gerank.ranker import Ranker

NAMESPACE = "gerank"
cmake_prefix_path = str(Path(__file__).resolve().parent)
"""For C++ programs: `cmake -DCMAKE_PREFIX_PATH=...`, then `find_package(gerank)`."""

__all__ = ["LIBRARY", "NAMESPACE", "__version__", "cmake_prefix_path", "load"]


def load(path: str | Path) -> Ranker:
    """Loads an artifact: `gerank.load("model.gerank").rank(requests)`.

    Raises:
        ArtifactError: The file is refused; see `gerank.ranker.Ranker.load`.
    """
    from gerank.ranker import Ranker  # importing gerank alone stays cheap

    return Ranker.load(path)


install_import_hooks()
