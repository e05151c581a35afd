"""`gerank.json`: what an artifact says of itself."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from gerank.data.contract import RequestContract
from gerank.version import __version__

FORMAT_VERSION = 2
_OPS = ("decode_slates", "encode_set", "rank_page", "set_features")


def op_schemas() -> dict[str, str]:
    """The schemas of the ops that a served model calls, as the loaded library states them."""
    return {name: str(getattr(torch.ops.gerank, name).default._schema) for name in _OPS}


def model_version(
    name: str,
    model: nn.Module,
    presets: Mapping[str, Mapping[str, Any]] | None = None,
    precision: str = "float32",
) -> str:
    """`name` and a digest of what answers: two artifacts share it only if they answer alike.

    Args:
        name: First part of the version.
        model: Whose parameters are part of the digest.
        presets: They are the contract's; without any, the digest is that of the parameters alone.
        precision: What a server without a will of its own answers in; float32 adds nothing.
    """
    digest = hashlib.sha256()
    if presets:
        digest.update(json.dumps(presets, sort_keys=True).encode())
    if precision != "float32":
        digest.update(precision.encode())
    for key, tensor in sorted(model.state_dict().items()):
        digest.update(key.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return f"{name}-{digest.hexdigest()[:12]}"


def build_manifest(
    contract: RequestContract, version: str, training: dict[str, Any], **optional: Any
) -> dict[str, Any]:
    """The document.

    Args:
        contract: What requests must satisfy.
        version: Names the model.
        training: Facts of the run, for people.
        optional: `calibration`, `utilities`: each is left out where it is empty.
    """
    return {name: part for name, part in optional.items() if part} | {
        "format_version": FORMAT_VERSION,
        "model_version": version,
        **contract.to_json(),
        "versions": {
            "gerank": __version__,
            "torch": str(torch.__version__).split("+")[0],
            "ops": op_schemas(),
        },
        "training": training,
    }


def calibration_document(scores: list[str], knots: Tensor, values: Tensor) -> dict[str, Any]:
    """Score -> its map from a score to the log-odds of a click.

    Args:
        scores: S feature names.
        knots: [S, K].
        values: [S, K].
    """
    rows = zip(scores, knots.tolist(), values.tolist(), strict=True)
    return {name: {"knots": x, "log_odds": y} for name, x, y in rows}


def manifest_bytes(manifest: dict[str, Any]) -> bytes:
    """As it lies in the archive."""
    return json.dumps(manifest, indent=2).encode()  # the order of weights is that of columns
