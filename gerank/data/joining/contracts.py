"""The contracts of the artifacts that answered: they must agree on what a page is made of."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from gerank.data.contract import RequestContract
from gerank.data.joining.errors import JoinError
from gerank.data.schema import Feature, FeatureSchema, SchemaError
from gerank.data.schema_difference import schema_differences

_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")


def contract_file_name(model_version: str) -> str:
    """The file that csrc/exposures/contract_file.h writes for a version."""
    escaped = (
        chr(byte) if chr(byte) in _PLAIN else f"%{byte:02X}" for byte in model_version.encode()
    )
    return f"contract-{''.join(escaped)}.json"


class ContractFolders:
    """The contracts that lie beside the records.

    Args:
        folders: The folders of exposure logs.
    """

    def __init__(self, folders: list[Path]) -> None:
        self._folders = folders
        self._known: dict[str, RequestContract] = {}

    def of_version(self, model_version: str) -> RequestContract:
        """The contract of the artifact that answered.

        Raises:
            JoinError: No folder has it, it cannot be read, or folders have different ones.
        """
        if model_version not in self._known:
            self._known[model_version] = self._read(contract_file_name(model_version))
        return self._known[model_version]

    def _read(self, name: str) -> RequestContract:
        paths = [folder / name for folder in self._folders if (folder / name).is_file()]
        if not paths:
            folders = ", ".join(map(str, self._folders))
            raise JoinError(f"{folders}: no {name}, which the server writes beside its records")
        contract, *others = map(_read_contract, paths)
        for path, other in zip(paths[1:], others, strict=True):
            if other != contract:
                raise JoinError(
                    f"{path}: is another contract than {paths[0]}, of the same model version: join "
                    "the folders one by one"
                )
        return contract

    def unknown_presets(self, asked: list[tuple[str, str]]) -> dict[tuple[str, str], str]:
        """Which presets the contract of their version does not know, and what to say of each.

        Args:
            asked: Versions and the presets that say whether their pages were drawn.
        """
        return {
            (version, preset): f"has preset {preset!r}, which {contract_file_name(version)} does "
            "not know: whether it was drawn is unknown"
            for version, preset in asked
            if preset not in self.of_version(version).presets
        }

    def refusals(self, newest: str, versions: list[str]) -> dict[str, str]:
        """Which versions have other features than the newest, and what differs.

        Args:
            newest: The version that answered last.
            versions: All that answered.
        """
        ours = self.of_version(newest).schema
        found = {
            version: schema_differences(ours, self.of_version(version).schema)
            for version in versions
        }
        return {
            version: f"model version {version!r} has other features than {newest!r}: {said[0]}"
            for version, said in found.items()
            if said
        }


def _read_contract(path: Path) -> RequestContract:
    try:
        return RequestContract.from_json(json.loads(path.read_bytes()))
    except (ValueError, KeyError, TypeError, SchemaError) as error:
        raise JoinError(f"{path}: no contract of an artifact: {error!r}") from None


def log_schema_of(contract: RequestContract) -> FeatureSchema:
    """The features of a log of pages that the contract's artifact answered.

    The ranges of values are those of another log, and are left out.
    """
    schema = contract.schema
    return replace(
        schema,
        user=tuple(map(_without_range, schema.user)),
        candidate=tuple(map(_without_range, schema.candidate)),
    )


def _without_range(feature: Feature) -> Feature:
    return replace(feature, minimum=None, maximum=None)
