"""The heads of further feedback as a run keeps them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from gerank.nn.feedback_heads import FeedbackHeads, HeadShape, HeadsShape, Link
from gerank.train.run_folder import RunError, RunFolder, read_checkpoint
from gerank.train.writing import write_tensors

EVALUATOR, JUDGE = "feedback", "judge-feedback"
"""Heads that the reward comes from, and heads that judge it, of the judge's people."""


def write_heads(folder: RunFolder, whose: str, heads: FeedbackHeads | None) -> None:
    """Keeps the heads; a log of clicks alone has none."""
    if heads is not None:
        shape = asdict(heads.shape)
        for entry in shape["heads"]:
            entry["link"] = str(entry["link"])  # plain values alone are read back
        document = {"model": heads.state_dict(), "shape": shape}
        write_tensors(folder.checkpoint(whose, "best"), document)


def load_heads(folder: RunFolder, whose: str = EVALUATOR) -> FeedbackHeads | None:
    """The heads, ready to predict; None where the log of the run has clicks alone.

    Raises:
        RunError: The checkpoint is missing or damaged.
    """
    path = folder.checkpoint(whose, "best")
    if not folder.schema.feedback or (whose == JUDGE and not path.exists()):
        return None
    document = read_checkpoint(path)
    try:
        heads = FeedbackHeads(folder.schema, _shape(document["shape"]))
        heads.load_state_dict(document["model"])
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise RunError(f"{path} is not of the heads of this run: {reason}") from None
    return heads.eval().requires_grad_(False).to(folder.device)


def _shape(document: dict[str, Any]) -> HeadsShape:
    heads = tuple(HeadShape(**entry | {"link": Link(entry["link"])}) for entry in document["heads"])
    return HeadsShape(
        heads, document["slots"], document["embedding_width"], tuple(document["calibrated"])
    )
