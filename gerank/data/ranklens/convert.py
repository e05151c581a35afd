"""From RankLens events to an exposure log, and to the folder that `convert ranklens` leaves."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from gerank.data.exposure_log import ExposureLog
from gerank.data.ranklens.catalogue import Catalogue
from gerank.data.ranklens.events import RankLensEvents, read_events
from gerank.data.ranklens.features import feature_columns, feature_schema
from gerank.data.ranklens.films import FilmTable
from gerank.data.ranklens.lines import RankLensError
from gerank.data.ranklens.statistics import ItemStatistics
from gerank.data.schema import FeatureSchema
from gerank.data.texts import text_column_of


def convert_ranklens(events: Path, features_from: Path | None = None) -> ExposureLog:
    """Reads RankLens events of the official format as an exposure log.

    Candidates of a page are its films in the order shown, and the slate is 0, 1, 2, ... The order
    was a uniform shuffle, so the propensities are exact: 1 / M of every film at every slot.

    Args:
        events: `.jsonl` or `.jsonl.gz`.
        features_from: A folder that `write_ranklens` wrote for other people, usually those a model
            is trained on. Click rates of films, genre names and the thresholds of the flags are
            then taken from it. Without it they come from `events`, click rates out of fold by
            person. People of `events` who are also in that folder get its rates without their fold:
            nobody's own clicks enter their features as click rates.

    Raises:
        RankLensError: Events or `ranklens.json` are missing or wrong; names file and line.
        ExposureLogError: The log in `features_from` is missing or damaged.
    """
    return _convert(Path(events), features_from)[0]


def write_ranklens(events: Path, directory: Path, features_from: Path | None = None) -> ExposureLog:
    """Converts events into a folder with `exposures.parquet` and `ranklens.json`.

    The second file holds what the conversion of other people's events takes from this folder.
    Nothing is written when the events or `features_from` are wrong.

    Args:
        events: As in `convert_ranklens`.
        directory: Made if need be.
        features_from: As in `convert_ranklens`.

    Returns:
        The log, as written.

    Raises:
        RankLensError, ExposureLogError: As in `convert_ranklens`.
        OSError: The folder cannot be written.
    """
    directory = Path(directory)
    log, catalogue = _convert(Path(events), features_from)
    catalogue.write(directory)
    log.write(directory)
    return log


def _convert(path: Path, features_from: Path | None) -> tuple[ExposureLog, Catalogue]:
    if features_from is None:
        events = read_events(path)
        catalogue = Catalogue.of_films(events.films.values())
        statistics = ItemStatistics.of_pages(events.pages)
        log = _log(events, catalogue, feature_schema(catalogue), statistics).with_ranges()
    else:
        catalogue, other = _read_log(Path(features_from))
        events = read_events(path)
        log = _log(events, catalogue, other.schema, ItemStatistics.of_log(other))
    return log, catalogue


def _read_log(directory: Path) -> tuple[Catalogue, ExposureLog]:
    """What `write_ranklens` wrote."""
    catalogue, log = Catalogue.read(directory), ExposureLog.read(directory)
    if _without_ranges(log.schema) != feature_schema(catalogue):
        raise RankLensError(f"{directory}: the features of its log are not those of RankLens")
    return catalogue, log


def _without_ranges(schema: FeatureSchema) -> FeatureSchema:
    return replace(
        schema,
        user=tuple(replace(f, minimum=None, maximum=None) for f in schema.user),
        candidate=tuple(replace(f, minimum=None, maximum=None) for f in schema.candidate),
    )


def _log(
    events: RankLensEvents, catalogue: Catalogue, schema: FeatureSchema, statistics: ItemStatistics
) -> ExposureLog:
    pages = events.pages
    films = FilmTable.of_films(events.films, catalogue)
    user, candidate = feature_columns(pages, films, statistics)
    sizes = np.array([len(page.films) for page in pages])
    offsets = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(sizes, dtype=np.int64)])
    slots = np.concatenate([np.arange(size, dtype=np.int64) for size in sizes])
    candidates = np.repeat(sizes, sizes)  # [sum M] of the page
    clicks = [film in page.clicked for page in pages for film in page.films]
    return ExposureLog(
        schema=schema,
        page_ids=text_column_of(page.page_id for page in pages),
        person_ids=text_column_of(page.person for page in pages),
        timestamps=np.array([page.timestamp for page in pages], dtype=np.int64),
        candidate_offsets=offsets,
        slate_offsets=offsets,
        user=user,
        candidate=candidate,
        candidate_names=text_column_of(film for page in pages for film in page.films),
        slates=slots,
        clicks=np.array(clicks, dtype=np.float32),
        log_propensity=-np.log(candidates - slots).astype(np.float32),
        placement_propensity=(1 / candidates).astype(np.float32),
    )
