"""What a control adds to a generator, request by request."""

from typing import NamedTuple

from torch import Tensor


class ControlTerms(NamedTuple):
    """Additions; a leading 1 in place of B means the same for all requests.

    Attributes:
        attention: [B or 1, C + 3, H]. To the decoder's attention parameters.
        set_vector: [B or 1, D]. To e_c.
        user: [B, X]. More columns of x_u, X >= 0.
    """

    attention: Tensor
    set_vector: Tensor
    user: Tensor
