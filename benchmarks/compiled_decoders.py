"""The eager decode loop through torch's compilers, each a function of its four arguments."""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from eager_decoder import EagerDecoder, PointerStepDecoder
from torch import Tensor, nn

Arguments = tuple[Tensor, ...]
Decode = Callable[..., tuple[Tensor, Tensor]]

UNROLLED_SLOTS = 10
"""Up to here compilers get the whole loop; beyond, which takes them minutes, one slot of it."""


class SlotStep(nn.Module):
    """All that happens in one slot, with the slot's number as a tensor: compiled once for all."""

    def __init__(self, decoder: EagerDecoder) -> None:
        super().__init__()
        self.decoder = decoder

    def forward(
        self,
        slot: Tensor,  # [] int64
        keys: Tensor,  # [B, M, H]
        candidates: Tensor,  # [B, M, D]
        flags: Tensor,  # [B, M, Q] float
        groups: Tensor,  # [B, M, K] int64
        state: Tensor,  # [B, D]
        inputs: Tensor,  # [B, D]
        counts: Tensor,  # [B, Q]
        last: Tensor,  # [B, M, K]
        chosen: Tensor,  # [B, M] bool
    ) -> tuple[Tensor, ...]:
        """Choice and log_prob [B, 1], then what the next slot needs."""
        own = self.decoder
        state = own.gru(inputs, state)
        shares = counts / slot.clamp(min=1)
        place = (slot / own.slots).expand(shares.shape[0], 1)
        query = own.w_state(state) + own.w_shared(torch.cat([shares, place], dim=1)) + own.bias
        seen, recent = last >= 0, last >= slot - own.window
        context = torch.cat([shares[:, None] * flags, seen.float(), recent.float()], dim=2)
        hidden = torch.tanh(keys + query[:, None] + context @ own.w_context)
        logits = (hidden @ own.v).masked_fill(chosen, float("-inf"))
        log_p = torch.log_softmax(logits, dim=1)
        choice = log_p.argmax(1, keepdim=True)
        inputs, counts, last = own.placed(slot, choice, candidates, flags, groups, counts, last)
        chosen = chosen.scatter(1, choice, True)
        return choice, log_p.gather(1, choice), state, inputs, counts, last, chosen


def loop_of(step: Callable[..., tuple[Tensor, ...]], decoder: EagerDecoder) -> Decode:
    """The loop in Python around a compiled slot."""
    numbers = [torch.tensor(slot) for slot in range(decoder.slots)]

    def decode(
        candidates: Tensor, set_vector: Tensor, flags: Tensor, groups: Tensor
    ) -> tuple[Tensor, Tensor]:
        keys = decoder.w_candidate(candidates)
        carried: tuple[Tensor, ...] = (
            set_vector,
            decoder.start.expand_as(set_vector).contiguous(),
            torch.zeros_like(flags[:, 0]),
            torch.full_like(groups, -1000),
            torch.zeros(flags.shape[:2], dtype=torch.bool),
        )
        slates, log_probs = [], []
        for slot in numbers:
            choice, log_prob, *rest = step(slot, keys, candidates, flags, groups, *carried)
            carried = tuple(rest)
            slates.append(choice)
            log_probs.append(log_prob)
        return torch.cat(slates, dim=1), torch.cat(log_probs, dim=1)

    return decode


def step_arguments(decoder: EagerDecoder, arguments: Arguments) -> Arguments:
    """Returns the arguments of the first slot's step, to export a step by."""
    candidates, set_vector, flags, groups = arguments
    return (
        torch.tensor(0), decoder.w_candidate(candidates), candidates, flags, groups, set_vector,
        decoder.start.expand_as(set_vector).contiguous(), torch.zeros_like(flags[:, 0]),
        torch.full_like(groups, -1000), torch.zeros(flags.shape[:2], dtype=torch.bool),
    )  # fmt: skip


def script(decoder: EagerDecoder, _: Arguments) -> Decode:
    """TorchScript, frozen."""
    frozen: Decode = torch.jit.freeze(torch.jit.script(decoder.eval()))
    return frozen


def script_pointer_step(decoder: EagerDecoder, arguments: Arguments) -> Decode:
    """The op `pointer_step` in a scripted loop."""
    other = PointerStepDecoder(decoder.shape)
    other.load_state_dict(decoder.state_dict())
    return script(other, arguments)


def compile_loop(decoder: EagerDecoder, _: Arguments) -> Decode:
    """torch.compile, of the whole loop or of a slot."""
    torch._dynamo.reset()
    if decoder.slots <= UNROLLED_SLOTS:
        whole: Decode = torch.compile(decoder, dynamic=False, fullgraph=True)
        return whole
    return loop_of(torch.compile(SlotStep(decoder), dynamic=False, fullgraph=True), decoder)


def compile_ahead(decoder: EagerDecoder, arguments: Arguments) -> Decode:
    """AOTInductor, of the whole loop or of a slot."""
    if decoder.slots <= UNROLLED_SLOTS:
        whole: Decode = _package(decoder, arguments)
        return whole
    step = SlotStep(decoder)
    return loop_of(_package(step, step_arguments(decoder, arguments)), decoder)


def run_onnx(decoder: EagerDecoder, arguments: Arguments) -> Decode:
    """ONNX Runtime, of the whole loop or of a slot."""
    if decoder.slots <= UNROLLED_SLOTS:
        return _session(decoder, arguments)
    step = SlotStep(decoder)
    return loop_of(_session(step, step_arguments(decoder, arguments)), decoder)


def _session(module: nn.Module, arguments: Arguments) -> Callable[..., tuple[Tensor, ...]]:
    import onnxruntime  # an optional package: see has_onnx_runtime

    program = torch.onnx.export(module.eval(), arguments, dynamo=True, verbose=False)
    limits = onnxruntime.SessionOptions()
    limits.intra_op_num_threads = limits.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(program.model_proto.SerializeToString(), limits)
    names = [given.name for given in session.get_inputs()]

    def run(*given: Tensor) -> tuple[Tensor, ...]:
        feed = {name: tensor.numpy() for name, tensor in zip(names, given, strict=True)}
        return tuple(torch.from_numpy(part) for part in session.run(None, feed))

    return run


def has_onnx_runtime() -> bool:
    """Whether `onnxruntime` and what torch exports with are installed."""
    return all(importlib.util.find_spec(name) for name in ("onnxruntime", "onnxscript"))


def _package(module: nn.Module, arguments: Arguments) -> Callable[..., tuple[Tensor, ...]]:
    program = torch.export.export(module, arguments)
    folder = tempfile.mkdtemp()
    path = torch._inductor.aoti_compile_and_package(
        program, package_path=str(Path(folder) / "decode.pt2")
    )
    loaded: Callable[..., tuple[Tensor, ...]] = torch._inductor.aoti_load_package(path)
    return loaded
