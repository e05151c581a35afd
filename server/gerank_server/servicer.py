"""gerank.v1.RerankService: bytes in, bytes out, one forward pass per call."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from time import perf_counter_ns

import grpc
import torch
from google.protobuf.message import DecodeError

from gerank.data.batch import RerankBatch
from gerank.data.collate_requests import collate_requests
from gerank.data.contract import RequestContract
from gerank.data.ranking import Model
from gerank.data.request import Request, RequestError, with_seed
from gerank.data.request_check import check_request
from gerank.data.slate import split_slates
from gerank.proto import rerank_pb2 as pb
from gerank.wire.query import request_from_query
from gerank.wire.slate import message_from_slate
from gerank_server.errors import (
    CallerGoneError,
    DeadlinePassedError,
    NotServingError,
    with_status,
)

SERVICE = pb.DESCRIPTOR.services_by_name["RerankService"].full_name
Answer = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


class RerankServicer:
    """Answers with the published model. Thread-safe: any number of calls at once.

    Args:
        max_queries: Most queries in one call.
        model_threads: Most forward passes at once; further calls wait for their turn.
    """

    def __init__(self, max_queries: int, model_threads: int) -> None:
        self._model: Model | None = None
        self._max_queries = max_queries
        self._turns = ThreadPoolExecutor(model_threads, thread_name_prefix="gerank-model")

    def publish(self, model: Model) -> None:
        """Lets `model` answer every call that begins from now on."""
        self._model = model

    def close(self) -> None:
        """Ends the model's threads, after their last forward pass."""
        self._turns.shutdown(wait=False)

    def handlers(self) -> grpc.GenericRpcHandler:
        """The service for a grpc.Server. Calls are parsed here, so that garbage has our status."""
        methods = {"Rerank": self._rerank, "Describe": self._describe}
        return grpc.method_handlers_generic_handler(
            SERVICE,
            {
                name: grpc.unary_unary_rpc_method_handler(with_status(method))
                for name, method in methods.items()
            },
        )

    def _rerank(self, payload: bytes, context: grpc.ServicerContext) -> bytes:
        began = perf_counter_ns()
        model = self._published()
        requests = self._read(_parse(payload), model.contract)
        batch = collate_requests(requests, model.contract)
        batched = perf_counter_ns()
        answer, admitted = self._run(model, batch, context)
        timing = pb.Timing(
            batch_us=(batched - began) // 1000,
            queue_us=(admitted - batched) // 1000,
            model_us=(perf_counter_ns() - admitted) // 1000,
        )
        slates = split_slates(answer, requests, model.model_version)
        messages = map(message_from_slate, requests, slates)
        return pb.RerankResponse(slates=messages, timing=timing).SerializeToString()

    def _describe(self, payload: bytes, context: grpc.ServicerContext) -> bytes:
        model = self._published()
        return pb.DescribeResponse(
            model_version=model.model_version, contract_json=json.dumps(model.contract.to_json())
        ).SerializeToString()

    def _published(self) -> Model:
        if self._model is None:
            raise NotServingError("the model is still being loaded")
        return self._model

    def _read(self, message: pb.RerankRequest, contract: RequestContract) -> Sequence[Request]:
        count = len(message.queries)
        if not 1 <= count <= self._max_queries:
            raise RequestError("queries", count, f"must be 1 to {self._max_queries}")
        return [
            _read_query(f"queries[{index}]", query, contract)
            for index, query in enumerate(message.queries)
        ]

    def _run(
        self, model: Model, batch: RerankBatch, context: grpc.ServicerContext
    ) -> tuple[Answer, int]:
        """Queues one forward pass; it is dropped when the call ends before its turn.

        Returns:
            The model's answer, and the nanosecond at which its turn came.
        """
        turn = self._turns.submit(_forward, model, batch, context)

        def drop() -> None:  # called when the deadline passes, the caller cancels or goes
            turn.cancel()

        if not context.add_callback(drop):
            drop()
        try:
            return turn.result()
        except CancelledError as error:
            _check_deadline(context)
            raise CallerGoneError("the caller has gone") from error


def _forward(model: Model, batch: RerankBatch, context: grpc.ServicerContext) -> tuple[Answer, int]:
    began = perf_counter_ns()
    _check_deadline(context)
    with torch.inference_mode():
        return model.module(*batch), began


def _check_deadline(context: grpc.ServicerContext) -> None:
    if context.time_remaining() == 0:
        raise DeadlinePassedError("the deadline passed before the model was run")


def _parse(payload: bytes) -> pb.RerankRequest:
    try:
        return pb.RerankRequest.FromString(payload)
    except DecodeError as error:
        rule = "must be a gerank.v1.RerankRequest"
        raise RequestError("request", f"{len(payload)} other bytes", rule) from error


def _read_query(path: str, query: pb.Query, contract: RequestContract) -> Request:
    try:
        request = request_from_query(query, contract)
        check_request(request, contract)
    except RequestError as error:
        raise error.within(path) from error
    return with_seed(request)
