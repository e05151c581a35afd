"""The page in the browser: controls on the left, what they do on the right."""

from __future__ import annotations

import asyncio
from pathlib import Path

from nicegui import background_tasks, events, run, ui

from gerank.client import ServerError
from gerank.data.request import RequestError
from gerank.studio import markup
from gerank.studio.control_panel import ControlPanel
from gerank.studio.pages import Page
from gerank.studio.session import Outcome, Session, bound_rules
from gerank.studio.steps import Steps

_CSS = (Path(__file__).parent / "studio.css").read_text(encoding="utf-8")
_REST_S = 0.08  # a control that moves on within this long is still being dragged
_CELL = "(e) => { const c = e.target.closest('[data-cell]'); if (c) emit(c.dataset.cell); }"


class StudioView:
    """One open tab: its page, its controls, and what is shown.

    Args:
        session: Shared by all tabs.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._page: Page = session.pages.page(0)
        self._asked = 0  # moves of a control so far; the newest is answered, others are skipped
        self._busy = False
        self._explaining = False
        self._unexplained: Outcome | None = None
        ui.add_css(_CSS)
        with ui.element("div").classes("studio"):
            self.panel = ControlPanel(session, self._page, self._changed, self._turn_to)
            with ui.column().classes("results"):
                self._build_results()
        ui.timer(0, self._refresh, once=True)

    def _build_results(self) -> None:
        self._error = ui.label().classes("panel failure").props("id=failure")
        with ui.element("div").classes("panel"):
            self._slates = ui.html(sanitize=False).classes("slates").props("id=slates")
        with ui.element("div").classes("both"):
            title = "Probability at each slot, in percent. A click pins and unpins."
            self._heat = _panel(title).on("click", self._cell_clicked, js_handler=_CELL)
            with ui.column().classes("gap-3"):
                self._utilities = _panel("Utilities of the two slates")
                self._rules = _panel("Rules that bound")

    async def _changed(self) -> None:
        self._asked += 1
        await self._refresh()

    async def _turn_to(self, row: int) -> None:
        try:
            self._page = self._session.pages.page(row)
        except RequestError as error:
            self._tell(str(error))
            return
        self.panel.show_page(self._page)
        await self._changed()

    async def _cell_clicked(self, event: events.GenericEventArguments) -> None:
        slot, candidate = map(int, str(event.args).split())
        self.panel.toggle_pin(slot, candidate)
        await self._changed()

    async def _refresh(self) -> None:
        """Answers the newest move; moves that come while it works are answered together."""
        if self._busy:
            return
        self._busy = True
        try:
            answered = -1
            while answered != self._asked:
                answered = self._asked
                await self._answer()
        finally:
            self._busy = False

    async def _answer(self) -> None:
        asked = self._asked
        page, controls, order = self._page, self.panel.controls(), self.panel.order()
        try:
            outcome = await run.io_bound(self._session.rerank, page, controls, order)
            if outcome is None:  # the page is shutting down
                return
            self._show(outcome, asked)
            self._unexplained = outcome
            background_tasks.create(self._explain())
        except (RequestError, ServerError) as error:
            self._tell(str(error))

    async def _explain(self) -> None:
        """The map of the newest outcome, once the controls rest: it takes longer than a slate."""
        if self._explaining:
            return
        self._explaining = True
        try:
            while (outcome := self._unexplained) is not None:
                await asyncio.sleep(_REST_S)
                if outcome is not self._unexplained:
                    continue
                steps = await run.io_bound(self._session.steps, outcome)
                if outcome is self._unexplained:
                    self._unexplained = None
                    if steps is not None:
                        self._show_steps(outcome, steps)
        finally:
            self._explaining = False

    def _tell(self, message: str) -> None:
        """What is wrong, above the results; nothing for an empty message."""
        self._error.set_text(message)
        self._error.set_visibility(bool(message))

    def _show(self, outcome: Outcome, asked: int) -> None:
        self._tell(self._session.warning(outcome))
        self._slates.props(f"data-answered={asked}")
        self._slates.set_content(markup.slates(outcome, self._session.contract.schema))
        self._utilities.set_content(markup.utilities(outcome))

    def _show_steps(self, outcome: Outcome, steps: Steps) -> None:
        self._rules.set_content(markup.rules(bound_rules(outcome, steps)))
        self._heat.set_content(markup.heat_map(outcome, steps))


def _panel(title: str) -> ui.html:
    with ui.element("div").classes("panel"):
        ui.html(f"<h2>{title}</h2>", sanitize=False)
        return ui.html(sanitize=False)
