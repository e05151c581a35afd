"""`gerank admin`: what a running server serves, and how that is changed."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gerank.cli.console import out, say, show
from gerank.cli.ranges import number_option
from gerank.cli.server_access import TlsAuthority, TokenFile, credentials_from

if TYPE_CHECKING:
    from gerank.admin import AdminClient, Arm, ContractDifference, Listing, Loaded, ServedModel

app = typer.Typer(help="List, load, roll back and split the models of a server.")

_Address = Annotated[str, typer.Option(help="The server's admin_address, host:port.")]
_Timeout = Annotated[float, number_option(0.001, 86_400.0, "Seconds that one call may take.")]
_Json = Annotated[bool, typer.Option("--json", help="Print what the server says as JSON.")]
_Name = Annotated[str, typer.Argument(help="The model's name.")]


class MalformedArmError(ValueError):
    """A text is no arm of a split; the message names it."""


@app.command("list")
def list_models(
    address: _Address,
    token_file: TokenFile = None,
    tls_ca: TlsAuthority = None,
    timeout_s: _Timeout = 60.0,
    json_output: _Json = False,
) -> None:
    """Show every published version, its arms, and loads that were refused.

    Example:  gerank admin list --address 127.0.0.1:50052
    """
    with _client(address, token_file, tls_ca, timeout_s) as client:
        listing = client.models()
    if json_output:
        _print_json(asdict(listing))
        return
    _show(listing)


@app.command()
def load(
    name: _Name,
    path: Annotated[str, typer.Argument(help="The artifact's file, as the server sees it.")],
    address: _Address,
    keep_current: Annotated[
        bool, typer.Option("--keep-current", help="The current version stays so.")
    ] = False,
    keep_old: Annotated[
        bool, typer.Option("--keep-old", help="The version before stays, to roll back to.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check and compare alone.")] = False,
    allow_breaking_contract: Annotated[
        bool, typer.Option("--allow-breaking-contract", help="It may refuse today's callers.")
    ] = False,
    token_file: TokenFile = None,
    tls_ca: TlsAuthority = None,
    timeout_s: _Timeout = 60.0,
    json_output: _Json = False,
) -> None:
    """Load an artifact under a name, while the version before answers.

    Example:  gerank admin load feed /models/feed-8.gerank --keep-old --address 127.0.0.1:50052
    """
    with _client(address, token_file, tls_ca, timeout_s) as client:
        loaded = client.load(
            name,
            path,
            keep_current=keep_current,
            keep_old=keep_old,
            dry_run=dry_run,
            allow_breaking_contract=allow_breaking_contract,
        )
    if json_output:
        _print_json(asdict(loaded))
        return
    _tell(loaded.differences)
    if dry_run:
        target = name or "the model of calls that name none"
        say(f"{loaded.version} could be loaded as {target}; nothing has changed")
    else:
        beside = f", beside {loaded.previous_version}" if loaded.previous_published else ""
        say(f"{loaded.version} is {'current' if loaded.current else 'published'}{beside}")
    if runs := _what_runs(loaded):
        say(f"{loaded.version} runs: {runs}")


@app.command("make-current")
def make_current(
    name: _Name,
    address: _Address,
    version: Annotated[str, typer.Option(help="Default: the one that was current before.")] = "",
    token_file: TokenFile = None,
    tls_ca: TlsAuthority = None,
    timeout_s: _Timeout = 60.0,
    json_output: _Json = False,
) -> None:
    """Make a published version current: a roll-back without loading.

    Example:  gerank admin make-current feed --address 127.0.0.1:50052
    """
    with _client(address, token_file, tls_ca, timeout_s) as client:
        made = client.make_current(name, version)
    if json_output:
        _print_json(asdict(made))
        return
    _tell(made.differences)
    say(f"{made.version} is current, {made.previous_version} was")


@app.command()
def retire(
    name: _Name,
    address: _Address,
    version: Annotated[str, typer.Option(help="Default: the model with all versions.")] = "",
    token_file: TokenFile = None,
    tls_ca: TlsAuthority = None,
    timeout_s: _Timeout = 60.0,
    json_output: _Json = False,
) -> None:
    """Remove a version, or a model with all of its versions.

    Example:  gerank admin retire feed --version feed-7 --address 127.0.0.1:50052
    """
    with _client(address, token_file, tls_ca, timeout_s) as client:
        client.retire(name, version)
    if json_output:
        _print_json({"name": name, "version": version})
        return
    say(f"{version or 'every version'} of {name} is not published any more")


@app.command()
def split(
    name: _Name,
    address: _Address,
    arms: Annotated[
        list[str] | None, typer.Argument(help="ARM=VERSION:WEIGHT, each; none: no split.")
    ] = None,
    token_file: TokenFile = None,
    tls_ca: TlsAuthority = None,
    timeout_s: _Timeout = 60.0,
    json_output: _Json = False,
) -> None:
    """Send the calls of a model to several versions, by weight.

    Example:  gerank admin split feed control=feed-7:90 new=feed-8:10 --address 127.0.0.1:50052
    """
    asked = [_arm(word) for word in arms or ()]
    with _client(address, token_file, tls_ca, timeout_s) as client:
        total = client.split(name, asked)
    if json_output:
        _print_json({"total_weight": total, "arms": [asdict(arm) for arm in asked]})
        return
    for arm in asked:
        say(f"{arm.arm}: {arm.version} gets {arm.weight / total:.2%} of the calls")
    if not asked:
        say(f"{name} is not split")


def _client(
    address: str, token_file: Path | None, authority: Path | None, timeout_s: float
) -> AdminClient:
    from gerank.admin import AdminClient

    credentials = credentials_from(authority)
    return AdminClient(address, timeout_s, credentials=credentials, token=token_file)


def _arm(word: str) -> Arm:
    from gerank.admin import LARGEST_WEIGHT, Arm

    name, _, rest = word.partition("=")
    version, _, text = rest.rpartition(":")
    if not name or not version or not text:
        raise MalformedArmError(f"arm: must be ARM=VERSION:WEIGHT, got {word!r}")
    weight = int(text) if re.fullmatch("[0-9]{1,9}", text) else 0
    if not 1 <= weight <= LARGEST_WEIGHT:
        rule = f"the weight must be an integer in [1, {LARGEST_WEIGHT}]"
        raise MalformedArmError(f"arm {name}: {rule}, got {text!r}")
    return Arm(name, version, weight)


def _tell(differences: Sequence[ContractDifference]) -> None:
    for each in differences:
        say(f"refuses calls of today: {each.field}: {each.rule}")


def _what_runs(model: Loaded | ServedModel) -> str:
    """Empty where an older server does not tell it."""
    return ", ".join(filter(None, (model.implementation, model.precision)))


def _show(listing: Listing) -> None:
    from gerank.train.report import Table

    show(
        Table(
            "Models",
            ("model", "version", "answers", "runs", "arms", "answered", "failed", "loaded"),
            tuple(
                (
                    model.name,
                    model.version,
                    ("calls without a name" if model.is_default else "current")
                    if model.current
                    else "calls that name it",
                    _what_runs(model),
                    ", ".join(f"{arm.arm} {arm.weight}" for arm in model.arms),
                    str(model.answered),
                    str(model.failed),
                    _moment(model.loaded_at),
                )
                for model in listing.models
            ),
        )
    )
    for model in listing.models:
        say(f"{model.version} of {model.name}: {model.path}")
    for each in listing.refused:
        say(f"refused {_moment(each.time)}: {each.name}: {each.error}")


def _moment(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M:%S} UTC"


def _print_json(document: dict[str, Any]) -> None:
    out.print_json(json.dumps(document, default=lambda time: time.isoformat()))
