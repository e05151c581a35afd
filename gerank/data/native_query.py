"""A `Request` as the engine reads it: its columns as views, its rules as they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gerank._engine import Query
from gerank.data.contract import RequestContract
from gerank.data.request import Request, RequestError
from gerank.data.request_values import check_id, check_showable
from gerank.data.scalars import is_truth
from gerank.data.schema import Feature, FeatureKind

if TYPE_CHECKING:
    from gerank.data.request import Column

Block = tuple[list[str], str, NDArray[Any]]
"""Names, type (`f4`, `f8` or `i8`) and numbers of a feature block."""


def native_query(request: Request, contract: RequestContract) -> Query:
    """The query that asks for this request. Its values are checked by whoever answers it.

    Arrays are not copied, and must not change until the query is answered: float32, float64 and
    int64 ones that lie in one piece.

    Raises:
        RequestError: A column is no column of numbers, or an id is neither text nor integer.
        StatusError: Another field has a type that it cannot have.
    """
    count = len(request.candidate_ids)
    check_id("id", request.id)
    for index, candidate_id in enumerate(request.candidate_ids):
        check_id(f"candidates[{index}].id", candidate_id)
    check_showable("slots", request.slots)
    check_showable("seed", request.seed)
    check_showable("temperature", request.temperature)
    for name, weight in request.weights.items():
        check_showable(f"weights.{name}", weight)
    user = {name: [value] for name, value in request.user.items()}
    schema = contract.schema
    return Query(
        candidate_count=count,
        user_features=_blocks("user", user, schema.user, 1),
        candidate_features=_blocks("candidates", request.candidates, schema.candidate, count),
        candidate_ids=list(map(str, request.candidate_ids)),
        preset=request.preset,
        slots=request.slots,
        pins=[(pin.slot, pin.candidate) for pin in request.pins],
        dedup_keys=_dedup_keys("dedup_keys", request.dedup_keys, count),
        above=_above(request, contract),
        spacing=[(rule.group, rule.window, rule.cap) for rule in request.spacing],
        quotas=[(rule.flag, rule.minimum, rule.maximum) for rule in request.quotas],
        weights=dict(request.weights),
        seed=request.seed,
        greedy=bool(request.greedy) if is_truth(request.greedy) else request.greedy,
        temperature=request.temperature,
    )


def _blocks(
    side: str, columns: Mapping[str, ArrayLike], features: tuple[Feature, ...], rows: int
) -> list[Block]:
    kinds = {feature.name: feature.kind for feature in features}
    return [
        ([name], *_typed(_column(side, name, kinds.get(name), values, rows)))
        for name, values in columns.items()
    ]


def _column(
    side: str, name: str, kind: FeatureKind | None, values: ArrayLike, rows: int
) -> NDArray[Any]:
    column = np.asarray(values)
    if column.shape != (rows,):
        owner = "slot above" if side == "above" else "candidate"
        wanted = "one value" if side == "user" else f"{rows} values, one per {owner}"
        raise RequestError(f"{side}.{name}", column.tolist(), f"must have {wanted}")
    dense = kind is FeatureKind.DENSE
    known = column.dtype.kind in ("fiu" if dense else "fiub")
    if not known or (not dense and column.dtype.kind != "f" and not _fits(column)):
        wanted = "real numbers" if dense else "64-bit integers"
        raise RequestError(f"{side}.{name}", column.tolist(), f"must be {wanted}")
    return column


def _fits(column: NDArray[Any]) -> bool:
    return bool(np.can_cast(column.dtype, np.int64))


def _typed(column: NDArray[Any]) -> tuple[str, NDArray[Any]]:
    if column.dtype.kind == "f":
        code = "f4" if column.dtype == np.float32 else "f8"
    else:
        code = "i8" if _fits(column) else "f8"
    return code, np.ascontiguousarray(column, dtype=f"<{code}")


def _above(
    request: Request, contract: RequestContract
) -> tuple[int, list[Block], tuple[NDArray[np.int64], NDArray[np.bool_]] | None] | None:
    above = request.above
    if above is None:
        return None
    check_showable("above", above.count)
    blocks = _blocks("above", above.features, contract.schema.above, above.count)
    return above.count, blocks, _dedup_keys("above.dedup_keys", above.dedup_keys, above.count)


def _dedup_keys(
    field: str, given: Column | None, count: int
) -> tuple[NDArray[np.int64], NDArray[np.bool_]] | None:
    if given is None:
        return None
    keys = np.asarray(given)
    if keys.shape != (count,):
        raise RequestError(field, keys.tolist(), f"must have {count} keys")
    if not _fits(keys) or (keys < -1).any():
        raise RequestError(field, keys.tolist(), "must be integers >= 0, or -1 for none")
    return np.ascontiguousarray(keys, np.int64), keys >= 0
