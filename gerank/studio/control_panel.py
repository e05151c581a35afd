"""The left side of the page: what `Controls` says, as sliders."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from nicegui import ui

from gerank.studio.controls import Controls, default_controls, preset_controls
from gerank.studio.pages import Page
from gerank.studio.session import Session

_NO_PRESET = "no preset"
_WEIGHT_STEPS = 100


class ControlPanel:
    """Holds the widgets and reads them.

    Args:
        session: What can be asked for.
        page: To start with.
        changed: Called after a move of anything but the page.
        turn_to: Called with a page's number.
    """

    def __init__(
        self,
        session: Session,
        page: Page,
        changed: Callable[[], Awaitable[None]],
        turn_to: Callable[[int], Awaitable[None]],
    ) -> None:
        self._session = session
        self._contract = session.contract
        self._changed = changed
        self._turn_to = turn_to
        self._quiet = False  # while widgets follow a preset, their moves are not an operator's
        self._pins: dict[int, int] = {}
        start = default_controls(session.contract)
        with ui.column().classes("panel controls"):
            self._build_model()
            self._build_pages(page)
            self._build_weights(start)
            self._build_rules(start)
            self._build_choice(start)

    def controls(self) -> Controls:
        """Where the widgets stand."""
        most = self._contract.max_slots
        quotas = {flag: widget.value for flag, widget in self._quotas.items()}
        return Controls(
            slots=int(self._slots.value),
            weights={name: float(widget.value) for name, widget in self._weights.items()},
            pins=dict(self._pins),
            spacing={
                group: (int(window.value), _whole(cap.value))
                for group, (window, cap) in self._spacing.items()
            },
            quotas={
                flag: (int(ends["min"]), int(ends["max"]) if ends["max"] < most else None)
                for flag, ends in quotas.items()
            },
            greedy=self._mode.value == "greedy",
            temperature=self._temperature.value,
            seed=_whole(self._seed.value),
        )

    def order(self) -> str:
        """What the slate is compared with."""
        order: str = self._order.value
        return order

    def show_page(self, page: Page) -> None:
        """Another page: pins name candidates, so they go."""
        self._pins.clear()
        self._build_pins(page)
        self._page_name.set_text(str(page.request.id))

    def toggle_pin(self, slot: int, candidate: int) -> None:
        """Pins a candidate to a slot, or takes that pin away; a candidate has one pin at most."""
        had = self._pins.get(slot) == candidate
        kept = {s: c for s, c in self._pins.items() if s != slot and c != candidate}
        self._pins = kept if had else kept | {slot: candidate}
        self._build_pins(self._page)

    async def _moved(self) -> None:
        if not self._quiet:
            await self._changed()

    def _build_model(self) -> None:
        ui.label(self._session.model_version).classes("text-weight-bold")
        ui.label(f"answers: {self._session.served_by}").classes("note")

    def _build_pages(self, page: Page) -> None:
        _heading("Page")
        last = len(self._session.pages) - 1
        with _line():
            self._number = ui.number(
                value=0, min=0, max=last, precision=0, on_change=self._page_chosen
            )
            self._number.props('dense aria-label="page"').classes("w-24")
            ui.label(f"of {last + 1}").classes("note")
            self._page_name = ui.label(str(page.request.id))
        orders = list(self._session.orders(page))
        with _line("compare with"):
            self._order = ui.select(orders, value=orders[0], on_change=self._moved)
            self._order.props('dense options-dense aria-label="compare with"').classes("grow")
        with _line("preset"):
            presets = [_NO_PRESET, *self._session.presets]
            self._preset = ui.select(presets, value=_NO_PRESET, on_change=self._preset_chosen)
            self._preset.props('dense options-dense aria-label="preset"').classes("grow")
        self._page = page

    def _build_weights(self, start: Controls) -> None:
        _heading("Weights of utilities")
        self._weights = {}
        for name, weight in self._contract.weights.items():
            low, high = weight.minimum, weight.maximum
            step = (high - low) / _WEIGHT_STEPS or 1.0
            slider = self._slider(name, low, high, step, start.weights[name], "{:.2f}")
            slider.set_enabled(low < high)
            self._weights[name] = slider

    def _build_rules(self, start: Controls) -> None:
        most = self._contract.max_slots
        _heading("Rules")
        self._slots = self._slider("slots", 1, most, 1, start.slots)
        self._spacing = {}
        for group, (window, cap) in start.spacing.items():
            with _line(f"{group}: at most"):
                number = ui.number(value=cap, min=0, precision=0, on_change=self._moved)
                number.props(f'dense aria-label="{group}: cap"').classes("cap")
                slider = ui.slider(min=0, max=most, step=1, value=window, on_change=self._moved)
                slider.props(f'dense aria-label="{group}: window"').classes("grow")
                shown = ui.label().classes("value")
                shown.bind_text_from(slider, "value", lambda v: f"in {v:.0f}" if v else "no rule")
            self._spacing[group] = (slider, number)
        self._quotas = {}
        for flag in start.quotas:
            with _line(f"{flag}: how many"):
                ends = ui.range(
                    min=0, max=most, value={"min": 0, "max": most}, on_change=self._moved
                )
                ends.props(f'dense aria-label="{flag}: quota"').classes("grow")
                shown = ui.label().classes("value")
                shown.bind_text_from(ends, "value", lambda v: f"{v['min']}-{v['max']}")
            self._quotas[flag] = ends
        self._pin_line = ui.row().classes("line").style("flex-wrap: wrap")
        self._build_pins(self._page)

    def _build_pins(self, page: Page) -> None:
        self._page = page
        self._pin_line.clear()
        with self._pin_line:
            ui.label("pins").classes("name")
            if not self._pins:
                ui.label("click a cell of the map").classes("note")
            for slot, candidate in sorted(self._pins.items()):
                name = page.request.candidate_ids[candidate]
                ui.chip(f"{slot}: {name}", removable=True, on_value_change=self._unpin(slot)).props(
                    "dense"
                )

    def _unpin(self, slot: int) -> Callable[[], Awaitable[None]]:
        async def unpin() -> None:
            self._pins.pop(slot, None)
            self._build_pins(self._page)
            await self._moved()

        return unpin

    def _build_choice(self, start: Controls) -> None:
        _heading("Choice")
        with _line("mode"):
            self._mode = ui.toggle(["greedy", "sample"], value="greedy", on_change=self._moved)
            self._mode.props("dense no-caps size=sm")
        with _line("temperature, seed"):
            self._temperature = ui.number(
                value=start.temperature, min=0.001, max=1000, step=0.1, on_change=self._moved
            )
            self._temperature.props('dense aria-label="temperature"').classes("w-16")
            self._seed = ui.number(value=start.seed, min=0, precision=0, on_change=self._moved)
            self._seed.props('dense aria-label="seed"').classes("w-16")

    def _slider(
        self, name: str, low: float, high: float, step: float, value: float, form: str = "{:.0f}"
    ) -> ui.slider:
        with _line(name):
            slider = ui.slider(min=low, max=high, step=step, value=value, on_change=self._moved)
            slider.props(f'dense aria-label="{name}"').classes("grow")
            shown = ui.label().classes("value")
            shown.bind_text_from(slider, "value", form.format)
        return slider

    async def _page_chosen(self) -> None:
        row = _whole(self._number.value)
        if row is not None and 0 <= row < len(self._session.pages):
            await self._turn_to(row)

    async def _preset_chosen(self) -> None:
        name = self._preset.value
        preset = self._session.presets.get(name, {})
        self._quiet = True
        try:
            self._follow(preset_controls(preset, self._contract))
        finally:
            self._quiet = False
        await self._changed()

    def _follow(self, controls: Controls) -> None:
        """Moves every widget but the pins to where the controls say."""
        most = self._contract.max_slots
        for name, weight in controls.weights.items():
            self._weights[name].value = weight
        for group, (window, cap) in controls.spacing.items():
            slider, number = self._spacing[group]
            slider.value = min(window, most)  # a window longer than the slate is the whole slate
            number.value = cap
        for flag, (least, maximum) in controls.quotas.items():
            self._quotas[flag].value = {"min": least, "max": most if maximum is None else maximum}
        self._slots.value = controls.slots
        self._mode.value = "greedy" if controls.greedy else "sample"
        self._temperature.value = controls.temperature


def _heading(text: str) -> None:
    ui.html(f"<h2>{text}</h2>", sanitize=False).classes("q-mt-sm")


def _line(name: str = "") -> ui.row:
    line = ui.row().classes("line")
    if name:
        with line:
            ui.label(name).classes("name").tooltip(name)
    return line


def _whole(value: float | None) -> Any:
    """A number field as an integer; an emptied one stays None, which the request check names."""
    return None if value is None else int(value)
