"""How preference weights reach a policy: three ways behind one interface."""

from enum import StrEnum

from torch import nn

from gerank.nn.hypernetwork import PolicyHypernetwork
from gerank.nn.linear_hypernetwork import LinearHypernetwork
from gerank.nn.weights_as_input import WeightsAsInput


class Control(StrEnum):
    """The ways. Each module maps weights [B, U] to `ControlTerms`."""

    HYPERNETWORK = "hypernetwork"
    LINEAR = "linear"
    INPUT = "input"


def new_control(
    control: Control, utilities: int, rows: int, attention_width: int, set_width: int
) -> nn.Module:
    """A fresh module that makes a policy depend on weights.

    Args:
        control: Which.
        utilities: U.
        rows: C + 3, of the decoder's attention parameters.
        attention_width: H.
        set_width: D.
    """
    if control is Control.INPUT:
        return WeightsAsInput(utilities)
    kinds = {Control.HYPERNETWORK: PolicyHypernetwork, Control.LINEAR: LinearHypernetwork}
    return kinds[control](utilities, rows, attention_width, set_width)


def extra_user_width(control: Control, utilities: int) -> int:
    """How many columns the control adds to the user's vector."""
    return utilities if control is Control.INPUT else 0
