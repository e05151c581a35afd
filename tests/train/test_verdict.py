"""The verdict on both sides of every threshold."""

from __future__ import annotations

import json

import pytest

from gerank.train.judge import JudgeOpinion
from gerank.train.verdict import BOOSTED, MOST_OUTSIDE, Verdict, judge_slates

EDGE = 1e-9


def says(name: str, low: float) -> JudgeOpinion:
    return JudgeOpinion(name, low + 0.1, low, 0.6)


def boosted(gain: float, error: float) -> JudgeOpinion:
    """Returns the opinion of the judge of another family.

    `error` is the distance of both bounds from the gain.
    """
    return JudgeOpinion(BOOSTED, gain, gain - error, 0.5)


SURE, DOUBTS = says("one", 0.05), says("other", -0.05)


@pytest.mark.parametrize(
    ("learnt", "opinions", "outside", "verdict"),
    [
        (True, [SURE], 0.0, Verdict.BETTER),
        (True, [SURE, says("other", 0.2)], 0.0, Verdict.BETTER),
        (True, [says("one", EDGE)], MOST_OUTSIDE, Verdict.BETTER),
        (True, [says("one", 0.0)], 0.0, Verdict.NOT_BETTER),
        (True, [says("one", -EDGE)], 0.0, Verdict.NOT_BETTER),
        (True, [says("one", float("nan"))], 0.0, Verdict.NOT_BETTER),
        (True, [SURE, DOUBTS], 0.0, Verdict.NOT_BETTER),
        (True, [DOUBTS, SURE], 0.0, Verdict.NOT_BETTER),
        (True, [DOUBTS, DOUBTS], 0.0, Verdict.NOT_BETTER),
        (True, [SURE], MOST_OUTSIDE + EDGE, Verdict.NOT_BETTER),
        (True, [SURE], 1.0, Verdict.NOT_BETTER),
        (True, [], 0.0, Verdict.NOT_BETTER),
        (True, [SURE, boosted(gain=-0.1, error=0.11)], 0.0, Verdict.BETTER),
        (True, [SURE, boosted(gain=-0.1, error=0.1)], 0.0, Verdict.NOT_BETTER),
        (True, [SURE, boosted(gain=0.1, error=float("nan"))], 0.0, Verdict.NOT_BETTER),
        (True, [DOUBTS, boosted(gain=0.3, error=0.1)], 0.0, Verdict.NOT_BETTER),
        (False, [SURE], 0.0, Verdict.NOTHING_TO_LEARN),
        (False, [DOUBTS], 1.0, Verdict.NOTHING_TO_LEARN),
        (False, [], 0.0, Verdict.NOTHING_TO_LEARN),
    ],
)
def test_slates_are_better_only_where_nothing_speaks_against_them(
    learnt: bool, opinions: list[JudgeOpinion], outside: float, verdict: Verdict
) -> None:
    judgement = judge_slates(learnt, opinions, outside)
    assert judgement.verdict is verdict
    assert judgement.opinions == tuple(opinions)
    assert judgement.outside == outside


def reasons(learnt: bool, opinions: list[JudgeOpinion], outside: float = 0.0) -> str:
    return " ".join(judge_slates(learnt, opinions, outside).reasons)


def test_judges_that_disagree_are_told_and_judges_that_all_doubt_are_not() -> None:
    assert "disagree" in reasons(True, [SURE, DOUBTS])
    assert "disagree" not in reasons(True, [DOUBTS, DOUBTS])
    assert "No judge is sure" in reasons(True, [DOUBTS, boosted(gain=0.1, error=0.2)])
    assert "disagree" not in reasons(True, [SURE, SURE])


def test_every_judge_is_quoted_by_name_with_gain_and_bound() -> None:
    said = reasons(True, [SURE, DOUBTS])
    assert "one: gain in reward +0.1500 a page, lower bound +0.0500." in said
    assert "other: gain in reward +0.0500 a page, lower bound -0.0500." in said


def test_leaving_the_support_is_told_in_per_cent() -> None:
    assert "12.3 % of the slots" in reasons(True, [SURE], 0.123)
    assert "% of the slots" not in reasons(True, [SURE], MOST_OUTSIDE)


def test_a_verdict_needs_the_pages_of_two_people() -> None:
    assert judge_slates(True, [SURE], 0.0, people=1).verdict is Verdict.NOT_BETTER
    assert "1 person" in judge_slates(True, [SURE], 0.0, people=1).reasons[0]
    assert judge_slates(True, [SURE], 0.0, people=2).verdict is Verdict.BETTER


def test_boosted_trees_are_quoted_with_the_bound_that_they_are_heard_by() -> None:
    assert "upper bound +0.1000" in reasons(True, [SURE, boosted(gain=0.04, error=0.06)])


def test_no_judge_and_nothing_to_learn_are_told() -> None:
    assert "data.judge_share" in reasons(True, [])
    assert "do not tell where clicks fall" in reasons(False, [SURE])


def test_run_json_keeps_it_as_plain_values() -> None:
    document = json.loads(json.dumps(judge_slates(True, [SURE, DOUBTS], 0.01).to_json()))
    assert document["verdict"] == "not better"
    assert document["opinions"][0] == {
        "name": "one",
        "gain": 0.15000000000000002,
        "low": 0.05,
        "better": 0.6,
    }
    assert document["outside"] == 0.01
    assert len(document["reasons"]) == 3


def test_the_verdict_is_one_line() -> None:
    sentence = judge_slates(True, [SURE], 0.0).sentence()
    assert sentence.startswith("verdict: better. ")
    assert "\n" not in sentence
