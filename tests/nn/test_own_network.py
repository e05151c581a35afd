"""A network of one's own in the evaluator: held to its contract, then trained."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from gerank.data.simulator import UserKind
from gerank.nn.own_network import check_network
from gerank.nn.structured import NetworkEvaluator, StructuredShape
from gerank.train.config import EvaluatorConfig
from gerank.train.config_toml import to_toml
from gerank.train.evaluator_training import train_evaluator
from gerank.train.run_folder import RunFolder
from gerank.train.setting_rules import ConfigError
from tests.cli.command import done, gerank
from tests.data.request_cases import CONTRACT
from tests.nn.batches import exposed, random_batch, random_slates, with_holes
from tests.train.tiny import SLOTS, tiny_config, write_tiny_log
from tests.train.trainings import log_of, training_of

EXAMPLE = Path(__file__).parents[2] / "examples" / "custom_evaluator"
PATH = "page_transformer:PageTransformer"
MEMBERS = 3

NETWORKS = """
import torch
from torch import Tensor, nn

class Base(nn.Module):
    def __init__(self, candidate_width: int, user_width: int, slots: int) -> None:
        super().__init__()
        self.item = nn.Linear(candidate_width, 1)

    def forward(self, items: Tensor, users: Tensor, mask: Tensor) -> Tensor:
        return self.item(items).squeeze(-1)

class Several(Base):
    def forward(self, items, users, mask):
        return super().forward(items, users, mask), users

class Wide(Base):
    def forward(self, items, users, mask):
        return self.item(items)

class Double(Base):
    def forward(self, items, users, mask):
        return super().forward(items, users, mask).double()

class Infinite(Base):
    def forward(self, items, users, mask):
        return super().forward(items, users, mask) / mask.sum(1, keepdim=True)

class Leaky(Base):
    def forward(self, items, users, mask):
        return super().forward(items, users, mask).cumsum(1)

class Below(Base):
    def forward(self, items, users, mask):
        return (super().forward(items, users, mask) * mask).flip(1).cumsum(1).flip(1)

class Detached(Base):
    def forward(self, items, users, mask):
        return super().forward(items, users, mask).detach() + 0.0 * self.item.bias

class Needy(Base):
    def __init__(self, candidate_width: int) -> None:
        raise RuntimeError("no such width")

class Picky(Base):
    def forward(self, items, users, mask):
        if items.size(2) != 7:
            return self.item(items)
        return super().forward(items, users, mask)
"""


@pytest.fixture
def networks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_networks.py").write_text(NETWORKS)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "my_networks", raising=False)


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLE))


@pytest.mark.usefixtures("networks")
def test_a_plain_one_passes_and_random_numbers_go_on_as_before() -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    check_network("my_networks:Base")
    torch.testing.assert_close(torch.rand(2), expected)


@pytest.mark.usefixtures("networks")
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Several", r"forward answers a tuple, not logits \[E, N\] = \[4, 5\] of float32"),
        ("Wide", r"forward answers \[4, 5, 1\] of float32, not logits"),
        ("Double", r"forward answers \[4, 5\] of float64, not logits"),
        ("Infinite", "forward answers numbers that are not finite"),
        ("Leaky", "what lies in an empty slot changes what forward answers"),
        ("Below", "the logit of slot 0 depends on the slots below it"),
        ("Detached", "no gradient of what forward answers reaches a parameter"),
        ("Needy", "__init__ failed: TypeError: "),
        ("Absent", "the module has no such name"),
    ],
)
def test_what_breaks_the_contract_is_named_when_settings_are_read(name: str, words: str) -> None:
    with pytest.raises(ConfigError, match=rf"^network: 'my_networks:{name}'(:|) {words}"):
        EvaluatorConfig(network=f"my_networks:{name}")


@pytest.mark.usefixtures("networks")
def test_one_that_fails_on_real_pages_alone_is_named_before_anything_is_written(
    tmp_path: Path,
) -> None:
    config = tiny_config(write_tiny_log(tmp_path / "log", pages=200))
    config = replace(config, evaluator=replace(config.evaluator, network="my_networks:Picky"))
    (tmp_path / "train.toml").write_text(to_toml(config))
    result = gerank("train", tmp_path / "train.toml", "--out", tmp_path / "run")
    assert result.code == 1
    words = "evaluator.network on pages of the log: 'my_networks:Picky': forward answers [16, 3, 1]"
    assert words in result.err
    assert not (tmp_path / "run").exists()


def of_example(members: int) -> NetworkEvaluator:
    torch.manual_seed(members)
    shape = StructuredShape(SLOTS + 3, "logit", members, embedding_width=3, network=PATH)
    return NetworkEvaluator(CONTRACT.schema, shape).eval()


@pytest.mark.usefixtures("example")
@pytest.mark.random
def test_a_member_by_itself_judges_as_it_did_in_the_ensemble(seed: int) -> None:
    ensemble, batch = of_example(MEMBERS), random_batch(seed)
    slates = with_holes(random_slates(batch, seed, group=2), seed)[..., : SLOTS + 3]
    with torch.no_grad():
        together = ensemble.place(ensemble.items(*batch[:5]), slates)
        for member in range(MEMBERS):
            alone = ensemble.select(torch.tensor([member]))
            placed = alone.place(alone.items(*batch[:5]), slates)
            torch.testing.assert_close(placed.logits[0], together.logits[member])
            torch.testing.assert_close(placed.strength[0], together.strength[member])
    assert not torch.allclose(together.logits[0], together.logits[1])


@pytest.mark.usefixtures("example")
@pytest.mark.random
def test_strength_is_the_logit_of_an_item_alone(seed: int) -> None:
    evaluator, batch = of_example(1), random_batch(seed)
    slates = random_slates(batch, seed)[..., : SLOTS + 3]
    with torch.no_grad():
        items = evaluator.items(*batch[:5])
        strength = evaluator.place(items, slates).strength[0]
        for slot in range(slates.size(-1)):
            alone = evaluator.place(items, slates[..., slot : slot + 1])
            torch.testing.assert_close(alone.logits[0, :, 0], strength[:, slot])


@pytest.mark.usefixtures("example")
@pytest.mark.random
def test_the_best_members_are_kept_one_by_one(seed: int) -> None:
    ensemble, batch = of_example(MEMBERS), random_batch(seed)
    kept = {name: value.clone() for name, value in ensemble.state_dict().items()}
    with torch.no_grad():
        for parameter in ensemble.parameters():
            parameter.add_(1.0)
    ensemble.keep_members(kept, torch.tensor([False, True, False]))
    now = of_example(MEMBERS)
    now.load_state_dict(kept)
    pages = exposed(batch, random_slates(batch, seed).squeeze(1)[:, : SLOTS + 3])
    with torch.no_grad():
        before, mixed, after = (
            model.place_exposed(pages).logits for model in (of_example(MEMBERS), now, ensemble)
        )
    for member, expected in enumerate((before, after, before)):
        torch.testing.assert_close(mixed[member], expected[member])


@pytest.mark.usefixtures("example")
def test_the_example_is_trained_resumed_judged_and_exported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = write_tiny_log(tmp_path / "log", pages=300)
    plain = tiny_config(log)
    config = replace(
        plain,
        evaluator=replace(plain.evaluator, network=PATH, readings=("logit", "examination")),
    )
    (tmp_path / "train.toml").write_text(to_toml(config))
    (tmp_path / "plain.toml").write_text(to_toml(plain))
    run = tmp_path / "run"

    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr("gerank.train.train.train_judge", fail)
        assert gerank("train", tmp_path / "train.toml", "--out", run).code != 0
    done("train", tmp_path / "train.toml", "--out", run, "--resume")
    evaluator = RunFolder.open(run).load_evaluator()
    assert type(evaluator.structured.members[0].network).__name__ == "PageTransformer"
    assert all(
        isinstance(ensemble, NetworkEvaluator)
        for ensemble in RunFolder.open(run).load_judge().values()
    )
    assert "Evaluators on logged pages" in done("evaluate", run, "--data", log)
    done("export", run, "--out", tmp_path / "model.gerank", "--force")
    assert (tmp_path / "model.gerank").exists()
    refused = gerank("train", tmp_path / "plain.toml", "--out", tmp_path / "next", "--init", run)
    assert refused.code == 1
    assert f"evaluator.network was '{PATH}' and is ''" in refused.err


@pytest.mark.usefixtures("example")
def test_a_network_learns_and_carries_a_residual(tmp_path: Path) -> None:
    log = log_of(UserKind.EXAMINATION, pages=2000, seed=1)
    training = training_of(tmp_path, log, network=PATH, steps=200, residual=True, residual_steps=20)
    choice = train_evaluator(training)
    assert choice.learnt
    assert "residual" in training.folder.facts
    assert training.folder.load_evaluator().support_low.isfinite().any()
