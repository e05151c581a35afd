"""Reads the pages of a server's metrics port."""

from __future__ import annotations

import http.client
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field

_SAMPLE = re.compile(r"^(?P<name>[a-z_:]+)(?:\{(?P<labels>.*)\})? (?P<value>\S+)$")
_LABEL = re.compile(r'([a-z_]+)="((?:[^"\\]|\\.)*)"')


@dataclass
class Page:
    """A page of metrics, in the text format of Prometheus.

    Attributes:
        text: As it came.
        types: Family -> counter, gauge or histogram.
        samples: The value of each sample, by its name and its labels.
    """

    text: str
    types: dict[str, str] = field(default_factory=dict)
    samples: dict[tuple[str, frozenset[tuple[str, str]]], float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for line in self.text.splitlines():
            if line.startswith("# TYPE "):
                _, _, family, kind = line.split(" ")
                assert family not in self.types, f"{family} comes twice"
                self.types[family] = kind
            elif not line.startswith("#"):
                found = _SAMPLE.match(line)
                assert found, line
                labels = frozenset(_LABEL.findall(found["labels"] or ""))
                assert (found["name"], labels) not in self.samples, f"{line} comes twice"
                self.samples[found["name"], labels] = float(found["value"])

    def __call__(self, name: str, **labels: str) -> float:
        """The value of a sample; a series that is not there counts as 0, its family must be."""
        family = re.sub(r"_(bucket|sum|count)$", "", name)
        assert name in self.types or family in self.types, f"there is no {name}"
        return self.samples.get((name, frozenset(labels.items())), 0.0)


def get(
    address: str, path: str, method: str = "GET", headers: dict[str, str] | None = None
) -> tuple[int, str, http.client.HTTPMessage]:
    """Status, body and headers of one request."""
    connection = http.client.HTTPConnection(address, timeout=20)
    try:
        connection.request(method, path, headers=headers or {})
        response = connection.getresponse()
        return response.status, response.read().decode(), response.headers
    finally:
        connection.close()


def scrape(address: str) -> Page:
    status, text, _ = get(address, "/metrics")
    assert status == 200
    return Page(text)


def await_page(address: str, holds: Callable[[Page], bool], timeout_s: float = 10) -> Page:
    """The first page of which that holds: a call is counted a moment after its caller heard."""
    end = time.monotonic() + timeout_s
    while True:
        page = scrape(address)
        if holds(page):
            return page
        assert time.monotonic() < end, page.text
        time.sleep(0.01)
