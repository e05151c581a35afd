"""Pages of a news site: which articles a reader saw, and which one was opened.

Nothing is known of an article but who saw and who opened it, and its number, which rises with time.
Rates are out of fold by reader: they count the training readers, less what the page's own did.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from foreign.random_pages import RandomPage, looks, random_log
from gerank.data.exposure_log import ExposureLog
from gerank.data.schema import Feature, FeatureKind, FeatureSchema

_PRIOR_IMPRESSIONS = 5.0

USER_DENSE = ("earlier_pages", "history_reads", "page_size")
CANDIDATE_DENSE = (
    "click_rate",  # log-odds, of other readers
    "click_lift",  # clicks of other readers over those that a fair draw on their pages would give
    "impressions",  # on pages of other readers, log(1 + n)
    "history_reads_of_others",  # log(1 + n)
    "age_on_page",  # log(1 + articles published since, up to the newest of the page)
    "seen_before",  # earlier pages of this reader that showed it, log(1 + n)
)
SCHEMA = FeatureSchema(
    user=(
        *(Feature(name, FeatureKind.DENSE) for name in USER_DENSE),
        Feature("device", FeatureKind.ID, vocabulary=4),
        Feature("subscriber", FeatureKind.ID, vocabulary=2, values=("no", "yes")),
    ),
    candidate=(
        *(Feature(name, FeatureKind.DENSE) for name in CANDIDATE_DENSE),
        Feature("opened_before", FeatureKind.ID, vocabulary=2, values=("no", "yes")),
    ),
)


@dataclass(frozen=True)
class NewsPage:
    """One page as it was logged; the order of its articles carries no signal."""

    name: str
    reader: str
    time: float
    device: int
    subscriber: bool
    shown: tuple[int, ...]
    clicked: frozenset[int]


def read_news(folder: Path) -> tuple[list[NewsPage], dict[str, list[int]]]:
    """Pages in the order of time, and the articles each reader had read before them."""
    pages = [
        NewsPage(
            str(row["impression_id"]),
            row["user_id"],
            row["impression_time"].timestamp(),
            row["device_type"],
            row["is_subscriber"],
            tuple(row["article_ids_inview"]),
            frozenset(row["article_ids_clicked"]),
        )
        for row in pq.read_table(folder / "pages.parquet").to_pylist()
    ]
    history = {
        row["user_id"]: row["article_id_fixed"]
        for row in pq.read_table(folder / "history.parquet").to_pylist()
    }
    return sorted(pages, key=lambda page: (page.time, page.name)), history


class ArticleCounts:
    """What some readers did with each article."""

    def __init__(self, pages: Iterable[NewsPage], reads: Iterable[int]) -> None:
        self.impressions: Counter[int] = Counter()
        self.clicks: Counter[int] = Counter()
        self.expected: defaultdict[int, float] = defaultdict(float)
        self.reads = Counter(reads)
        for page in pages:
            self.impressions.update(page.shown)
            self.clicks.update(page.clicked)
            for article in page.shown:
                self.expected[article] += len(page.clicked) / len(page.shown)

    def columns(
        self, articles: Sequence[int], less: ArticleCounts
    ) -> dict[str, NDArray[np.float64]]:
        """Features of articles, without what the readers of `less` did."""

        def rest(name: str) -> NDArray[np.float64]:
            mine, theirs = getattr(self, name), getattr(less, name)
            return np.array([mine.get(a, 0) - theirs.get(a, 0) for a in articles], dtype=np.float64)

        impressions, clicks, expected = rest("impressions"), rest("clicks"), rest("expected")
        base = sum(self.clicks.values()) / sum(self.impressions.values())
        prior = _PRIOR_IMPRESSIONS
        rate = (clicks + prior * base) / (impressions + prior)
        return {
            "click_rate": np.log(rate / (1 - rate)),
            "click_lift": np.log((clicks + 1) / (expected + 1)),
            "impressions": np.log1p(impressions),
            "history_reads_of_others": np.log1p(rest("reads")),
        }


def _copies(
    page: NewsPage,
    user: dict[str, Any],
    candidate: dict[str, Any],
    shuffles: int,
    rng: np.random.Generator,
) -> list[RandomPage]:
    """The shuffled copies of a page with these features; 0 shuffles = the page as it was logged."""
    clicks = np.array([article in page.clicked for article in page.shown], dtype=np.float64)
    items = [str(article) for article in page.shown]
    copies = []
    for copy in range(max(1, shuffles)):
        order, seen_clicks = np.arange(len(items)), clicks
        if shuffles:
            order = rng.permutation(len(items))
            seen_clicks = clicks[order] * (rng.random(len(items)) < looks(len(items)))
        name = f"{page.name}-{copy}"
        copies.append(RandomPage(name, page.reader, items, order, seen_clicks, user, candidate))
    return copies


def news_log(
    pages: Sequence[NewsPage],
    history: dict[str, list[int]],
    wanted: Iterable[str],
    trained: Iterable[str],
    shuffles: int,
    seed: int,
) -> ExposureLog:
    """Pages of the `wanted` readers; rates count the `trained` ones.

    Args:
        pages: In the order of time.
        history: Reader -> articles read before.
        wanted: Whose pages the log holds.
        trained: Whose clicks rates are taken from.
        shuffles: How many shuffled copies of each page, with the clicks on slots that were looked
            at; 0 = the page and its clicks as they were logged.
        seed: Seeds the shuffles.
    """
    rng = np.random.default_rng(seed)
    trained, wanted = set(trained), set(wanted)
    by_reader: dict[str, list[NewsPage]] = defaultdict(list)
    for page in pages:
        by_reader[page.reader].append(page)
    everyone = ArticleCounts(
        (page for page in pages if page.reader in trained),
        (article for reader in sorted(trained) for article in history.get(reader, ())),
    )
    nobody = ArticleCounts((), ())
    published = np.array(sorted({article for page in pages for article in page.shown}))
    drawn = []
    for reader in sorted(wanted):
        own = nobody
        if reader in trained:
            own = ArticleCounts(by_reader[reader], history.get(reader, ()))
        opened, seen = set(history.get(reader, ())), Counter[int]()
        for number, page in enumerate(by_reader[reader]):
            user = {
                "earlier_pages": np.log1p(number),
                "history_reads": np.log1p(len(history.get(reader, ()))),
                "page_size": np.log(len(page.shown)),
                "device": page.device,
                "subscriber": page.subscriber,
            }
            place = np.searchsorted(published, page.shown)
            candidate = everyone.columns(page.shown, own) | {
                "age_on_page": np.log1p(place.max() - place),
                "seen_before": np.log1p([seen[article] for article in page.shown]),
                "opened_before": np.array([article in opened for article in page.shown]),
            }
            drawn += _copies(page, user, candidate, shuffles, rng)
            seen.update(page.shown)
            opened.update(page.clicked)
    return random_log(SCHEMA, drawn)
