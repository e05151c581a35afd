"""Generates gerank/proto/, the Python side of protos/, with the protoc inside grpcio-tools.

setup.py calls it; `python tools/generate_protos.py [OUT]` does by hand. The output is not
committed.
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).resolve().parents[1]
PROTOS = ROOT / "protos"
PACKAGE = "gerank.proto"
HEADER = '"""Generated from protos/ by tools/generate_protos.py: do not edit."""\n'


def generate_protos(out: Path = ROOT / "gerank" / "proto") -> list[Path]:
    """Writes `*_pb2.py`, `*_pb2.pyi`, `*_pb2_grpc.py` and `__init__.py` into `out`.

    Files that are already current are left untouched, so that builds stay incremental.

    Returns:
        The files of the package.

    Raises:
        RuntimeError: protoc refused a file; it has told why on stderr.
    """
    with tempfile.TemporaryDirectory() as scratch:
        _run_protoc(Path(scratch))
        texts = {path.name: _relocate(path.read_text()) for path in Path(scratch).rglob("*.py*")}
    texts["__init__.py"] = HEADER
    out.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        path = out / name
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
    return [out / name for name in sorted(texts)]


def _run_protoc(out: Path) -> None:
    # The others are copies for C++; in Python their own packages have them.
    sources = [str(path) for path in sorted((PROTOS / "gerank").rglob("*.proto"))]
    outputs = [f"--{kind}_out={out}" for kind in ("python", "pyi", "grpc_python")]
    if protoc.main(["protoc", f"-I{PROTOS}", *outputs, *sources]) != 0:
        raise RuntimeError(f"protoc failed on {sources}")


def _relocate(text: str) -> str:
    """Modules follow the proto package, `gerank.v1`; the Python package is ours."""
    return re.sub(r"\bgerank\.v1(?= import |\.\w+_pb2\b)", PACKAGE, text)


if __name__ == "__main__":
    for written in generate_protos(*map(Path, sys.argv[1:2])):
        print(written)
