"""`gerank train` on a real GPU: the CPU's slates bar near ties, and runs that change their device.

`make test-cuda` runs this.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from gerank.train.choices import Device, FitPrecision
from gerank.train.config import TrainConfig
from gerank.train.device import CPU, batches_on, chosen_device
from gerank.train.evaluate import evaluate
from gerank.train.orders import generated_slates
from gerank.train.run_folder import RunFolder
from gerank.train.table_adam import adam, clip_gradients
from gerank.train.train import train
from gerank.train.train_settings import TrainSettings
from tests.cuda.test_device import BUILT
from tests.train.test_resume import interrupted
from tests.train.tiny import RANGED, SLOTS, tiny_config, tiny_log, write_tiny_log

pytestmark = [
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
    pytest.mark.skipif(not BUILT, reason="libgerank was built without CUDA: make test-cuda"),
]

LEAST_SAME = 0.99
"""Share of the pages that have the same slate by both devices."""


@pytest.fixture(scope="module")
def log_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_log(tmp_path_factory.mktemp("cuda") / "log", 1500)


def on(device: Device, config: TrainConfig, **settings: FitPrecision) -> TrainConfig:
    return dataclasses.replace(config, train=TrainSettings(device, **settings))


def slates_of(run: RunFolder, pages: int = 1000) -> Tensor:
    log, _ = tiny_log(pages, seed=1)
    generator = RunFolder.open(run.path).load_generator()
    return generated_slates(generator, log, SLOTS, torch.ones(len(run.config.reward)))


def expect_same_slates(first: RunFolder, second: RunFolder) -> None:
    same = (slates_of(first) == slates_of(second)).all(1).double().mean().item()
    assert same >= LEAST_SAME


def test_a_run_gives_the_cpus_slates(log_folder: Path, tmp_path: Path) -> None:
    config = tiny_config(log_folder, reward=RANGED)
    gpu = train(on(Device.CUDA, config), tmp_path / "gpu")
    cpu = train(on(Device.CPU, config), tmp_path / "cpu")
    assert gpu.facts["device"].startswith("GPU (")
    expect_same_slates(gpu, cpu)
    log, _ = tiny_log(200, seed=2)
    judged = [evaluate(RunFolder.open(gpu.path, device), log, None) for device in (gpu.device, CPU)]
    assert judged[0].judgement is not None and judged[1].judgement is not None
    assert judged[0].judgement.verdict == judged[1].judgement.verdict


@pytest.mark.parametrize("first", [Device.CPU, Device.CUDA])
def test_a_run_goes_on_on_the_other_device(log_folder: Path, tmp_path: Path, first: Device) -> None:
    config = tiny_config(log_folder)
    second = Device.CPU if first is Device.CUDA else Device.CUDA
    half = interrupted(on(first, config), tmp_path / "half", "generator", 1)
    resumed = train(on(second, config), half.path, resume=True)
    expect_same_slates(resumed, train(on(second, config), tmp_path / "whole"))
    assert ", then " in resumed.facts["device"]


def test_every_kind_of_training_comes_to_its_end(log_folder: Path, tmp_path: Path) -> None:
    config = tiny_config(
        log_folder,
        reward=RANGED,
        exploration="random_network",
        policy_loss="ppo",
        baseline="greedy_rollout",
    )
    evaluator = dataclasses.replace(
        config.evaluator,
        readings=("examination", "logit", "hidden_reader"),
        residual=True,
        residual_steps=20,
        compare_steps=100,
        steps=200,
    )
    config = dataclasses.replace(config, evaluator=evaluator)
    config = on(Device.CUDA, config, evaluator_precision=FitPrecision.BFLOAT16)
    assert train(config, tmp_path / "run").finished


def test_tables_with_sparse_gradients_learn_as_on_the_cpu(seed: int) -> None:
    def learnt(device: torch.device) -> Tensor:
        torch.manual_seed(seed)
        table = nn.Embedding(100_000, 4, sparse=True)
        model = nn.Sequential(table, nn.Linear(4, 1)).to(device)
        optimizer = adam(model, 1e-2)
        for step in range(5):
            rows = torch.tensor([1, 7, 7, 90_000 + step], device=device)
            model(rows).square().sum().backward()
            clip_gradients(model.parameters(), 0.5)
            optimizer.step()
            optimizer.zero_grad()
        return table.weight.detach().cpu()

    torch.testing.assert_close(learnt(chosen_device(Device.CUDA)), learnt(CPU))


def test_batches_arrive_whole_and_in_order(seed: int) -> None:
    source = torch.Generator().manual_seed(seed)
    made = [torch.randn(1000, 100, generator=source) for _ in range(20)]
    device = chosen_device(Device.CUDA)
    weight = torch.randn(100, 100, device=device)
    for number, (batch, wide) in batches_on(
        device, range(20), lambda n: (made[n], made[n][:1].expand(3, -1))
    ):
        weight = (weight @ weight.t()).tanh()  # keeps the device busy while the next is loaded
        assert batch.device == device
        assert batch.cpu().equal(made[number])
        assert wide.cpu().equal(made[number][:1].expand(3, -1))
