"""`gerank studio`: from files to a page that listens."""

from __future__ import annotations

import contextlib
import signal
import socket
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from nicegui import ui

from gerank.address import MalformedAddressError, join_address, parse_address
from gerank.client import RerankClient
from gerank.export.artifact import load_artifact
from gerank.ranker import Ranker
from gerank.studio.answering import embedded, remote
from gerank.studio.judging import judge_of_artifact, judge_of_run
from gerank.studio.pages import DrawnPages, LoggedPages
from gerank.studio.session import Session
from gerank.studio.steps import StepExplainer
from gerank.studio.view import StudioView
from gerank.train.choices import Device
from gerank.train.device import chosen_device

_GRACE_S = 1


@contextlib.contextmanager
def open_session(
    model: Path,
    data: Path | None = None,
    server: str = "",
    run: Path | None = None,
    device: Device = Device.CPU,
) -> Iterator[Session]:
    """Loads everything that the page needs.

    Args:
        model: An artifact; of the model that the server serves, where there is one.
        data: Folder of an exposure log; None = pages are drawn.
        server: Address of who answers; empty = the engine in this process.
        run: Folder of a training run whose evaluator predicts clicks.
        device: Where that evaluator computes.

    Raises:
        ValueError: A file is refused, or files do not fit each other; see the readers of each.
        ServerError: The server cannot be asked.
    """
    artifact = load_artifact(model)
    contract = artifact.contract
    pages = LoggedPages.read(data, contract) if data else DrawnPages(contract)
    pages.page(0)  # a log of other features is refused before a page is opened
    described = artifact.manifest.get("utilities", {})
    if run:
        judge = judge_of_run(contract, run, chosen_device(device, "--device"))
    else:
        judge = judge_of_artifact(contract, described, data)
    with contextlib.ExitStack() as stack:
        if server:
            client = stack.enter_context(RerankClient(server))
            answer, served_by = remote(client), f"server {server}"
        else:
            answer, served_by = embedded(Ranker.load(model)), "engine in this process"
        explain = StepExplainer(artifact)
        yield Session(
            contract,
            pages,
            answer,
            judge,
            explain,
            artifact.contract.presets,
            artifact.model_version,
            served_by,
        )


def serve_studio(session: Session, host: str, port: int, ready: Callable[[str], None]) -> None:
    """Serves the page until SIGINT or SIGTERM.

    Args:
        session: What it shows.
        host: Address to listen on.
        port: 0 takes a free one.
        ready: Called with the page's address when it can be opened.

    Raises:
        MalformedAddressError: Host and port are no address.
        OSError: The address cannot be listened on; names it.
    """
    application = FastAPI()

    def page() -> None:
        StudioView(session)

    ui.run_with(application, root=page, title="gerank studio", show_welcome_message=False)
    config = uvicorn.Config(
        application, log_level="warning", timeout_graceful_shutdown=_GRACE_S, ws="websockets-sansio"
    )
    server = uvicorn.Server(config)
    with _listen(host, port) as listener, _signals_end(server):
        ready(f"http://{join_address(host, listener.getsockname()[1])}/")
        # NiceGUI finds its server by asking every object alive for its class; one of torch's warns.
        warnings.filterwarnings("ignore", message=".*torch.distributed.reduce_op")
        server.run(sockets=[listener])


def _listen(host: str, port: int) -> socket.socket:
    address = parse_address(join_address(host, port))
    if not address.host:
        raise MalformedAddressError(f"address {host!r}: a page needs a host and a port")
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    try:
        return socket.create_server((address.host, port), family=family)
    except OSError as error:
        raise OSError(error.errno, f"{address.target}: {error.strerror}") from None


@contextlib.contextmanager
def _signals_end(server: uvicorn.Server) -> Iterator[None]:
    """SIGINT and SIGTERM end the server without an error.

    While it runs it sees to that itself; what comes before is noted here, and what ended it,
    which it raises once more afterwards, does no more harm.
    """

    def end(*_: object) -> None:
        server.should_exit = True

    ends = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, end) for number in ends}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
