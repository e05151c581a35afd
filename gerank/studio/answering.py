"""Who answers the page's requests: the engine in this process, or a running server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gerank.client import RerankClient
from gerank.data.request import Request
from gerank.data.slate import Slate, Unmet
from gerank.ranker import Ranker

Answer = Callable[[Request], Slate]


def embedded(ranker: Ranker) -> Answer:
    """Answers in this process."""

    def answer(request: Request) -> Slate:
        return ranker.rank([request])[0]

    return answer


def remote(client: RerankClient) -> Answer:
    """Asks a server at every call."""

    def answer(request: Request) -> Slate:
        return _slate(client.rerank([request])[0], request.seed or 0)

    return answer


def _slate(document: dict[str, Any], seed: int) -> Slate:
    """What `gerank.data.slate.slate_document` was made of."""
    entries = document["slate"]
    return Slate(
        slots=tuple(entry["slot"] for entry in entries),
        candidates=tuple(entry["candidate"] for entry in entries),
        log_prob=tuple(entry["log_prob"] for entry in entries),
        relaxed=tuple(tuple(entry["relaxed"]) for entry in entries),
        seed=document.get("seed", seed),
        model_version=document["model_version"],
        unmet=tuple(Unmet(**rule | {"slots": tuple(rule["slots"])}) for rule in document["unmet"]),
    )
