"""Whether one artifact can answer one request: the only place where that is decided.

Every front calls `check_request` before a request costs a forward pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import ArrayLike

from gerank.data.contract import RequestContract
from gerank.data.feature_columns import check_names, dense_matrix, id_matrix, unknown_name
from gerank.data.request import Pin, Quota, Request, RequestError, Spacing
from gerank.data.schema import Feature, FeatureKind

_INTEGERS = (int, np.integer)
_REALS = (int, float, np.integer, np.floating)
_INT32_MAX = 2**31 - 1
_UINT64_MAX = 2**64 - 1
TEMPERATURES = (1e-3, 1e3)
"""The range of a temperature: beyond it, float32 logits are no longer told apart or overflow."""


def check_request(request: Request, contract: RequestContract) -> None:
    """Checks every field of a request.

    Raises:
        RequestError: The first thing that is wrong; it names field and value.
    """
    count = len(request.candidate_ids)
    check_candidate_count(count, contract)
    _check_ids(request)
    schema = contract.schema
    user = {name: [value] for name, value in request.user.items()}
    _check_features("user", user, schema.user, rows=1)
    _check_features("candidates", request.candidates, schema.candidate, rows=count)
    slots = contract.max_slots if request.slots is None else request.slots
    _check_integer("slots", slots, 1, contract.max_slots)
    _check_dedup_keys(request)
    _check_pins(request, slots)
    _check_spacing(request.spacing, schema.groups)
    _check_quotas(request.quotas, schema.flags)
    _check_weights(request, contract)
    _check_sampling(request)


def check_candidate_count(count: int, contract: RequestContract) -> None:
    """Checks M alone: for a front that must know it before it believes the rest.

    Raises:
        RequestError: M is outside the artifact's limits.
    """
    _check_integer("candidates", count, 1, contract.max_candidates, "their number ")


def _check_integer(field: str, value: object, low: int, high: int, what: str = "") -> None:
    if isinstance(value, bool) or not isinstance(value, _INTEGERS) or not low <= value <= high:
        raise RequestError(field, value, f"{what}must be an integer in [{low}, {high}]")


def _check_real(field: str, value: object, low: float, high: float) -> None:
    if isinstance(value, bool) or not isinstance(value, _REALS) or not low <= value <= high:
        raise RequestError(field, value, f"must be a number in [{low:g}, {high:g}]")


def _check_ids(request: Request) -> None:
    _check_id("id", request.id)
    first_use: dict[str, int] = {}
    for index, candidate_id in enumerate(request.candidate_ids):
        _check_id(f"candidates[{index}].id", candidate_id)
        first = first_use.setdefault(str(candidate_id), index)
        if first != index:
            raise RequestError(
                f"candidates[{index}].id", candidate_id, f"is the id of candidates[{first}] too"
            )


def _check_id(field: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise RequestError(field, value, "must be a string or an integer")
    try:
        str(value).encode()
    except UnicodeEncodeError as error:
        raise RequestError(field, value, "must be valid Unicode") from error


def _check_features(
    side: str, columns: Mapping[str, ArrayLike], features: tuple[Feature, ...], rows: int
) -> None:
    check_names(side, columns, features)
    dense = [feature for feature in features if feature.kind is FeatureKind.DENSE]
    ids = [feature for feature in features if feature.kind is FeatureKind.ID]
    dense_matrix(side, columns, dense, rows)
    id_matrix(side, columns, ids, rows)


def _check_dedup_keys(request: Request) -> None:
    if request.dedup_keys is None:
        return
    keys, count = request.dedup_keys, len(request.candidate_ids)
    if keys.shape != (count,):
        raise RequestError("dedup_keys", keys.tolist(), f"must have {count} keys")
    if not np.can_cast(keys.dtype, np.int64) or (keys < -1).any():
        raise RequestError("dedup_keys", keys.tolist(), "must be integers >= 0, or -1 for none")


def _check_pins(request: Request, slots: int) -> None:
    slot_of: dict[int, int] = {}
    slot_of_key: dict[int, int] = {}
    for pin in request.pins:
        field = f"pins.{pin.slot}"
        _check_integer(field, pin.slot, 0, slots - 1, "the slot ")
        _check_integer(field, pin.candidate, 0, len(request.candidate_ids) - 1, "the candidate ")
        shown = request.candidate_ids[pin.candidate]
        if pin.slot in slot_of.values():
            raise RequestError(field, shown, "another pin has this slot already")
        if pin.candidate in slot_of:
            other = slot_of[pin.candidate]
            raise RequestError(field, shown, f"slot {other} pins this candidate too")
        slot_of[pin.candidate] = pin.slot
        _check_pinned_key(request, pin, slot_of_key)


def _check_pinned_key(request: Request, pin: Pin, slot_of_key: dict[int, int]) -> None:
    key = -1 if request.dedup_keys is None else int(request.dedup_keys[pin.candidate])
    other = slot_of_key.setdefault(key, pin.slot)
    if key >= 0 and other != pin.slot:
        shown = request.candidate_ids[pin.candidate]
        rule = f"slot {other} pins a candidate of the same dedup key"
        raise RequestError(f"pins.{pin.slot}", shown, rule)


def _check_spacing(spacing: Iterable[Spacing], groups: tuple[str, ...]) -> None:
    used: set[str] = set()
    for index, rule in enumerate(spacing):
        field = f"spacing[{index}]"
        _check_name(f"{field}.group", rule.group, "group key", groups, used)
        _check_integer(f"{field}.window", rule.window, 1, _INT32_MAX)
        _check_integer(f"{field}.cap", rule.cap, 1, _INT32_MAX)


def _check_quotas(quotas: Iterable[Quota], flags: tuple[str, ...]) -> None:
    used: set[str] = set()
    for index, rule in enumerate(quotas):
        field = f"quotas[{index}]"
        _check_name(f"{field}.flag", rule.flag, "flag", flags, used)
        _check_integer(f"{field}.min", rule.minimum, 0, _INT32_MAX)
        if rule.maximum is not None:
            _check_integer(f"{field}.max", rule.maximum, rule.minimum, _INT32_MAX)


def _check_name(
    field: str, name: object, what: str, known: tuple[str, ...], used: set[str]
) -> None:
    if name not in known:
        raise unknown_name(field, name, what, str(name), known)
    if name in used:
        raise RequestError(field, name, f"this {what} has a rule already")
    used.add(str(name))


def _check_weights(request: Request, contract: RequestContract) -> None:
    for name, value in request.weights.items():
        field = f"weights.{name}"
        if name not in contract.weights:
            raise unknown_name(field, value, "utility", name, contract.weights.keys())
        _check_real(field, value, contract.weights[name].minimum, contract.weights[name].maximum)


def _check_sampling(request: Request) -> None:
    if request.seed is not None:
        _check_integer("seed", request.seed, 0, _UINT64_MAX)
    if not isinstance(request.greedy, bool):
        raise RequestError("greedy", request.greedy, "must be true or false")
    _check_real("temperature", request.temperature, *TEMPERATURES)
