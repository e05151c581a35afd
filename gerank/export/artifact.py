"""Writes, checks and loads the one file that is served.

It is a TorchScript archive with three extra files: `gerank.json` (the manifest), `golden.pt`
(requests and the slates they must get) and `checksums.json` (CRC-32 of every other record).
"""

from __future__ import annotations

import io
import json
import os
import warnings
import zipfile
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

import gerank.ops  # noqa: F401  registers the ops that archives call
from gerank.data.batch import RerankBatch, Slates
from gerank.data.contract import RequestContract
from gerank.data.regular_file import NotRegularFileError, open_regular
from gerank.data.whole_file import whole_file
from gerank.export import golden
from gerank.export.manifest import (
    FORMAT_VERSION,
    build_manifest,
    calibration_document,
    manifest_bytes,
    model_version,
    op_schemas,
)
from gerank.export.presets import Presets, check_presets
from gerank.export.torch_state import own_torch_state, torchscript_is_off
from gerank.nn.generator import Generator
from gerank.ranker import ArtifactError as ArtifactError

_GOLDEN_REQUESTS, _GOLDEN_CANDIDATES = 16, 24
_DAMAGED = "not an artifact, truncated or altered"
_FOREIGN = "no gerank.json in it: a foreign or truncated archive"
_MOST_SAVED_BY_PACKING = 64 << 20
"""Bytes. Torch packs a model's code, a few hundred kilobytes, and nothing else."""
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

    Returns:
        The artifact, loaded back from the file and checked.

    Raises:
        ArtifactError: What was written does not pass its checks.
        PresetError: A preset does not fit the contract.
        OSError: The file cannot be written.
    """
    version = model_version(name, generator)
    generator = generator.eval()
    generator.freeze()
    calibration = generator.features.calibration
    dense = contract.schema.candidate_dense
    scores = [dense[column].name for column in calibration.columns.tolist()]
    contract = replace(contract, presets=check_presets(presets or {}, contract))
    manifest = build_manifest(
        contract,
        version,
        training,
        utilities=utilities,
        calibration=calibration_document(scores, calibration.knots, calibration.values),
    )
    return save_artifact(script(generator), contract, manifest, path)


def save_artifact(
    scripted: torch.jit.ScriptModule,
    contract: RequestContract,
    manifest: dict[str, Any],
    path: Path,
) -> Artifact:
    """Writes a scripted generator with golden requests and their answers; whole or not at all.

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
        answers = golden.to_bytes(batch, answer)
        extra = {"gerank.json": manifest_bytes(manifest), "golden.pt": answers}
        extra["checksums.json"] = json.dumps(_checksums(_archive(scripted, extra))).encode()
        content = _archive(scripted, extra)
    with whole_file(path) as draft:
        draft.write_bytes(content)
        return load_artifact(draft)


def script(generator: Generator) -> torch.jit.ScriptModule:
    """The generator as TorchScript, parameters frozen into it.

    Raises:
        ArtifactError: TorchScript is switched off in this process.
    """
    if off := torchscript_is_off():
        raise ArtifactError(off)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*torch.jit.*", category=DeprecationWarning)
        scripted: torch.jit.ScriptModule = torch.jit.script(generator)
    return scripted


def load_artifact(path: Path) -> Artifact:
    """Loads an artifact and runs its golden requests.

    Raises:
        ArtifactError: The file is missing, truncated, altered or foreign, has another format
            version, calls ops this library lacks, or answers its golden requests differently.
    """
    if off := torchscript_is_off():
        raise ArtifactError(f"{path}: {off}")
    content = _read_content(path)
    with own_torch_state():
        return _checked(path, content)


def _checked(path: Path, content: bytes) -> Artifact:
    records = _read_records(path, content)
    try:
        manifest = json.loads(records["extra/gerank.json"])
        _check_format(path, manifest)
        _check_sums(path, records)
        _check_ops(path, manifest)
        contract = RequestContract.from_json(manifest)
        check_presets(contract.presets, contract)
        batch, answer = golden.from_bytes(records["extra/golden.pt"])
    except ArtifactError:
        raise
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise ArtifactError(f"{path}: malformed artifact: {error!r}") from None
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*torch.jit.*", category=DeprecationWarning)
            stream = io.BytesIO(content)  # what was checked is what is loaded
            module = torch.jit.load(stream, map_location="cpu").eval()  # type: ignore[no-untyped-call]
    except (RuntimeError, UnicodeDecodeError) as error:
        raise ArtifactError(f"{path}: torch refuses it: {str(error).splitlines()[0]}") from None
    artifact = Artifact(module, contract, manifest)
    try:
        differs = golden.difference(answer, artifact.rerank(batch))
    except (RuntimeError, TypeError, ValueError, AttributeError) as error:
        last = str(error).splitlines()[-1] if str(error) else type(error).__name__
        differs = f"golden requests fail: {last}"
    if differs:
        raise ArtifactError(f"{path}: {differs}; it was written with {manifest['versions']}")
    return artifact


def _archive(scripted: torch.jit.ScriptModule, extra: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*torch.jit.*", category=DeprecationWarning)
        torch.jit.save(scripted, buffer, _extra_files=extra)
    return buffer.getvalue()


def _records(archive: zipfile.ZipFile) -> dict[str, bytes]:
    """Record name without the archive's own prefix -> content."""
    return {entry.split("/", 1)[1]: archive.read(entry) for entry in archive.namelist()}


def _checksums(content: bytes) -> dict[str, int]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return _sums(_records(archive))


def _sums(records: dict[str, bytes]) -> dict[str, int]:
    return {name: zlib.crc32(body) for name, body in records.items() if name not in _UNCHECKED}


def _read_content(path: Path) -> bytes:
    """The whole file, once its directory, at its end, is that of an artifact."""
    try:
        with open_regular(path) as file:
            try:
                with zipfile.ZipFile(file) as archive:
                    entries = archive.infolist()
            except Exception as error:  # on altered bytes zipfile fails in many ways
                raise ArtifactError(f"{path}: {_DAMAGED}: {error}") from None
            if not any(entry.filename.endswith("/extra/gerank.json") for entry in entries):
                raise ArtifactError(f"{path}: {_FOREIGN}")
            size, unpacked = os.fstat(file.fileno()).st_size, sum(e.file_size for e in entries)
            if unpacked > size + _MOST_SAVED_BY_PACKING:
                raise ArtifactError(
                    f"{path}: not an artifact: its {size} bytes hold {unpacked} bytes of records"
                )
            file.seek(0)
            return file.read()
    except NotRegularFileError as error:
        raise ArtifactError(f"{path}: {error}") from None


def _read_records(path: Path, content: bytes) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            records = _records(archive)
    except Exception as error:  # on altered bytes zipfile and what it calls fail in many ways
        raise ArtifactError(f"{path}: {_DAMAGED}: {error}") from None
    if "extra/gerank.json" not in records:
        raise ArtifactError(f"{path}: {_FOREIGN}")
    return records


def _check_sums(path: Path, records: dict[str, bytes]) -> None:
    written, found = json.loads(records["extra/checksums.json"]), _sums(records)
    for name in sorted(written.keys() | found.keys()):
        if name not in found:
            raise ArtifactError(f"{path}: record {name!r} is missing")
        if written.get(name) != found[name]:
            raise ArtifactError(f"{path}: record {name!r} was altered after it was written")


def _check_format(path: Path, manifest: dict[str, Any]) -> None:
    version = manifest.get("format_version")
    if version != FORMAT_VERSION:
        raise ArtifactError(
            f"{path}: format version {version!r}, this gerank reads {FORMAT_VERSION}"
        )


def _check_ops(path: Path, manifest: dict[str, Any]) -> None:
    installed = op_schemas()
    for name, schema in manifest["versions"]["ops"].items():
        if installed.get(name) != schema:
            raise ArtifactError(
                f"{path}: was written for op {schema!r}; this library has {installed.get(name)!r}"
            )
