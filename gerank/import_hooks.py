"""What `import gerank` arranges for imports that come after it, while it stays cheap itself.

As soon as torch is there, the ops are: `torch.jit.load("model.gerank")` then needs nothing more.
"""

from __future__ import annotations

import importlib.util
import sys
import warnings
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType


def register_ops() -> None:
    """Registers the ops with torch; where they cannot be, warns why: the host may not need them."""
    try:
        from gerank.ops.loading import load_library

        load_library()
    except ImportError as error:
        warnings.warn(f"torch.ops.gerank is not there: {error}", RuntimeWarning, stacklevel=2)


class _Hooks(MetaPathFinder):
    """Finds nothing by itself: it looks on while others do."""

    _looking = False

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != "torch" or self._looking:
            return None
        self._looking = True
        try:
            spec = importlib.util.find_spec(name)
        finally:
            self._looking = False
        if spec is not None and spec.loader is not None:
            _register_ops_after(spec)
        return spec


def _register_ops_after(spec: ModuleSpec) -> None:
    assert spec.loader is not None
    execute = spec.loader.exec_module

    def execute_and_register(module: ModuleType) -> None:
        execute(module)
        register_ops()

    # On this one loader of this one module, which stays what it is for everybody who looks at it.
    spec.loader.exec_module = execute_and_register  # type: ignore[method-assign]


def install() -> None:
    """Registers the ops now if torch is there, else when it comes."""
    if "torch" in sys.modules:
        register_ops()
    if not any(isinstance(finder, _Hooks) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Hooks())
