"""The files of `deploy/` as documents, and the server that they start."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
SERVER_TOML = KUBERNETES / "server.toml"
OTHERS = {"kustomization.yaml", "prometheus-adapter-values.yaml", "service-monitor.yaml"}
"""Files that are no objects of Kubernetes' own kinds."""


def server_options() -> dict[str, Any]:
    """What the pods' server.toml says."""
    return tomllib.loads(SERVER_TOML.read_text())


def ports() -> tuple[int, int]:
    """The ports of calls and of metrics, as server.toml says."""
    told = server_options()
    grpc, metrics = (int(told[name].rpartition(":")[2]) for name in ("address", "metrics_address"))
    return grpc, metrics


def document(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def kubernetes_objects() -> Iterator[dict[str, Any]]:
    """Every object that `kubectl apply -k` makes but the generated ConfigMap."""
    for name in document(KUBERNETES / "kustomization.yaml")["resources"]:
        yield from yaml.safe_load_all((KUBERNETES / name).read_text())


def of_kind(kind: str) -> list[dict[str, Any]]:
    return [each for each in kubernetes_objects() if each["kind"] == kind]


def pod() -> dict[str, Any]:
    """The specification of the Deployment's pods."""
    (deployment,) = of_kind("Deployment")
    specification: dict[str, Any] = deployment["spec"]["template"]["spec"]
    return specification


def container() -> dict[str, Any]:
    (only,) = pod()["containers"]
    found: dict[str, Any] = only
    return found


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions and their words, lines joined, without comments."""
    lines = [
        line
        for line in (DEPLOY / "Dockerfile").read_text().splitlines()
        if line.strip() and not line.lstrip().startswith("#")
    ]
    joined = "\n".join(lines).replace("\\\n", " ")
    pairs = (line.split(None, 1) for line in joined.splitlines())
    return [(name, " ".join(words.split())) for name, words in pairs]
