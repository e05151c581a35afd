"""Whether an artifact's implementations give the same slates."""

from __future__ import annotations

from pathlib import Path

from gerank.data.batch import Slates
from gerank.export import golden
from gerank.export.artifact import load_artifact
from gerank.export.precision import Precision
from gerank.export.torch_state import own_torch_state
from gerank.ranker import ArtifactError, Ranker, StatusError

_REQUESTS, _CANDIDATES, _SEED = 1024, 40, 1


def verify_artifact(path: Path) -> tuple[Ranker, int]:
    """Checks an artifact, and holds the native pass against the scripted module.

    Args:
        path: The file.

    Returns:
        The artifact, in float32, and how many random requests both implementations
        answered alike; 0 where the artifact has only one.

    Raises:
        ArtifactError: The file is refused, or an answer differs.
    """
    ranker = Ranker.load(path, precision=Precision.FLOAT32)  # as TorchScript answers
    if ranker.implementation != "native":
        return ranker, 0
    artifact = load_artifact(path)
    candidates = min(_CANDIDATES, artifact.contract.max_candidates)
    with own_torch_state():
        batch = golden.draw_batch(artifact.contract, _REQUESTS, candidates, _SEED)
        answer = Slates(*artifact.module(*batch))
    try:
        ranker.native.compare(golden.to_bytes(batch, answer))
    except StatusError as error:
        raise ArtifactError(f"{path}: native pass and TorchScript differ: {error}") from error
    return ranker, _REQUESTS
