"""The ops on a real GPU: what the CPU ops answer, on the right stream, inside CUDA graphs.

`make test-cuda` runs this. Under the memory checker:

    compute-sanitizer --tool memcheck .venv/bin/python -m pytest tests/cuda/test_device.py -k small
"""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
import torch
from torch import Tensor, library

from gerank import ops
from tests.cuda.agreement import expect_agreement, expect_close_gradients, expect_equal
from tests.ops.cases import DecodeCase, Sizes, make_case, random_sizes
from tests.ops.parity import Answer, expect_close, expect_same_decode, tolerance_at
from tests.ops.step_cases import StepCase, make_step, without_impossible

DEVICE = "cuda"
BUILT = torch._C._dispatch_has_kernel_for_dispatch_key("gerank::decode_slates", "CUDA")
pytestmark = [
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
    pytest.mark.skipif(not BUILT, reason="libgerank was built without CUDA: make test-cuda"),
]

LARGE = [
    Sizes(batch=300, candidates=20, slots=10, width=64, attention_width=64, groups=3, slates=2),
    Sizes(batch=40, candidates=100, slots=10, width=64, attention_width=64, groups=3),
    Sizes(batch=5, candidates=200, slots=50, width=128, attention_width=128),
    Sizes(batch=3, candidates=512, slots=128, width=128, attention_width=128, groups=8, flags=16),
    Sizes(batch=3, candidates=30, slots=5, width=512, attention_width=512, slates=3),
]


def moved(case: DecodeCase) -> DecodeCase:
    """The case on the GPU."""
    named = {field.name: getattr(case, field.name) for field in fields(case)}
    return replace(case, **{n: v.to(DEVICE) for n, v in named.items() if isinstance(v, Tensor)})


def decode(case: DecodeCase) -> Answer:
    """The GPU's answer, brought back."""
    answer = ops.decode_slates(*moved(case).arguments())
    assert all(part.device.type == DEVICE for part in answer)
    return Answer(*(part.cpu() for part in answer))


@pytest.mark.parametrize("part", range(4))
def test_small_slates_equal_the_cpu_ops_and_the_references(seed: int, part: int) -> None:
    for offset in range(25):
        case = make_case(
            seed + offset, random_sizes(seed + offset), per_request_attention=offset % 2 == 0
        )
        answer = decode(case)
        expect_agreement(case, answer)
        expect_same_decode(case, answer)


@pytest.mark.parametrize("sizes", LARGE, ids=str)
def test_large_slates_equal_the_cpu_ops(seed: int, sizes: Sizes) -> None:
    for rules in (True, False):
        case = make_case(seed, sizes, rules=rules, per_request_attention=rules)
        expect_agreement(case, decode(case))


@pytest.mark.parametrize("scale", [3.0, 10.0, 30.0])
def test_slates_equal_the_references_where_tanh_saturates(seed: int, scale: float) -> None:
    for offset in range(15):
        case = make_case(seed + offset, random_sizes(seed + offset), scale=scale)
        expect_same_decode(case, decode(case), tolerance_at(scale))


def test_a_request_is_answered_bitwise_alike_alone_and_in_a_batch(seed: int) -> None:
    sizes = Sizes(batch=1500, candidates=20, slots=10, width=64, attention_width=64)
    case = make_case(seed, sizes, per_request_attention=True)
    together = decode(case)
    for b in range(0, sizes.batch, 97):
        alone = decode(case.rows([b]))
        expect_equal(alone, Answer(*(part[b : b + 1] for part in together)))


def gradients(case: DecodeCase, slates: Tensor, seed: int) -> tuple[Tensor, ...]:
    """Differentiates a randomly weighted sum of all finite log-probabilities and entropies."""
    names = ("candidates", "set_vector", "weights", "attention")
    leaves = [getattr(case, name).detach().clone().requires_grad_() for name in names]
    case = replace(case, **dict(zip(names, leaves, strict=True)))
    log_prob, entropy = ops.slate_log_prob(*case.along(slates))
    source = torch.Generator().manual_seed(seed)
    by_log_prob, by_entropy = torch.randn((2, *slates.shape), generator=source).to(log_prob.device)
    finite = torch.where(log_prob.isfinite(), log_prob, 0.0)
    total = (by_log_prob * finite + by_entropy * entropy).sum()
    return tuple(grad.cpu() for grad in torch.autograd.grad(total, leaves))


@pytest.mark.parametrize(
    "sizes",
    [
        Sizes(batch=40, candidates=33, slots=7, width=19, attention_width=40, slates=2),
        Sizes(batch=256, candidates=20, slots=10, width=64, attention_width=64),
        Sizes(batch=4, candidates=200, slots=20, width=128, attention_width=128, slates=2),
    ],
    ids=str,
)
def test_small_and_large_gradients_equal_the_cpu_ops(seed: int, sizes: Sizes) -> None:
    case = make_case(seed, sizes, per_request_attention=True)
    slates = ops.decode_slates(*case.arguments())[0]
    on_device = ops.slate_log_prob(*moved(case).along(slates.to(DEVICE)))
    for mine, other in zip(on_device, ops.slate_log_prob(*case.along(slates)), strict=True):
        expect_close(mine.cpu(), other)
    actual = gradients(moved(case), slates.to(DEVICE), seed)
    expect_close_gradients(actual, gradients(case, slates, seed))
    expect_equal(gradients(moved(case), slates.to(DEVICE), seed), actual)


@pytest.mark.parametrize("shape", [(8, 12, 16, 6), (3, 1, 1, 0), (5, 512, 64, 3), (17, 33, 20, 9)])
def test_small_steps_equal_the_cpu_ops(seed: int, shape: tuple[int, ...]) -> None:
    case = without_impossible(make_step(seed, *shape))
    case = case._replace(forced=ops.pointer_step(*case)[0])
    there = StepCase(*(v.to(DEVICE) if isinstance(v, Tensor) else v for v in case))
    answers, grads = [], []
    for each in (there.requiring_grad(), case.requiring_grad()):
        results = ops.pointer_step(*each)
        answers.append([part.detach().cpu() for part in results])
        found = torch.autograd.grad((results[1] + results[2]).sum(), each.differentiable)
        grads.append(tuple(grad.cpu() for grad in found))
    for mine, other in zip(*answers, strict=True):
        expect_close(mine, other)
    expect_close_gradients(*grads)


def test_set_features_equal_the_cpu_op(seed: int) -> None:
    source = torch.Generator().manual_seed(seed)
    values = (3 * torch.randn((9, 33, 17), generator=source)).round()
    mask = torch.rand((9, 33), generator=source) < 0.7
    arguments = (values, mask, torch.randn(17, generator=source), torch.full((17,), 2.0))
    found = ops.set_features(*(part.to(DEVICE) for part in arguments)).cpu()
    torch.testing.assert_close(found, ops.set_features(*arguments), rtol=1e-5, atol=1e-5)


def test_a_request_that_breaks_a_promise_gets_nan_and_harms_no_other(seed: int) -> None:
    case = make_case(seed, rules=False, ragged=False)
    pins = case.pins.clone()
    pins[3, 1] = 2**40
    answer, sound = decode(replace(case, pins=pins)), decode(case)
    assert answer.log_prob[3].isnan().all() and (answer.slates[3] == -1).all()
    others = [b for b in range(8) if b != 3]
    expect_equal(Answer(*(p[others] for p in answer)), Answer(*(p[others] for p in sound)))


def test_an_argument_on_another_device_is_an_error(seed: int) -> None:
    case = moved(make_case(seed))
    for name in ("attention", "mask", "weights"):
        astray = replace(case, **{name: getattr(case, name).cpu()})
        with pytest.raises(RuntimeError, match=rf"{name} must be on cuda"):
            ops.decode_slates(*astray.arguments())


def test_the_host_never_waits(seed: int) -> None:
    case = moved(make_case(seed))
    slates = ops.decode_slates(*case.arguments())[0]
    torch.cuda.set_sync_debug_mode("error")
    try:
        ops.decode_slates(*case.arguments())
        gradients_on_device = replace(case, weights=case.weights.clone().requires_grad_())
        ops.slate_log_prob(*gradients_on_device.along(slates))[0].nan_to_num().sum().backward()
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_kernels_run_on_the_current_stream(seed: int) -> None:
    case = moved(make_case(seed, Sizes(batch=64)))
    expected = ops.decode_slates(*case.arguments())
    late = torch.zeros_like(case.candidates)
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        torch.cuda._sleep(50_000_000)  # on another stream the op would read zeros meanwhile
        late.copy_(case.candidates)
        answer = ops.decode_slates(*replace(case, candidates=late).arguments())
    torch.cuda.synchronize()
    expect_equal(answer, expected)


def test_a_captured_graph_replays_for_new_inputs(seed: int) -> None:
    sizes = Sizes(batch=70, candidates=33, slots=7, width=40, attention_width=40)
    first, second = moved(make_case(seed, sizes)), moved(make_case(seed + 1, sizes))
    static = replace(first, **{
        f.name: getattr(first, f.name).clone()
        for f in fields(first) if isinstance(getattr(first, f.name), Tensor)
    })  # fmt: skip
    ops.decode_slates(*static.arguments())
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        answer = ops.decode_slates(*static.arguments())
    for case in (second, first):
        for mine, new in zip(static.request(), case.request(), strict=True):
            mine.copy_(new)
        static.seeds.copy_(case.seeds)
        static.greedy.copy_(case.greedy)
        graph.replay()
        expect_equal(answer, ops.decode_slates(*case.arguments()))


def test_opcheck_passes_on_the_device(seed: int) -> None:
    case = moved(make_case(seed))
    library.opcheck(torch.ops.gerank.decode_slates.default, case.arguments())
    slates = ops.decode_slates(*case.arguments())[0]
    library.opcheck(torch.ops.gerank.slate_log_prob.default, case.along(slates))
