"""A form of one's own that contradicts itself is told so by method, before anything is trained."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from gerank.nn.structured.readings import FORMS, Reading
from gerank.nn.structured.readings.check import check_reading
from gerank.nn.structured.readings.logit import LogitReading


class HalfLikelihood(LogitReading):
    def page_log_likelihood(self, logits: Tensor, clicks: Tensor, mask: Tensor) -> Tensor:
        return super().page_log_likelihood(logits, clicks, mask) / 2


class WithoutIntent(LogitReading):
    def page_log_likelihood(self, logits: Tensor, clicks: Tensor, mask: Tensor) -> Tensor:
        return super().page_log_likelihood(logits, clicks, mask).sum(-1)


class NanMarginal(LogitReading):
    def page_marginal(self, logits: Tensor, mask: Tensor) -> Tensor:
        return logits * torch.nan


class OtherCounts(LogitReading):
    def page_counts(self, logits: Tensor, mask: Tensor) -> Tensor:
        return super().page_counts(logits, mask).flip(0)


class Broken(LogitReading):
    def start_from(self, rates: Tensor) -> Tensor:
        raise KeyError("rates")


@pytest.mark.parametrize("name", FORMS)
def test_the_forms_of_the_house_hold(name: str) -> None:
    check_reading(name, FORMS[name])


@pytest.mark.parametrize(
    ("form", "said"),
    [
        (HalfLikelihood, "page_log_likelihood: probabilities do not sum to 1"),
        (WithoutIntent, "page_log_likelihood answers [1, 2], not a tensor [1, 2, 3]"),
        (NanMarginal, "page_marginal: probabilities do not agree"),
        (OtherCounts, "page_counts: probabilities do not agree"),
        (Broken, "start_from fails: KeyError"),
        (Reading, "start_from is missing"),
    ],
)
def test_the_method_that_is_wrong_is_named(form: type[Reading], said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"mine.{said}")):
        check_reading("mine", form)


def test_the_form_that_the_docs_show_holds() -> None:
    page = (Path(__file__).parents[2] / "docs" / "trust.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(class Glances.*?)```", page, re.DOTALL)
    names = {"torch": torch, "nn": nn, "Reading": Reading}
    exec(code, names)
    check_reading("Glances", names["Glances"])  # type: ignore[arg-type]
