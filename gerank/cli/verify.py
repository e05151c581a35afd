"""`gerank verify`: whether an artifact is whole and answers as it did when it was written."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gerank.cli.console import say


def verify(file: Annotated[Path, typer.Argument(help="An artifact.")]) -> None:
    """Check an artifact: format, checksums, golden requests; native pass against TorchScript.

    Example:  gerank verify model.gerank
    """
    from gerank.export.verify import verify_artifact

    ranker, compared = verify_artifact(file)
    say(f"{file}: {ranker.model_version} is whole, golden requests passed")
    if compared:
        say(f"{file}: native pass and TorchScript gave the same slates to {compared} requests")
    else:
        say(f"{file}: has a TorchScript module and no native pass")
