"""Every exception can go to another process, and come back: a pool survives one bad page."""

from __future__ import annotations

import copy
import importlib
import inspect
import multiprocessing
import pickle
import pkgutil
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import grpc
import pytest

import gerank
import gerank_server
from gerank.client import ServerError
from gerank.data.request import RequestError
from gerank.data.request_check import parse_request
from gerank.engine import Engine, EngineOptions, StatusError
from gerank_server.errors import BusyError
from tests.data.bad_requests import valid_document
from tests.data.request_cases import CONTRACT

OPTIONAL = ("nicegui", "fastapi", "uvicorn", "lightgbm", "sklearn")
"""Packages that an installation may lack, and modules that need them with it."""


def modules() -> Iterator[Any]:
    for package in (gerank, gerank_server):
        for entry in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if entry.name.endswith("__main__"):
                continue
            try:
                yield importlib.import_module(entry.name)
            except ModuleNotFoundError as error:
                if error.name not in OPTIONAL:
                    raise


def exception_classes() -> list[type[Exception]]:
    return sorted(
        {
            found
            for module in modules()
            for found in vars(module).values()
            if inspect.isclass(found)
            and issubclass(found, Exception)
            and found.__module__.split(".")[0] in ("gerank", "gerank_server")
        },
        key=lambda found: (found.__module__, found.__qualname__),
    )


def refused_option() -> StatusError:
    with pytest.raises(StatusError) as caught:
        Engine(EngineOptions(workers=0))
    return caught.value


CLASSES = exception_classes()
EXAMPLES: dict[type[Exception], Callable[[], Exception]] = {
    BusyError: lambda: BusyError(0.1),
    RequestError: lambda: RequestError("candidates[3].price", [1.5, None], "must be a number"),
    ServerError: lambda: ServerError("no", grpc.StatusCode.INVALID_ARGUMENT, ("slots",)),
    StatusError: refused_option,
}
"""These exceptions are not made of a message alone."""


def example(kind: type[Exception]) -> Exception:
    made = EXAMPLES[kind]() if kind in EXAMPLES else kind("a message of its own")
    made.add_note("a note")
    return made


def test_the_packages_were_searched() -> None:
    names = {kind.__name__ for kind in CLASSES}
    assert {"RequestError", "ServerError", "StatusError", "SchemaError", "OptionError"} <= names


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__qualname__)
@pytest.mark.parametrize(
    "again",
    [*(lambda e, p=p: pickle.loads(pickle.dumps(e, p)) for p in (2, 5)), copy.copy, copy.deepcopy],
    ids=["pickle 2", "pickle 5", "copy", "deepcopy"],
)
def test_an_exception_survives_pickle_and_copy(
    kind: type[Exception], again: Callable[[Exception], Exception]
) -> None:
    error = example(kind)
    other = again(error)
    assert type(other) is kind
    assert (str(other), other.args, vars(other)) == (str(error), error.args, vars(error))


def test_a_request_error_of_known_text_survives_too() -> None:
    error = RequestError.shown("weights.clicks", "1e+09", "must be lower").within("requests[4]")
    other = pickle.loads(pickle.dumps(error))
    assert str(other) == str(error) == "requests[4].weights.clicks: must be lower, got 1e+09"
    assert str(other.within("file")) == str(error.within("file"))


@pytest.mark.parametrize(
    "value",
    [(n for n in range(3)), {}.keys(), lambda: 1],
)
def test_a_request_error_whose_value_does_not_pickle_survives_as_what_it_says(value: Any) -> None:
    error = RequestError("user_features.age", value, "must be a number")
    other = pickle.loads(pickle.dumps(error))
    assert str(other) == str(error)
    assert repr(value) in str(other) or "..." in str(other)
    assert str(pickle.loads(pickle.dumps(other)).within("requests[0]")) == str(
        error.within("requests[0]")
    )


class PickyError(Exception):
    """It pickles, and does not load."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(one)


class Unshown:
    def __repr__(self) -> str:
        raise RuntimeError("not to be shown")


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "make",
    [lambda: PickyError(1, 2), Unshown, lambda: 10**5000, lambda: nested(100_000)],
    ids=["loads not", "shown not", "many digits", "nested"],
)
def test_an_odd_value_neither_hides_the_error_nor_keeps_it_from_another_process(
    make: Callable[[], Any],
) -> None:
    error = RequestError("slots", make(), "must be an integer")
    assert str(error).startswith("slots: must be an integer, got ")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
    with pytest.raises(RequestError, match=r"^seed: "):
        parse_request(valid_document() | {"seed": 10**5000}, CONTRACT)


def _answer(page: dict[str, Any]) -> int:
    return len(parse_request(page, CONTRACT).candidate_ids)


def _refuse_options(workers: int) -> None:
    Engine(EngineOptions(workers=workers))


def test_one_bad_page_leaves_the_pool_of_processes_whole() -> None:
    good = valid_document()
    bad = good | {"slots": 99}
    spawn = multiprocessing.get_context("spawn")  # as DataLoader workers beside threads do
    with ProcessPoolExecutor(1, mp_context=spawn) as pool:
        refused = pool.submit(_answer, bad)
        with pytest.raises(RequestError, match=r"slots: .*got 99") as caught:
            refused.result(timeout=60)
        assert (caught.value.field, str(caught.value.value)) == ("slots", "99")
        assert pool.submit(_answer, good).result(timeout=60) == len(good["candidates"])
        with pytest.raises(StatusError, match="workers") as told:
            pool.submit(_refuse_options, 0).result(timeout=60)
        assert (told.value.code, told.value.field) == ("INVALID_ARGUMENT", "workers")
