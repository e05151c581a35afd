"""Plans use what a GPU has, and every size within the limits gets one."""

from __future__ import annotations

import pytest

from tests.cuda.shim_kernels import Shim
from tests.ops.cases import Sizes

H100, A100, L4 = (132, 227 * 1024), (108, 163 * 1024), (58, 99 * 1024)


def typical(batch: int, candidates: int = 20) -> Sizes:
    return Sizes(batch, candidates, slots=10, width=64, attention_width=64, groups=3)


@pytest.mark.parametrize("device", [H100, A100], ids=["H100", "A100"])
@pytest.mark.parametrize("batch", [1, 32, 256, 4096])
def test_at_width_64_the_weights_stay_in_shared_memory(
    library: Shim, device: tuple[int, int], batch: int
) -> None:
    plan = library.plan(typical(batch), *device)
    assert plan.resident
    assert plan.blocks <= device[0]  # another block would copy the weights again


def test_requests_share_a_block_once_every_multiprocessor_has_one(library: Shim) -> None:
    batches = (1, 132, 264, 1056, 4096)
    found = [library.plan(typical(batch), *H100).sequences for batch in batches]
    assert found == [1, 1, 2, 8, 8]


def test_slates_of_a_request_spread_over_idle_multiprocessors(library: Shim) -> None:
    sizes = Sizes(batch=4, slates=16)
    assert library.plan(sizes, *H100).slates_per_item == 1
    assert library.plan(Sizes(batch=400, slates=16), *H100).slates_per_item == 16


@pytest.mark.parametrize("device", [H100, A100, L4], ids=["H100", "A100", "L4"])
@pytest.mark.parametrize("batch", [1, 5000])
@pytest.mark.parametrize("candidates", [1, 32, 33, 128, 129, 512])
@pytest.mark.parametrize("width", [1, 64, 128, 512])
def test_every_size_within_the_limits_fits(
    library: Shim, device: tuple[int, int], batch: int, candidates: int, width: int
) -> None:
    sizes = Sizes(batch, candidates, 128, width, width, groups=8, flags=16, slates=3)
    plan = library.plan(sizes, *device)
    assert plan.sequences >= 1 and plan.blocks >= 1 and plan.max_rows >= 1
    assert plan.capacity >= candidates
    assert plan.shared_bytes <= device[1]
