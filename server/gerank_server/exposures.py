"""Answered calls are written down: the exposure log of the front in Python."""

from __future__ import annotations

import os
import uuid
from typing import Any

import grpc

from gerank._engine import Call, ExposureLog, Ranker, StatusError
from gerank_server.call_metadata import ARM, REQUEST_ID, first_text
from gerank_server.options import OptionError, ServerOptions


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

    def statistics(self) -> dict[str, Any]:
        """Counts of records: written, lost; bytes, files; last_error. Empty without a log."""
        return {} if self._log is None else self._log.statistics()

    def close(self) -> None:
        """Writes what waits and closes the file."""
        if self._log is not None:
            self._log.close()


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
