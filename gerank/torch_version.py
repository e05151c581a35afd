"""Which torch the libraries were built for, and which one is here: told before anything is loaded.

A library that meets another torch lacks a symbol at best; at worst it loads and answers wrongly.
"""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

LIBRARY = "libgerank.so"
LIBRARY_FOLDER = Path(__file__).resolve().parent / "lib"
_BUILT_FOR = re.compile(rb"gerank was built for torch ([0-9.]*[0-9])")
_INSTALLED = re.compile(r"""^__version__ *(?::[^=]*)?= *['"](.*)['"]""", re.MULTILINE)


def check_torch(folder: Path = LIBRARY_FOLDER) -> Path:
    """The library in `folder`, once it is known to fit the torch of this Python.

    Raises:
        ImportError: The library is missing, or was built for another torch.
    """
    library = folder / LIBRARY
    if not library.exists():
        raise ImportError(f"{library} is missing: run `make build` to compile the ops")
    built_for, installed = torch_built_for(library), installed_torch()
    if built_for is None:
        raise ImportError(f"{library} does not say which torch it was built for: run `make build`")
    if built_for != installed:
        raise ImportError(
            f"{library} was built for torch {built_for}, but this is torch {installed}: install "
            f"torch=={built_for}, or build gerank again with the torch that is installed "
            "(`make build`)"
        )
    return library


def torch_built_for(library: Path) -> str | None:
    """The torch release that the library's own text names; None if it names none."""
    found = _BUILT_FOR.search(library.read_bytes())
    return found[1].decode() if found else None


def installed_torch() -> str:
    """The release of the torch of this Python, which is not imported for it.

    Raises:
        ImportError: There is none.
    """
    if torch := sys.modules.get("torch"):
        return _release(torch.__version__)
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None:
        raise ImportError("gerank needs torch, and this Python has none")
    text = (Path(spec.origin).parent / "version.py").read_text(encoding="utf-8")
    found = _INSTALLED.search(text)
    return _release(found[1]) if found else "of an unknown version"


def _release(version: str) -> str:
    """2.13.0 of 2.13.0+cpu and of 2.13.0a0+git1234."""
    found = re.match(r"[0-9.]*[0-9]", version)
    return found[0] if found else version
