"""Several forms of reading side by side: the members of one ensemble, a form each."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from gerank.nn.structured.readings.reading import Reading


class CompetingReadings(Reading):
    """Member k of the ensemble reads by the k-th form; members share nothing but the batches."""

    def __init__(self, forms: Sequence[Reading]) -> None:
        """`forms`: of one member each, of the same slots."""
        super().__init__(len(forms), forms[0].slots)
        del self.spread  # every form has its own
        self.forms = nn.ModuleList(forms)

    def start_from(self, rates: Tensor) -> Tensor:
        """See `Reading`; [K], a start for every member."""
        return torch.stack([form.start_from(rates) for form in self._each()])

    def log_likelihood(self, attraction: Tensor, clicks: Tensor, mask: Tensor) -> Tensor:
        """See `Reading`."""
        return self._by_form(attraction, lambda form, own: form.log_likelihood(own, clicks, mask))

    def marginal(self, attraction: Tensor, mask: Tensor) -> Tensor:
        """See `Reading`."""
        return self._by_form(attraction, lambda form, own: form.marginal(own, mask))

    def counts(self, attraction: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """See `Reading`."""
        stacked = self._by_form(
            attraction, lambda form, own: torch.stack(form.counts(own, mask), dim=1)
        )
        return stacked[:, 0], stacked[:, 1]

    def _by_form(self, attraction: Tensor, function: Callable[[Reading, Tensor], Tensor]) -> Tensor:
        pairs = zip(self._each(), attraction.split(1), strict=True)  # type: ignore[no-untyped-call]
        return torch.cat([function(form, own) for form, own in pairs])

    def _each(self) -> list[Reading]:
        return [form for form in self.forms if isinstance(form, Reading)]
