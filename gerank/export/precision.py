"""The numbers that an artifact multiplies in, and what bfloat16 changes of its slates."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Any

import torch

from gerank.data.batch import RerankBatch, Slates
from gerank.data.contract import RequestContract
from gerank.export import golden
from gerank.ranker import ArtifactError, Ranker

_DRAWN_REQUESTS, _DRAWN_CANDIDATES, _DRAWN_SEED = 1024, 40, 2


class Precision(StrEnum):
    """What an artifact asks for of the server that loads it.

    Attributes:
        FLOAT32: The precision of its parameters.
        BFLOAT16: Rows and matrices are rounded as they enter a product; sums stay float32.
    """

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"


def precision_of(manifest: dict[str, Any]) -> Precision:
    """The precision that an artifact asks for."""
    return Precision(manifest.get("precision", {}).get("name", Precision.FLOAT32))


def precision_document(path: Path, requests: RerankBatch) -> dict[str, Any]:
    """What the manifest of an artifact in bfloat16 says of it.

    Args:
        path: The artifact, which need not say so yet.
        requests: B of them, to answer in both precisions.

    Returns:
        `name`, the share `changed_slates` of the requests that get another slate, and their number
        `requests`.

    Raises:
        ArtifactError: The file is refused, its generator has an encoder of its own, or this
            processor lacks what multiplies bfloat16.
    """
    rounded = Ranker.load(path, precision=Precision.BFLOAT16)
    if rounded.implementation != "native":
        raise ArtifactError(
            f"{path}: precision: must be float32 where the encoder is one of your own, got bfloat16"
        )
    if rounded.precision != Precision.BFLOAT16:
        raise ArtifactError(
            f"{path}: precision: bfloat16 is measured when an artifact is written, and this "
            "processor lacks AVX512_BF16, or GERANK_CPU forbids it"
        )
    exact = Ranker.load(path, precision=Precision.FLOAT32)
    changed = answer(exact, requests).slates != answer(rounded, requests).slates
    return {
        "name": str(Precision.BFLOAT16),
        "changed_slates": changed.any(1).double().mean().item(),
        "requests": len(changed),
    }


def answer(ranker: Ranker, requests: RerankBatch) -> Slates:
    """A padded batch of requests that satisfy the contract, answered by the engine."""
    fields = tuple(tensor.contiguous().numpy() for tensor in requests)
    return Slates(*map(torch.from_numpy, ranker.native.run(fields)))


def drawn_requests(contract: RequestContract) -> RerankBatch:
    """Random requests within a contract, where there is no log."""
    candidates = min(_DRAWN_CANDIDATES, contract.max_candidates)
    return golden.draw_batch(contract, _DRAWN_REQUESTS, candidates, _DRAWN_SEED)
