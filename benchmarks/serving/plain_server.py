"""What one writes first: grpcio, torch.jit, a forward pass per call; it neither batches nor checks.

    python plain_server.py MODEL [THREADS]

It takes the requests of `workload` alone, and prints "serving on PORT".
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import numpy as np
import torch

import gerank.ops  # noqa: F401  the ops of the scripted model
from gerank.data.batch import RerankBatch
from gerank.proto import rerank_pb2 as pb


class PlainServicer:
    """Rerank, and nothing else."""

    def __init__(self, model: Path) -> None:
        self._module = torch.jit.load(str(model)).eval()

    def rerank(self, request: pb.RerankRequest, _: grpc.ServicerContext) -> pb.RerankResponse:
        """One forward pass for the one query of the call."""
        [query] = request.queries
        with torch.inference_mode():
            choices, log_prob, _ = self._module(*_batch(query))
        candidates = choices[0].tolist()
        slate = pb.Slate(
            id=query.id,
            slots=range(len(candidates)),
            candidates=candidates,
            candidate_ids=[query.candidate_ids[index] for index in candidates],
            log_prob=log_prob[0].tolist(),
            model_version="plain",
        )
        return pb.RerankResponse(slates=[slate])


def _batch(query: pb.Query) -> RerankBatch:
    rows, slots = query.candidate_count, query.slots
    none = torch.zeros(1, 0, 2, dtype=torch.int64)
    return RerankBatch(
        user_dense=_floats(query.user_features[0], 1)[0],
        user_ids=torch.zeros(1, 0, dtype=torch.int64),
        candidate_dense=_floats(query.candidate_features[0], rows),
        candidate_ids=torch.zeros(1, rows, 0, dtype=torch.int64),
        candidate_mask=torch.ones(1, rows, dtype=torch.bool),
        weights=torch.ones(1, 1),
        pins=torch.full((1, slots), -1),
        dedup_keys=torch.full((1, rows), -1),
        spacing=none,
        quotas=none,
        slots=torch.tensor([slots]),
        temperature=torch.ones(1),
        seeds=torch.zeros(1, dtype=torch.int64),
        greedy=torch.ones(1, dtype=torch.bool),
    )


def _floats(block: pb.FeatureBlock, rows: int) -> torch.Tensor:
    values = np.frombuffer(block.float32_le, "<f4").reshape(1, rows, len(block.names))
    return torch.from_numpy(values.copy())


def main(model: str, threads: str = "2") -> None:
    """Serves until it is killed."""
    torch.set_num_threads(1)
    servicer = PlainServicer(Path(model))
    server = grpc.server(ThreadPoolExecutor(int(threads)))
    method = grpc.unary_unary_rpc_method_handler(
        servicer.rerank, pb.RerankRequest.FromString, pb.RerankResponse.SerializeToString
    )
    handlers = grpc.method_handlers_generic_handler("gerank.v1.RerankService", {"Rerank": method})
    server.add_generic_rpc_handlers((handlers,))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(f"serving on {port}", flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    main(*sys.argv[1:])
