"""`gerank simulate`: an exposure log from the embedded simulator."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from gerank.cli.console import say
from gerank.cli.ranges import number_option

Choice = TypeVar("Choice", bound=StrEnum)


def simulate(
    pages: Annotated[int, number_option(1, 10_000_000, "Pages to log.")],
    out_dir: Annotated[Path, typer.Option("--out", help="Folder for the log and its truth.")],
    candidates: Annotated[int, number_option(1, 4000, "Candidates per page.")] = 20,
    slots: Annotated[int, number_option(1, 4000, "Slots per page.")] = 10,
    seed: Annotated[int, number_option(0, 2**63 - 1, "Of people, pages and clicks.")] = 0,
    users: Annotated[
        str,
        typer.Option(
            help="What makes people click: fatigue, examination, cascade, attention or "
            "repeat-seeking."
        ),
    ] = "fatigue",
    logging: Annotated[
        str,
        typer.Option(
            help="How pages are filled: sampled (noise at every slot), deterministic (sorted) or "
            "mixed (sorted, but for a share of random pages)."
        ),
    ] = "sampled",
    explore: Annotated[
        float, number_option(0.0, 1.0, "Share of random pages in mixed logging.")
    ] = 0.0,
    score_noise: Annotated[
        float | None,
        number_option(
            0.0, 100.0, "Spread of the upstream score's error, in logits; 0.18 if unset."
        ),
    ] = None,
    feed_pages: Annotated[
        int,
        number_option(1, 1000, "Pages of a person that follow each other as one feed."),
    ] = 1,
) -> None:
    """Simulate a feed: people, a logging pipeline, and clicks that depend on the page.

    Logs of different seeds show the same catalogue to different people, so one may train and the
    other test.

    Example:  gerank simulate --pages 20000 --out data/train
    """
    from gerank.data.simulator import Logging, ObservationNoise, SimulatorConfig, UserKind
    from gerank.data.simulator import simulate as run

    kind, mode = _choice("--users", UserKind, users), _choice("--logging", Logging, logging)
    if mode is Logging.MIXED and not explore:
        raise typer.BadParameter("mixed logging needs a share above 0", param_hint="'--explore'")
    try:
        noise = ObservationNoise(**({} if score_noise is None else {"ctr_score": score_noise}))
        config = SimulatorConfig(
            pages,
            candidates,
            slots,
            seed,
            noise=noise,
            users=kind,
            logging=mode,
            explore=explore,
            feed_pages=feed_pages,
        )
    except ValueError as error:
        raise _misfit(error) from None
    log, truth = run(config)
    log.write(out_dir)
    truth.write(out_dir)
    say(
        f"{len(log)} pages of {candidates} candidates, {slots} slots, {kind} users, "
        f"{mode} logging, {log.clicks.sum() / len(log):.3f} clicks a page: {out_dir}"
    )


def _choice(option: str, choices: type[Choice], value: str) -> Choice:
    if value not in [*choices]:
        names = ", ".join(choices)
        raise typer.BadParameter(f"{value!r} is not one of {names}", param_hint=f"'{option}'")
    return choices(value)


def _misfit(error: ValueError) -> typer.BadParameter:
    """An error of the configuration, whose first word is a field, as one of that field's option."""
    field = str(error).split()[0].replace("ctr_score", "score_noise")
    return typer.BadParameter(str(error), param_hint=f"'--{field.replace('_', '-')}'")
