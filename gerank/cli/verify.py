"""`gerank verify`: whether an artifact is whole and answers as it did when it was written."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gerank.cli.console import say


def verify(file: Annotated[Path, typer.Argument(help="An artifact.")]) -> None:
    """Check an artifact: format, checksums, op schemas, golden requests.

    Example:  gerank verify model.gerank
    """
    from gerank.ranker import Ranker

    ranker = Ranker.load(file)
    say(f"{file}: {ranker.model_version} is whole, golden requests passed")
