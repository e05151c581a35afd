"""Warm start: the weights of yesterday's run, put over the fresh ones of today's.

What is matched, and how:

- Features by name. The columns of input layers (value, rank and z-score of a dense feature, the
  embedding of an id) go where the feature stands now. A new feature's columns are zero: it begins
  without effect and learns from there. A dropped one's are gone.
- Lists of ids and vectors by name too, whatever their length and pool; attention begins as a mean.
- Rows of embedding tables by value, see `SideMatch`. Rows without a match are fresh.
- Groups, flags and utilities by name; what is new of them begins without effect.
- Slots by number; slots that yesterday's run did not have start as in a fresh run.
- Everything else by the name of the parameter; its shape is the same, for a run of other widths is
  refused.
- Members of the evaluator's ensemble by their form of reading. Where forms are compared, each
  begins where the same comparison ended yesterday, so that none has a lead. The chosen form begins
  with yesterday's evaluator where that is of the same form. Its members differ by the strength of
  their prior and begin alike. A form that yesterday's run did not try is fresh.

Scales of features and maps of scores, which are fitted on the log of now, are never taken over, nor
are optimizers or the judge, which must not have learnt from what yesterday's choices were made by.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from gerank.data.schema import FeatureSchema
from gerank.nn.channel_residual import ChannelResidual
from gerank.nn.generator import Generator
from gerank.nn.small_tables import with_small_tables
from gerank.nn.structured import PageEvaluator
from gerank.nn.structured.readings import AGAINST
from gerank.train.earlier_run import (
    NEVER_TAKEN,
    State,
    feature_names,
    other_architecture,
    weights_of,
)
from gerank.train.feature_match import Axes, SchemaMatch, over
from gerank.train.run_folder import RunError, RunFolder, read_checkpoint
from gerank.train.warm_axes import evaluator_axes, policy_axes, residual_axes

_FITTED = ("features.calibration.", "features.user_scale.", "features.candidate_scale.")


class WarmStart:
    """Yesterday's weights and how they fit today's models.

    Every `start_*` changes the parameters of a model in place, and says nothing of its scales.
    """

    def __init__(self, document: dict[str, Any], folder: RunFolder) -> None:
        """`document`: what `weights_of` read; `folder`: the run that starts from it."""
        self._document, self._folder = document, folder
        self._old_schema = FeatureSchema.from_json(document["schema"])
        old, new = self._old_schema, folder.schema
        utilities = (document["utilities"], list(folder.config.reward))
        self._match = SchemaMatch(old, new, *utilities)
        # Evaluators have smaller tables than generators.
        self._evaluator_match = SchemaMatch(
            with_small_tables(old), with_small_tables(new), *utilities
        )

    @classmethod
    def from_run(cls, path: Path, folder: RunFolder) -> WarmStart:
        """Reads what the run `folder` is to start from; writes nothing.

        Raises:
            RunError: `path` is no run, or an unfinished one, or one of another architecture, or it
                shares no feature with the log of now.
        """
        before = RunFolder.open(path)
        if not before.finished:
            raise RunError(
                f"--init {path}: its training has not ended: go on with `gerank train --resume` "
                "there first"
            )
        different = other_architecture(before, folder.config)
        if different:
            raise RunError(
                f"--init {path}: weights of another architecture cannot be taken over: "
                f"{'; '.join(different)}; set the same sizes, or train without --init"
            )
        warm = cls(weights_of(before), folder)
        if not any(fate.state == "taken over" for fate in warm._match.fates):
            raise RunError(
                f"--init {path}: none of its features ({feature_names(before.schema)}) is in the "
                f"log of now ({feature_names(folder.schema)}); train without --init"
            )
        return warm

    @classmethod
    def of_begun(cls, folder: RunFolder) -> WarmStart | None:
        """What a run that is resumed started from; None of one that started fresh."""
        if "init" not in folder.facts:
            return None
        return cls(read_checkpoint(folder.initial_weights), folder)

    @property
    def document(self) -> dict[str, Any]:
        """The weights as the new run keeps them until it is finished: it can then be resumed."""
        return self._document

    def to_json(self) -> dict[str, Any]:
        """What run.json says of it."""
        return {
            "run": self._document["run"],
            "features": [vars(fate) for fate in self._match.fates],
            "told": self.sentences(),
        }

    def sentences(self) -> list[str]:
        """What is taken over, what is fresh and what is gone, a line each."""
        fates, config = self._match.fates, self._folder.config
        by_state: dict[str, list[str]] = {}
        for fate in fates:
            by_state.setdefault(fate.state, []).append(fate.name)
        lines = [f"init: {self._document['run']}"]
        for state, end in (
            ("taken over", ""),
            ("new", ", without effect at first"),
            ("fresh", ", for its kind, hashing or values are others now"),
            ("dropped", ""),
        ):
            if state in by_state:
                lines.append(f"features {state}{end}: {', '.join(by_state[state])}")
        lines += [
            f"{fate.name}: {fate.rows} of {fate.of_rows} rows taken over, the others fresh"
            for fate in fates
            if fate.rows and fate.rows < fate.of_rows
        ]
        for name, place in zip(config.reward, self._match.utilities.before.tolist(), strict=True):
            if place < 0:
                lines.append(f"utility {name}: new, without effect at first")
        known = self._document["forms"]
        taken = [form for form in config.evaluator.readings if form in known]
        fresh = [form for form in config.evaluator.readings if form not in known]
        lines.append(f"evaluator: {', '.join(taken) or 'nothing'} taken over")
        if fresh:
            lines.append(f"evaluator: {', '.join(fresh)} fresh")
        if config.evaluator.residual and not self._takes_residual:
            lines.append("evaluator: the residual is fresh, for there was none of as many slots")
        policies = [name for name in ("generator", "clone") if self._document[name]]
        lines.append(f"{' and '.join(policies) or 'no policy'} taken over")
        lines.append("the judge is fresh, as always")
        return lines

    def start_compared(self, ensemble: PageEvaluator) -> None:
        """Starts every member whose form was compared yesterday from where that ended."""
        forms = ensemble.shape.reading.split(AGAINST)
        self._start_members(ensemble, {k: self._compared(form) for k, form in enumerate(forms)})

    def start_chosen(self, ensemble: PageEvaluator) -> None:
        """Starts all members from yesterday's evaluator, or else from its fit of their form."""
        form, evaluator = ensemble.shape.reading, self._document["evaluator"]
        state = evaluator["model"] if evaluator.get("form") == form else self._compared(form)
        self._start_members(ensemble, dict.fromkeys(range(ensemble.shape.members), state))

    def start_residual(self, residual: ChannelResidual) -> None:
        """Starts the channels from yesterday's, where it had some of as many slots."""
        if self._takes_residual:
            _start(
                residual, self._document["residual"], residual_axes(residual, self._evaluator_match)
            )

    def start_generator(self, generator: Generator) -> None:
        """Starts the generator from yesterday's."""
        self._start_policy(generator, "generator")

    def start_clone(self, clone: Generator) -> None:
        """Starts the logged-like policy from yesterday's."""
        self._start_policy(clone, "clone")

    @property
    def _takes_residual(self) -> bool:
        slots = max(self._folder.config.data.slots, self._folder.config.evaluator.page_slots)
        return bool(self._document["residual"]) and self._document["slots"] == slots

    def _compared(self, form: str) -> State:
        state: State = self._document["forms"].get(form, {})
        return state

    def _start_members(self, ensemble: PageEvaluator, states: Mapping[int, State]) -> None:
        """Gives members the states [1, ...] of single ones; {} leaves a member as it is."""
        axes = evaluator_axes(ensemble, self._evaluator_match)
        competing = AGAINST in ensemble.shape.reading
        own = dict(ensemble.named_parameters())
        for member, state in states.items():
            for name, old in state.items():
                here = name
                if competing and name.startswith("reading."):
                    here = f"reading.forms.{member}.{name.removeprefix('reading.')}"
                if here not in own or name.startswith(NEVER_TAKEN):
                    continue
                alone = here != name
                today = own[here].data if alone else own[here].data[member : member + 1]
                if name.startswith("reading."):
                    _start_slots(old, today)
                else:
                    today.copy_(over(old, today, axes.get(name, {})))

    def _start_policy(self, policy: Generator, which: str) -> None:
        state = self._document[which]
        if state:
            config, control = self._folder.config.generator, self._document["control"]
            _start(policy, state, policy_axes(policy, self._match, config, control))


def _start(model: nn.Module, state: State, axes: Axes) -> None:
    """Puts yesterday's parameters over those of a model; those it did not have stay fresh."""
    for name, parameter in model.named_parameters():
        if name in state and not name.startswith((*_FITTED, *NEVER_TAKEN)):
            parameter.data.copy_(over(state[name], parameter.data, axes.get(name, {})))


def _start_slots(old: Tensor, today: Tensor) -> None:
    """Gives a reading's parameter its old values, for the slots that there were.

    A form of one's own that has been rewritten may have parameters of other axes: they stay fresh.
    """
    if old.dim() == today.dim():
        there = tuple(slice(0, min(sizes)) for sizes in zip(old.shape, today.shape, strict=True))
        today[there] = old[there]
