"""The request as people write it: one JSON document, named features, candidates as objects.

    {"id": "page-1", "user": {"age": 31}, "candidates": [{"id": "a", "price": 9.5}, ...],
     "slots": 10, "pins": {"0": "a"}, "spacing": [{"group": "seller", "window": 4, "cap": 1}],
     "above": [{"seller": "s-1", "fresh": "no", "dedup_key": "x"}, ...],
     "quotas": [{"flag": "fresh", "min": 2, "max": 5}], "weights": {"clicks": 1.0},
     "seed": 7, "mode": "sample", "temperature": 0.8, "preset": "new-arrivals page"}

A feature of several columns, a vector or a list of ids, is given as an array under its own name:
`"tags": ["a", "b"]`, `"embedding": [0.1, 0.7]`. Its columns may be given one by one instead.

A flag `age_missing` beside a feature `age` follows from whether the age is there, and may be left
out. An age that is left out or null then has its default, where the artifact knows one.

A candidate may have a `dedup_key`, a string or an integer. Ids and dedup keys are compared as text.
`above` tells the slots shown directly above the page, downwards: every group key and flag of each.
All keys but `id`, `candidates` and, where the artifact has user features, `user` may be left out.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from gerank.data.block_values import spread_blocks
from gerank.data.contract import RequestContract
from gerank.data.feature_names import check_names, rule_of, unknown_name
from gerank.data.missing_values import check_missing_flags, with_missing_flags
from gerank.data.request import Above, Pin, Quota, Request, RequestError, Spacing
from gerank.data.scalars import MOST_BITS, is_id, whole_number
from gerank.data.schema import NOT_FEATURES, Feature, FeatureKind, FeatureSchema, SchemaError
from gerank.unknown_features import UnknownFeatures

_REQUIRED = ("id", "candidates")
_OPTIONAL = (
    *("user", "preset", "slots", "pins", "above", "spacing", "quotas", "weights"),
    *("seed", "mode", "temperature"),
)
_GREEDY = {"greedy": True, "sample": False}
_LONGEST_SLOT = 9  # digits: whatever is longer is no slot, and `int` refuses the very long


def read_request(
    document: Mapping[str, Any],
    contract: RequestContract,
    unknown: UnknownFeatures = UnknownFeatures.REFUSE,
) -> Request:
    """Reads one JSON request, whose values whoever answers it will check.

    Optional features that it lacks have their defaults.

    Args:
        document: As `json.loads` returns it.
        contract: What the artifact asks of a request.
        unknown: What becomes of features that the artifact does not know.

    Raises:
        RequestError: The document cannot be put into columns; the message names field and value.
    """
    try:
        return _columns(document, contract, unknown)
    except RequestError:
        raise
    except ValueError as error:  # Python does not write out a number of so many digits
        for field, value in _integers(document):
            if value.bit_length() > MOST_BITS:
                raise RequestError(field, value, "must be a 64-bit integer or a float64") from error
        raise


def _columns(
    document: Mapping[str, Any], contract: RequestContract, unknown: UnknownFeatures
) -> Request:
    entries = _entries("request", document, _REQUIRED, _OPTIONAL)
    candidates = _candidates(entries["candidates"], contract, unknown)
    candidate_ids = tuple(candidate["id"] for candidate in candidates)
    numbers: dict[str, int] = {}
    return Request(
        id=entries["id"],
        candidate_ids=candidate_ids,
        user=_user(_mapping("user", entries.get("user", {})), contract.schema, unknown),
        candidates={f.name: _column(candidates, f) for f in contract.schema.candidate},
        dedup_keys=_dedup_keys("candidates", candidates, numbers),
        above=read_above(entries.get("above", ()), contract, unknown, numbers),
        **read_rules(entries, contract, candidate_ids),
    )


def read_rules(
    entries: Mapping[str, Any], contract: RequestContract, candidate_ids: tuple[str | int, ...]
) -> dict[str, Any]:
    """Reads what a document says of its slate, as fields of `Request`.

    Args:
        entries: The document, whose other keys are not read.
        contract: As for `read_request`.
        candidate_ids: [M] Those that pins may name.

    Raises:
        RequestError: A value is malformed; the message names field and value.
    """
    return {
        "preset": _said(entries, "preset", "must be a string"),
        "slots": _slots(entries, contract),
        "pins": _pins(_mapping("pins", entries.get("pins", {})), candidate_ids),
        "spacing": _spacing(_sequence("spacing", entries.get("spacing", ()))),
        "quotas": _quotas(_sequence("quotas", entries.get("quotas", ()))),
        "weights": _mapping("weights", entries.get("weights", {})),
        "seed": entries.get("seed"),
        "greedy": _greedy(entries["mode"]) if "mode" in entries else None,
        "temperature": _said(entries, "temperature", "must be a number"),
    }


def read_above(
    value: object, contract: RequestContract, unknown: UnknownFeatures, number_of: dict[str, int]
) -> Above | None:
    """Reads what a document says of the slots above its page; None where it says nothing.

    Args:
        value: Its `above`.
        contract: As for `read_request`.
        unknown: As for `read_request`.
        number_of: Dedup key as text -> its number among the candidates; new ones are added.

    Raises:
        RequestError: A value is malformed; the message names field and value.
    """
    slots = _sequence("above", value)
    if not slots:
        return None
    features = contract.schema.above
    read = [_mapping(f"above[{index}]", slot) for index, slot in enumerate(slots)]
    for index, slot in enumerate(read):
        named = {key: value for key, value in slot.items() if key not in NOT_FEATURES}
        check_names(f"above[{index}]", named, features, unknown)
    columns = {feature.name: _column(read, feature, "above") for feature in features}
    return Above(len(read), columns, _dedup_keys("above", read, number_of))


def _integers(value: object, path: str = "") -> Iterator[tuple[str, int]]:
    """The integers of a document, each with its path."""
    if isinstance(value, Mapping):
        for key, below in value.items():
            yield from _integers(below, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list | tuple):
        for index, below in enumerate(value):
            yield from _integers(below, f"{path}[{index}]")
    elif isinstance(value, int):
        yield path, value


def _mapping(field: str, value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise RequestError(field, value, "must be an object")
    return value


def _sequence(field: str, value: object) -> Sequence[Any]:
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise RequestError(field, value, "must be an array")
    return value


def _entries(
    field: str, value: object, required: Collection[str], optional: Collection[str] = ()
) -> Mapping[str, Any]:
    """`value` as an object with all of the required keys and none but the optional ones."""
    entries = _mapping(field, value)
    known = (*required, *optional)
    path = "" if field == "request" else f"{field}."
    for name in entries:
        if name not in known:
            raise unknown_name(f"{path}{name}", entries[name], "key", str(name), known)
    for name in required:
        if name not in entries:
            raise RequestError(f"{path}{name}", sorted(entries), "the key is missing")
    return entries


def _candidates(
    value: object, contract: RequestContract, unknown: UnknownFeatures
) -> Sequence[Mapping[str, Any]]:
    candidates = _sequence("candidates", value)
    if not 1 <= len(candidates) <= contract.max_candidates:  # before the rest is believed
        rule = f"their number must be an integer in [1, {contract.max_candidates}]"
        raise RequestError("candidates", len(candidates), rule)
    schema, blocks = contract.schema, contract.schema.blocks_of("candidate")
    read = []
    for index, entry in enumerate(candidates):
        path = f"candidates[{index}]"
        candidate = _mapping(path, entry)
        if "id" not in candidate:
            raise RequestError(f"{path}.id", sorted(candidate), "the key is missing")
        spread = _spread(path, candidate, schema, "candidate")
        named = {key: number for key, number in spread.items() if key not in NOT_FEATURES}
        check_names(path, named, schema.candidate, unknown, blocks)
        read.append(spread)
    return read


def _spread(
    path: str, given: Mapping[str, Any], schema: FeatureSchema, side: str
) -> Mapping[str, Any]:
    """Every feature under its own name: blocks in their columns, flags of missing values told."""
    spread = spread_blocks(path, with_missing_flags(path, given, schema, side), schema, side)
    check_missing_flags(path, spread, schema, side)
    return spread


def _user(
    given: Mapping[str, Any], schema: FeatureSchema, unknown: UnknownFeatures
) -> dict[str, float | int]:
    values, features = _spread("user", given, schema, "user"), schema.user
    check_names("user", values, features, unknown, schema.blocks_of("user"))
    return {f.name: _number(f"user.{f.name}", f, values.get(f.name, f.default)) for f in features}


def _column(
    entries: Iterable[Mapping[str, Any]], feature: Feature, side: str = "candidates"
) -> array[Any]:
    numbers = [
        _number(
            f"{side}[{index}].{feature.name}",
            feature,
            entry.get(feature.name, feature.default),
        )
        for index, entry in enumerate(entries)
    ]
    return array("d" if feature.kind is FeatureKind.DENSE else "q", numbers)


def _number(field: str, feature: Feature, value: object) -> float | int:
    try:
        return feature.encode(value)
    except (SchemaError, UnicodeEncodeError) as error:
        raise RequestError(field, value, rule_of(feature, value)) from error


def _pins(pins: Mapping[str, Any], candidate_ids: tuple[str | int, ...]) -> tuple[Pin, ...]:
    index_of = {str(candidate_id): index for index, candidate_id in enumerate(candidate_ids)}
    parsed = []
    for slot, candidate_id in pins.items():
        if not (str(slot).isascii() and str(slot).isdecimal()) or len(str(slot)) > _LONGEST_SLOT:
            raise RequestError(f"pins.{slot}", slot, "the slot must be an integer >= 0")
        if str(candidate_id) not in index_of:
            raise RequestError(f"pins.{slot}", candidate_id, "no candidate has this id")
        parsed.append(Pin(int(slot), index_of[str(candidate_id)]))
    return tuple(parsed)


def _dedup_keys(
    field: str, entries: Sequence[Mapping[str, Any]], number_of: dict[str, int]
) -> array[int] | None:
    """Numbers the distinct keys; only their equality matters. `number_of` holds those before."""
    keys = [entry.get("dedup_key") for entry in entries]
    if all(key is None for key in keys):
        return None
    numbers = array("q", [-1]) * len(keys)
    for index, key in enumerate(keys):
        if key is None:
            continue
        if not is_id(key):
            raise RequestError(f"{field}[{index}].dedup_key", key, "must be a string or an integer")
        numbers[index] = number_of.setdefault(str(key), len(number_of))
    return numbers


def _spacing(rules: Sequence[object]) -> tuple[Spacing, ...]:
    keys = ("group", "window", "cap")
    return tuple(Spacing(**_entries(f"spacing[{i}]", rule, keys)) for i, rule in enumerate(rules))


def _quotas(rules: Sequence[object]) -> tuple[Quota, ...]:
    parsed = []
    for index, rule in enumerate(rules):
        entry = _entries(f"quotas[{index}]", rule, ("flag",), ("min", "max"))
        parsed.append(Quota(entry["flag"], entry.get("min", 0), entry.get("max")))
    return tuple(parsed)


def _slots(entries: Mapping[str, Any], contract: RequestContract) -> Any:
    slots = _said(entries, "slots", "must be an integer")
    number = None if slots is None else whole_number(slots)
    if number is not None and number < 1:  # a message cannot tell 0 from none
        raise RequestError("slots", slots, f"must be an integer in [1, {contract.max_slots}]")
    return slots


def _said(entries: Mapping[str, Any], key: str, rule: str) -> Any:
    """What stands there; None where the key is missing, and nowhere else."""
    if key in entries and entries[key] is None:
        raise RequestError(key, None, rule)
    return entries.get(key)


def _greedy(mode: object) -> bool:
    if not isinstance(mode, str) or mode not in _GREEDY:
        raise RequestError("mode", mode, f"must be one of {sorted(_GREEDY)}")
    return _GREEDY[mode]
