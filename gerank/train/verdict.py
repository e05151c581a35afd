"""The verdict: better, not better, or nothing to learn; and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from gerank.train.judge import JudgeOpinion

MOST_OUTSIDE = 0.04
"""Share of the generator's slots outside of the logged strengths beyond which no gain is believed;
the log itself has .02."""


BOOSTED = "boosted trees"
"""Name of the judge of another family. It extrapolates flatly and knows no form of reading, so it
can object but needs not consent: it does where its upper bound is below zero."""


FEWEST_PEOPLE = 2
"""People whose pages a verdict needs."""


class Verdict(StrEnum):
    """What `train`, `evaluate` and `export` say and act on."""

    BETTER = "better"
    NOT_BETTER = "not better"
    NOTHING_TO_LEARN = "nothing to learn"


@dataclass(frozen=True)
class Judgement:
    """A verdict and what it stands on; kept in run.json.

    Attributes:
        verdict: Whether the slates are believed to beat the logged pages.
        reasons: A sentence each; what a person who has to decide should know.
        opinions: The opinions of all judges.
        outside: Share of the slates' slots outside of the logged item strengths.
    """

    verdict: Verdict
    reasons: tuple[str, ...]
    opinions: tuple[JudgeOpinion, ...]
    outside: float

    def to_json(self) -> dict[str, Any]:
        """The document that run.json holds; its numbers are numbers."""
        document = asdict(self)
        return document | {"verdict": str(self.verdict)}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Judgement:
        """The inverse of `to_json`."""
        return cls(
            Verdict(document["verdict"]),
            tuple(document["reasons"]),
            tuple(JudgeOpinion(**opinion) for opinion in document["opinions"]),
            document["outside"],
        )

    def sentence(self) -> str:
        """The verdict in one line."""
        return f"verdict: {self.verdict}. {' '.join(self.reasons)}"


def believes(opinion: JudgeOpinion) -> bool:
    """Whether a judge takes the slates for better, or, of another family, does not object."""
    if opinion.name == BOOSTED:
        return opinion.high > 0
    return opinion.low > 0


def disagree(opinions: Sequence[JudgeOpinion]) -> bool:
    """Whether a structured judge believes in a gain and another judge does not."""
    believed = any(believes(opinion) for opinion in opinions if opinion.name != BOOSTED)
    return believed and not all(believes(opinion) for opinion in opinions)


def judge_slates(
    learnt: bool, opinions: list[JudgeOpinion], outside: float, people: int = 2
) -> Judgement:
    """Weighs what the judges say.

    Slates are better where every structured judge's lower bound is above zero, no judge of another
    family objects, and the slates hardly leave what the log has shown. Judges that disagree are a
    reason not to believe.

    Args:
        learnt: Whether items tell anything about clicks.
        opinions: The opinions of every judge.
        outside: Share of the slates' slots outside of the logged item strengths.
        people: Whose pages the judges were asked about; a bound needs two or more.
    """
    verdict, reasons = Verdict.BETTER, []
    if not learnt:
        verdict = Verdict.NOTHING_TO_LEARN
        reasons.append("On held-out people the items on a page do not tell where clicks fall.")
    if not opinions:
        verdict = Verdict.NOT_BETTER if learnt else verdict
        reasons.append("There is no judge: set data.judge_share above 0 and train again.")
    if people < FEWEST_PEOPLE:
        verdict = Verdict.NOT_BETTER if learnt else verdict
        reasons.append(
            f"The pages are of {people} person: how gains differ between people is not known, so "
            "that there is no lower bound."
        )
    doubters = [opinion for opinion in opinions if not believes(opinion)]  # NaN is a doubt
    if learnt and doubters:
        verdict = Verdict.NOT_BETTER
        said = "The judges disagree" if disagree(opinions) else "No judge is sure of a gain"
        reasons.append(f"{said}.")
    if learnt and outside > MOST_OUTSIDE:
        verdict = Verdict.NOT_BETTER
        reasons.append(
            f"{100 * outside:.1f} % of the slots hold items of a strength that the log never showed"
            f" there (at most {100 * MOST_OUTSIDE:.0f} % is believed)."
        )
    reasons += [_quoted(opinion) for opinion in opinions]
    return Judgement(verdict, tuple(reasons), tuple(opinions), outside)


def _quoted(opinion: JudgeOpinion) -> str:
    """An opinion in a line, with the bound that it is heard by."""
    gain = f"{opinion.name}: gain in reward {opinion.gain:+.4f} a page"
    if opinion.name == BOOSTED:
        return f"{gain}, upper bound {opinion.high:+.4f}."
    return f"{gain}, lower bound {opinion.low:+.4f}."
