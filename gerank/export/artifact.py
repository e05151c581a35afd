"""Writes, checks and loads the one file that is served.

It is a TorchScript archive with three extra files: `gerank.json` (the manifest),
`golden.safetensors` (requests and the slates they must get) and `checksums.json` (CRC-32 of every
other record). The weights of the native pass are the record that the manifest's `page` names: the
scripted module has them as its own tensor, so that the file holds them once.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

import gerank.ops  # noqa: F401  registers the ops that archives call
from gerank.data.batch import RerankBatch, Slates
from gerank.data.contract import RequestContract
from gerank.data.whole_file import whole_file
from gerank.export import golden
from gerank.export.archive import no_deprecation, records_of, write_archive
from gerank.export.manifest import (
    build_manifest,
    calibration_document,
    manifest_bytes,
    model_version,
)
from gerank.export.precision import Precision, drawn_requests, precision_document
from gerank.export.presets import Presets, check_presets
from gerank.export.torch_state import own_torch_state, torchscript_is_off
from gerank.nn.generator import Generator
from gerank.ranker import ArtifactError as ArtifactError
from gerank.ranker import Ranker

_GOLDEN_REQUESTS, _GOLDEN_CANDIDATES = 16, 24
_UNCHECKED = (".data/serialization_id", "extra/checksums.json")


@dataclass(frozen=True)
class Artifact:
    """A loaded and checked artifact.

    Attributes:
        module: The scripted generator: `module(*RerankBatch)` -> `Slates`.
        contract: What requests must satisfy.
        manifest: `gerank.json`.
    """

    module: torch.jit.ScriptModule
    contract: RequestContract
    manifest: dict[str, Any]

    @property
    def model_version(self) -> str:
        """Names the model in every response."""
        version: str = self.manifest["model_version"]
        return version

    def rerank(self, batch: RerankBatch) -> Slates:
        """Answers a padded batch of requests that satisfy the contract."""
        with own_torch_state():
            return Slates(*self.module(*batch))


def write_artifact(
    generator: Generator,
    contract: RequestContract,
    path: Path,
    *,
    name: str,
    training: dict[str, Any],
    presets: Presets | None = None,
    utilities: dict[str, Any] | None = None,
    precision: str = Precision.FLOAT32,
    requests: RerankBatch | None = None,
) -> Artifact:
    """Freezes, scripts and writes a generator; whole or not at all.

    Args:
        generator: A trained generator; its weights are packed for good.
        contract: What requests must satisfy.
        path: The file.
        name: First part of the model version.
        training: Facts of the training run, kept in the manifest.
        presets: Named parts of requests, checked here.
        utilities: What each utility is and what its weight is relative to; for people.
        precision: One of `Precision`: what a server without a will of its own answers in.
        requests: What bfloat16 is held against float32 with; None = random requests.

    Returns:
        The artifact, loaded back from the file and checked.

    Raises:
        ArtifactError: What was written does not pass its checks.
        PresetError: A preset does not fit the contract.
        OSError: The file cannot be written.
        ValueError: There is no such precision.
    """
    contract = replace(contract, presets=check_presets(presets or {}, contract))
    version = model_version(name, generator, contract.presets, precision)
    generator = generator.eval()
    generator.freeze()
    calibration = generator.features.calibration
    dense = contract.schema.candidate_dense
    scores = [dense[column].name for column in calibration.columns.tolist()]
    manifest = build_manifest(
        contract,
        version,
        training,
        utilities=utilities,
        calibration=calibration_document(scores, calibration.knots, calibration.values),
    )
    return save_artifact(script(generator), contract, manifest, path, precision, requests)


def save_artifact(
    scripted: torch.jit.ScriptModule,
    contract: RequestContract,
    manifest: dict[str, Any],
    path: Path,
    precision: str = Precision.FLOAT32,
    requests: RerankBatch | None = None,
) -> Artifact:
    """Writes a scripted generator with golden requests and their answers; whole or not at all.

    Args:
        scripted: The generator.
        contract: What requests must satisfy.
        manifest: `gerank.json`, but for what is found out here.
        path: The file.
        precision: One of `Precision`.
        requests: As of `write_artifact`.

    Returns:
        The artifact, loaded back from the file and checked.

    Raises:
        ArtifactError: What was written does not pass its checks.
        OSError: The file cannot be written.
    """
    candidates = min(_GOLDEN_CANDIDATES, contract.max_candidates)
    with own_torch_state():
        batch = golden.draw_batch(contract, _GOLDEN_REQUESTS, candidates, seed=0)
        answer = Slates(*scripted(*batch))
        records = records_of(scripted)
    found_here = ("page", "precision")
    manifest = {name: part for name, part in manifest.items() if name not in found_here}
    if page := _page_record(scripted, records):
        manifest["page"] = page
    records["extra/golden.safetensors"] = golden.to_bytes(batch, answer)
    chosen = Precision(precision)
    with whole_file(path) as draft:
        _write(records, manifest, draft)
        if chosen is Precision.BFLOAT16:
            asked = drawn_requests(contract) if requests is None else requests
            _write(records, manifest | {"precision": precision_document(draft, asked)}, draft)
        Ranker.load(draft)  # as a server loads it: natively where it can be
        return load_artifact(draft)


def script(module: nn.Module) -> torch.jit.ScriptModule:
    """A generator, or what answers like one, as TorchScript, parameters frozen into it.

    Raises:
        ArtifactError: TorchScript is switched off in this process.
    """
    if off := torchscript_is_off():
        raise ArtifactError(off)
    with no_deprecation():
        scripted: torch.jit.ScriptModule = torch.jit.script(module)
    return scripted


def load_artifact(path: Path) -> Artifact:
    """Loads an artifact for Python, after the engine has checked it and its golden requests.

    Raises:
        ArtifactError: The file is missing, truncated, altered or foreign, has another format
            version, calls ops this library lacks, or answers its golden requests differently.
    """
    if off := torchscript_is_off():
        raise ArtifactError(f"{path}: {off}")
    ranker = Ranker.load(path, implementation="torchscript", precision="float32")
    found = {"gerank.json": ""}
    with path.open("rb") as file, own_torch_state(), no_deprecation():
        module = torch.jit.load(file, map_location="cpu", _extra_files=found).eval()  # type: ignore[no-untyped-call]
    if json.loads(found["gerank.json"]) != ranker.manifest:
        raise ArtifactError(f"{path}: was replaced while it was read")
    return Artifact(module, ranker.contract, ranker.manifest)


def _write(records: dict[str, bytes], manifest: dict[str, Any], draft: Path) -> None:
    """Writes the archive with a manifest and the checksums of all."""
    whole = records | {"extra/gerank.json": manifest_bytes(manifest)}
    whole["extra/checksums.json"] = json.dumps(_checksums(whole)).encode()
    write_archive(whole, draft)


def _page_record(scripted: torch.jit.ScriptModule, records: Mapping[str, bytes]) -> str | None:
    """The record that is the module's page model; None if it has none."""
    page = getattr(scripted, "page", None)  # artifacts from before rank_page have none
    if page is None or page.numel() == 0:  # nor has an encoder of one's own
        return None
    content = page.detach().cpu().numpy().tobytes()
    return next(name for name, body in records.items() if body == content)


def _checksums(records: Mapping[str, bytes]) -> dict[str, int]:
    """Record name -> CRC-32, as `checksums.json` has them."""
    return {name: zlib.crc32(body) for name, body in records.items() if name not in _UNCHECKED}
