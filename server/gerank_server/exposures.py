"""Answered calls are written down: the exposure log of the front in Python."""

from __future__ import annotations

import logging
import os
import threading
import uuid
from typing import Any

import grpc

from gerank._engine import Call, ExposureLog, Ranker, StatusError
from gerank_server.call_metadata import ARM, REQUEST_ID, first_text
from gerank_server.options import OptionError, ServerOptions

_LOG = logging.getLogger(__name__)


class Exposures:
    """The exposure log of a server, or none. Thread-safe.

    Args:
        options: What the server was started with.

    Raises:
        OptionError: The folder cannot be written.
    """

    def __init__(self, options: ServerOptions) -> None:
        self._log = (
            None if options.exposures is None else _start(os.fsencode(options.exposures), options)
        )
        self._telling = threading.Lock()
        self._told_refused = False

    def describe(self, ranker: Ranker) -> None:
        """Has the contract of an artifact written that is to answer calls."""
        if self._log is not None:
            self._log.describe(ranker.model_version, ranker.contract_json)

    def record(
        self, call: Call[bytes], request: bytes, response: bytes, context: grpc.ServicerContext
    ) -> None:
        """Writes a call down that is about to be answered; never waits for the disk.

        Args:
            call: It has ended with OK.
            request: The message as it came.
            response: The message as it goes.
            context: What grpc tells of the call. The answer tells the request id where the server
                draws it.
        """
        if self._log is None:
            return
        metadata = context.invocation_metadata()
        request_id = first_text(metadata, REQUEST_ID)
        if not request_id:
            request_id = uuid.uuid4().hex[:16]  # as long as the native front's
            context.set_trailing_metadata(((REQUEST_ID, request_id),))
        self._log.record(
            request_id=request_id,
            model=call.model,
            model_version=call.model_version,
            arm=first_text(metadata, ARM),
            request=request,
            response=response,
        )
        self._tell_of_disk(self._log)

    def statistics(self) -> dict[str, Any]:
        """Counts of records, as `GrpcioServer.exposures` tells them. Empty without a log."""
        return {} if self._log is None else self._log.statistics()

    def close(self) -> None:
        """Writes what waits and closes the file."""
        if self._log is not None:
            self._log.close()
            self._tell_of_disk(self._log)

    def _tell_of_disk(self, log: ExposureLog) -> None:
        """Tells, once, that the disk refuses records, and once that it takes them again."""
        with self._telling:
            counts = log.statistics()
            if counts["refused"] == self._told_refused:
                return
            self._told_refused = counts["refused"]
        if counts["refused"]:
            rule = "records of calls wait, and those that come beyond exposure_queue_bytes are lost"
            _LOG.error("exposures: %s: %s", counts["last_error"], rule)
        else:
            lost = "records of calls are written again; %d were lost since the start"
            _LOG.warning(f"exposures: {lost}", counts["lost"])


def _start(folder: bytes, options: ServerOptions) -> ExposureLog:
    try:
        return ExposureLog(
            folder,
            share=options.exposure_share,
            file_bytes=options.exposure_file_bytes,
            file_s=options.exposure_file_s,
            queue_bytes=options.exposure_queue_bytes,
            max_bytes=options.exposure_max_bytes,
        )
    except StatusError as error:
        raise OptionError(str(error)) from error
