"""Simulated users: one file per kind, each a click model with an exact marginal."""

from __future__ import annotations

from collections.abc import Mapping

from gerank.data.simulator.users.attention import AttentionUser
from gerank.data.simulator.users.cascade import CascadeUser
from gerank.data.simulator.users.examination import ExaminationUser
from gerank.data.simulator.users.fatigue import FatigueUser
from gerank.data.simulator.users.page import ShownPages
from gerank.data.simulator.users.repeat_seeking import RepeatSeekingUser
from gerank.data.simulator.users.user import User, UserKind

__all__ = [
    "AttentionUser",
    "CascadeUser",
    "ExaminationUser",
    "FatigueUser",
    "RepeatSeekingUser",
    "ShownPages",
    "User",
    "UserKind",
    "make_user",
]

_KINDS: Mapping[UserKind, type[User]] = {
    user.kind: user
    for user in (FatigueUser, ExaminationUser, CascadeUser, AttentionUser, RepeatSeekingUser)
}


def make_user(kind: UserKind, parameters: Mapping[str, float] | None = None) -> User:
    """A user of a kind.

    Args:
        kind: Which click model.
        parameters: Its fields by name; those left out have their defaults.

    Raises:
        ValueError: A parameter is out of range.
        TypeError: The kind has no such parameter.
    """
    return _KINDS[kind](**(parameters or {}))
