"""What is deployed with a server names the metrics that it has, and no others."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gerank_server.native import library_path
from tests.native.metrics_client import Page, scrape
from tests.native.test_gerank_server import serving
from tests.server.stand_in import StandIn

ROOT = Path(__file__).parents[2]
ALERTS = ROOT / "deploy" / "prometheus" / "alerts.yml"
DASHBOARD = ROOT / "deploy" / "grafana" / "gerank.json"
GUIDE = ROOT / "docs" / "operations.md"
PROGRAM = library_path().parent / "gerank-server"
PROMTOOL = shutil.which("promtool")
METRIC = re.compile(r"\b(?:gerank|process)_[a-z_]+\b")

built = pytest.mark.skipif(not PROGRAM.exists(), reason="the native front is not built")
with_promtool = pytest.mark.skipif(
    PROMTOOL is None, reason="promtool is missing: apt-get install prometheus"
)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Page:
    model = StandIn(tmp_path_factory.mktemp("served"))
    with serving(model.path, "--metrics-address", "127.0.0.1:0") as (process, _):
        assert process.stdout is not None
        return scrape(process.stdout.readline().split()[-1])


def _names(page: Page) -> set[str]:
    """The names of all samples, and so without the families of histograms."""
    return {name for name, _ in page.samples} | {
        f"{family}_bucket" for family, kind in page.types.items() if kind == "histogram"
    }


def _expressions(part: Any) -> Iterator[str]:
    """The expressions of a dashboard, wherever they are, and its queries for values of labels."""
    if isinstance(part, dict):
        for name, value in part.items():
            if name in ("expr", "query") and isinstance(value, str):
                yield value
            else:
                yield from _expressions(value)
    elif isinstance(part, list):
        for each in part:
            yield from _expressions(each)


def _alert_expressions() -> str:
    """The lines of the rules that are no text for people."""
    lines = ALERTS.read_text().splitlines()
    return "\n".join(line for line in lines if not line.lstrip().startswith(("#", "summary:")))


def _table_of_the_guide() -> dict[str, str]:
    """Metric -> type, as the guide has them."""
    rows = re.findall(
        r"^\| `((?:gerank|process)_\w+)` \| (\w+) \|", GUIDE.read_text(), flags=re.MULTILINE
    )
    assert len(rows) == len(dict(rows)), "a metric comes twice"
    return dict(rows)


@built
def test_the_dashboard_names_only_metrics_that_exist(page: Page) -> None:
    expressions = list(_expressions(json.loads(DASHBOARD.read_text())))
    named = {name for each in expressions for name in METRIC.findall(each)}
    assert len(expressions) > 20 and len(named) > 20
    assert named - _names(page) == set()


@built
def test_the_alerts_name_only_metrics_that_exist(page: Page) -> None:
    named = set(METRIC.findall(_alert_expressions()))
    assert len(named) > 8
    assert named - _names(page) == set()


@built
def test_the_outcomes_that_are_asked_for_exist(page: Page) -> None:
    texts = [_alert_expressions(), *_expressions(json.loads(DASHBOARD.read_text()))]
    asked = {word for text in texts for word in re.findall(r'outcome="([a-z]+)"', text)}
    known = {dict(labels).get("outcome") for _, labels in page.samples}
    assert asked and asked <= known


@built
def test_the_guide_lists_every_metric_with_its_type(page: Page) -> None:
    assert _table_of_the_guide() == page.types


def test_the_guide_says_what_to_do_at_every_alert() -> None:
    alerts = re.findall(r"- alert: (\w+)", ALERTS.read_text())
    assert len(alerts) > 5
    assert re.findall(r"^### (Gerank\w+)", GUIDE.read_text(), flags=re.MULTILINE) == alerts


@with_promtool
def test_promtool_can_read_every_expression_of_the_dashboard(tmp_path: Path) -> None:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    given = [each.replace("$__rate_interval", "5m") for each in _expressions(panels)]
    rules = [{"record": f"panel_{i}", "expr": each} for i, each in enumerate(given)]
    path = tmp_path / "rules.yml"
    path.write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}))
    checked = subprocess.run(
        [str(PROMTOOL), "check", "rules", str(path)], capture_output=True, text=True
    )
    assert checked.returncode == 0 and f"{len(given)} rules found" in checked.stdout, checked


@with_promtool
def test_promtool_takes_the_alerts() -> None:
    checked = subprocess.run(
        [str(PROMTOOL), "check", "rules", str(ALERTS)], capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
