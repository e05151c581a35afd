"""Which device is taken, how batches come to it, and what nothing there may depend on."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn

from gerank.nn.layers import HostDropout
from gerank.train import device as devices
from gerank.train.choices import Device
from gerank.train.config_toml import read_config, to_toml
from gerank.train.device import CPU, batches_on, chosen_device, devices_told, moved, one_ahead
from gerank.train.launch import Launch
from gerank.train.run_folder import RunFolder, read_checkpoint
from gerank.train.run_identity import RunIdentity
from gerank.train.setting_rules import ConfigError
from gerank.train.train import train
from gerank.train.train_settings import TrainSettings
from gerank.train.writing import write_tensors
from tests.train.pretend_device import PRETEND, Away, pretending
from tests.train.tiny import tiny_config


class Two(NamedTuple):
    first: Tensor
    second: Tensor


def machine(patch: pytest.MonkeyPatch, *, gpu: bool, kernels: bool) -> None:
    patch.setattr(torch.cuda, "is_available", lambda: gpu)
    patch.setattr(torch.cuda, "current_device", lambda: 0)
    patch.setattr(devices, "_has_cuda_kernels", lambda: kernels)


@pytest.mark.parametrize(
    ("gpu", "kernels", "words"),
    [
        (
            False,
            True,
            r"train\.device: 'cuda' cannot be had: torch \S+ sees no CUDA device; 'auto'",
        ),
        (True, False, r"train\.device: 'cuda' cannot be had: libgerank was built without CUDA"),
        (False, False, r"sees no CUDA device; and libgerank was built without CUDA"),
    ],
)
def test_a_gpu_that_cannot_be_had_is_refused_by_what_lacks_and_auto_takes_the_cpu(
    monkeypatch: pytest.MonkeyPatch, gpu: bool, kernels: bool, words: str
) -> None:
    machine(monkeypatch, gpu=gpu, kernels=kernels)
    with pytest.raises(ConfigError, match=words):
        chosen_device(Device.CUDA)
    assert chosen_device(Device.AUTO) == chosen_device(Device.CPU) == CPU


def test_auto_takes_a_gpu_that_can_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, gpu=True, kernels=True)
    found = [chosen_device(wanted) for wanted in (Device.AUTO, Device.CUDA, Device.CPU)]
    assert found == [torch.device("cuda", 0), torch.device("cuda", 0), CPU]


def test_of_the_processes_of_torchrun_each_takes_its_own_gpu(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine(monkeypatch, gpu=True, kernels=True)
    taken: list[int] = []
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    monkeypatch.setattr(torch.cuda, "set_device", taken.append)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: taken[-1])
    for rank, processes, found in ((3, 4, torch.device("cuda", 3)), (0, 5, CPU)):
        launch = Launch("one", 8, 0, local_rank=rank, local_processes=processes)
        monkeypatch.setattr(devices.Launch, "of_this_process", lambda launch=launch: launch)
        assert chosen_device(Device.AUTO) == found
    assert taken == [3]
    with pytest.raises(ConfigError, match="started 5 processes on a machine with 4 CUDA devices"):
        chosen_device(Device.CUDA)


def test_a_run_without_its_gpu_is_refused_before_anything_is_written(
    log_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(monkeypatch, gpu=False, kernels=True)
    config = dataclasses.replace(tiny_config(log_folder), train=TrainSettings(Device.CUDA))
    with pytest.raises(ConfigError, match="'cuda' cannot be had"):
        train(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("value", ["cuda:1", "gpu"])
def test_another_device_is_refused_by_name(log_folder: Path, tmp_path: Path, value: str) -> None:
    text = to_toml(tiny_config(log_folder)).replace('device = "auto"', f'device = "{value}"')
    (tmp_path / "run.toml").write_text(text)
    with pytest.raises(ConfigError, match=rf"train\.device: '{value}' is not one of auto, cpu, cu"):
        read_config(tmp_path / "run.toml")


def test_the_device_is_no_part_of_what_a_run_is_and_the_precision_is(run: RunFolder) -> None:
    def with_settings(**settings: str) -> RunIdentity:
        changed = dataclasses.replace(run.config.train, **settings)
        return RunIdentity(dataclasses.replace(run.config, train=changed), run.schema, None)

    assert with_settings(device=Device.CPU).difference(with_settings(device=Device.CUDA)) == ""
    assert "train.evaluator_precision was" in with_settings().difference(
        with_settings(evaluator_precision="bfloat16")
    )


def test_a_run_tells_its_devices_in_words(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run.facts["device"] == "CPU"
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "NVIDIA H200")
    gpu = torch.device("cuda", 0)
    assert devices_told(None, gpu) == devices_told("GPU (NVIDIA H200)", gpu) == "GPU (NVIDIA H200)"
    both = devices_told("CPU", gpu)
    assert both == devices_told(both, gpu) == "CPU, then GPU (NVIDIA H200)"


def test_a_batch_is_moved_whole_and_a_tensor_that_is_there_twice_once() -> None:
    shared = torch.ones(2)
    with pretending():
        both, (alone, *_) = moved((Two(shared, torch.zeros(3)), (shared, None or shared)), PRETEND)
    assert type(both) is Two
    assert all(isinstance(part, Away) for part in both)
    assert both.first is alone
    assert both.first.here.equal(shared)


def test_the_next_item_is_made_while_one_is_worked_on_and_no_further_one() -> None:
    made: list[int] = []
    third = threading.Event()

    def items() -> Iterator[int]:
        for number in range(5):
            if number == 2:
                third.set()
            made.append(number)
            yield number

    taken = []
    for item in one_ahead(items()):
        if item == 1:
            assert third.wait(10)
        taken.append(item)
        assert len(made) <= item + 2
    assert taken == [0, 1, 2, 3, 4]


def test_what_fails_ahead_is_raised_in_its_place() -> None:
    def items() -> Iterator[int]:
        yield 0
        raise ValueError("page 1")

    ahead = one_ahead(items())
    assert next(ahead) == 0
    with pytest.raises(ValueError, match="page 1"):
        next(ahead)


def test_who_stops_early_leaves_no_thread_behind() -> None:
    before = threading.active_count()
    ahead = one_ahead(iter(range(10)))
    next(ahead)
    ahead.close()
    assert threading.active_count() == before


def test_batches_for_a_gpu_are_loaded_in_order_by_another_thread_and_pinned(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    steps: list[tuple[str, object]] = []
    caller = threading.current_thread()

    def load(item: int) -> Tensor:
        assert threading.current_thread() is not caller
        return torch.tensor(item)

    def note(step: str, batch: Tensor) -> Tensor:
        steps.append((step, batch.item()))
        return batch

    monkeypatch.setattr(devices, "_pinned", lambda batch, _: note("pinned", batch))
    monkeypatch.setattr(devices, "moved", lambda batch, _: note("moved", batch))
    found = [(item, batch.item()) for item, batch in batches_on(torch.device("cuda"), [3, 1], load)]
    assert found == [(3, 3), (1, 1)]
    for step in ("pinned", "moved"):
        assert [item for what, item in steps if what == step] == [3, 1]


def test_batches_for_the_cpu_are_loaded_as_they_are_asked_for() -> None:
    loaded: list[int] = []

    def load(item: int) -> Tensor:
        loaded.append(item)
        return torch.tensor(item)

    batches = batches_on(CPU, [3, 1], load)
    assert next(batches)[1].item() == 3
    assert loaded == [3]


def test_dropout_drops_what_torchs_own_does_and_alike_elsewhere(seed: int) -> None:
    values = torch.rand(5, 7, generator=torch.Generator().manual_seed(seed))
    torch.manual_seed(seed)
    expected = nn.Dropout(0.3)(values)
    torch.manual_seed(seed)
    assert HostDropout(0.3)(values).equal(expected)
    with pretending():
        torch.manual_seed(seed)
        away = HostDropout(0.3)(values.to(PRETEND)).cpu()
    assert away.equal(expected)
    assert HostDropout(0.3).eval()(values) is values


def test_of_a_part_of_a_batch_dropout_drops_what_it_would_of_the_whole(seed: int) -> None:
    values = torch.rand(7, 5, generator=torch.Generator().manual_seed(seed))
    dropout = HostDropout(0.3)
    torch.manual_seed(seed)
    expected = dropout(values)
    for first, end in ((0, 3), (3, 7)):
        dropout.part = (first, len(values))
        torch.manual_seed(seed)
        assert dropout(values[first:end]).equal(expected[first:end])


def test_a_checkpoint_is_of_the_cpu_wherever_its_tensors_lay(tmp_path: Path) -> None:
    with pretending():
        network = nn.Linear(2, 2).to(PRETEND)
        state = {"model": network.state_dict(), "parts": [torch.ones(1).to(PRETEND), 3, ("a",)]}
        write_tensors(tmp_path / "away.pt", state)
    read = read_checkpoint(tmp_path / "away.pt")
    assert read["parts"] == [torch.ones(1), 3, ("a",)]
    assert read["model"]["weight"].equal(network.weight.here)
