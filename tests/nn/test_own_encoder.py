"""An encoder of one's own: held to its contract first, then trained, exported and served."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from gerank.data.exposure_log import ExposureLog
from gerank.data.log_requests import request_document
from gerank.export.from_run import export_run
from gerank.nn.own_encoder import check_encoder
from gerank.train.config import GeneratorConfig
from gerank.train.run_folder import RunError, RunFolder
from gerank.train.setting_rules import ConfigError
from gerank.train.train import train
from tests.cli.command import environment
from tests.train.tiny import tiny_config, write_tiny_log

EXAMPLE = Path(__file__).parents[2] / "examples" / "custom_encoder"
PATH = "set_transformer:SetTransformer"

ENCODERS = """
import torch
from torch import Tensor, nn

class Base(nn.Module):
    def __init__(self, candidate_width: int, user_width: int, width: int) -> None:
        super().__init__()
        self.item = nn.Linear(candidate_width, width)

    def items(self, candidates: Tensor, mask: Tensor) -> Tensor:
        return self.item(candidates) * mask.unsqueeze(-1)

    def forward(self, candidates: Tensor, users: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        items = self.items(torch.where(mask.unsqueeze(-1), candidates, 0.0), mask)
        return items, items.sum(1)

class OneAnswer(Base):
    def forward(self, candidates: Tensor, users: Tensor, mask: Tensor) -> Tensor:
        return self.items(candidates, mask)

class Flat(Base):
    def forward(self, candidates: Tensor, users: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        items = self.items(candidates, mask)
        return items, items

class Padded(Base):
    def forward(self, candidates: Tensor, users: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        items = self.item(candidates)
        return items, items.sum(1)

class Leaky(Base):
    def forward(self, candidates: Tensor, users: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        return self.items(candidates, mask), self.item(candidates).sum(1)

class Infinite(Base):
    def forward(self, candidates: Tensor, users: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        items = self.items(candidates, mask)
        return items, items.sum(1) / 0.0

class Detached(Base):
    def forward(self, candidates: Tensor, users: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        items = self.items(candidates, mask).detach() + 0.0 * self.item.bias.sum()
        return items * mask.unsqueeze(-1), items.sum(1) * 0.0

class Unscripted(Base):
    def forward(self, candidates, users, mask):
        items = self.items(candidates * mask.unsqueeze(-1), mask)
        return items, torch.stack([*items.unbind(1)], 0).sum(0) if {1: 2}[1] else eval("items")

class Needy(Base):
    def __init__(self, candidate_width: int) -> None:
        raise RuntimeError("no such width")

class Leaves(Base):
    def __init__(self, candidate_width: int, user_width: int, width: int) -> None:
        raise SystemExit(2)

function = print
"""


@pytest.fixture
def encoders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_encoders.py").write_text(ENCODERS)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "my_encoders", raising=False)


@pytest.mark.usefixtures("encoders")
def test_a_plain_one_passes_and_random_numbers_go_on_as_before() -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    check_encoder("my_encoders:Base")
    torch.testing.assert_close(torch.rand(2), expected)


@pytest.mark.usefixtures("encoders")
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("OneAnswer", "forward answers a Tensor, not "),
        ("Flat", r"forward answers \[\[3, 5, 8\], \[3, 5, 8\]\], not "),
        ("Padded", "forward gives padding another vector than 0"),
        ("Leaky", "what lies in padding changes what forward answers"),
        ("Infinite", "forward answers numbers that are not finite"),
        ("Detached", "no gradient of what forward answers reaches a parameter"),
        ("Unscripted", "torch.jit.script failed: "),
        ("Needy", "__init__ failed: TypeError: "),
        ("Leaves", "__init__ failed: SystemExit: 2"),
        ("function", "names <built-in function print>, which is no class"),
        ("Absent", "the module has no such name"),
    ],
)
def test_what_breaks_the_contract_is_named_when_settings_are_read(name: str, words: str) -> None:
    with pytest.raises(ConfigError, match=rf"^encoder: 'my_encoders:{name}'(:|) {words}"):
        GeneratorConfig(encoder=f"my_encoders:{name}")


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("set_transformer", "is not of the form package.module:Class"),
        ("no_such_module:A", "module 'no_such_module' does not import: ModuleNotFoundError"),
    ],
)
def test_a_path_that_leads_nowhere_is_named(path: str, words: str) -> None:
    with pytest.raises(ConfigError, match=rf"^encoder: '{path}'(:|) {words}"):
        GeneratorConfig(encoder=path)


SERVED = """
import json, sys
import gerank
ranker = gerank.load(sys.argv[1])
slates = ranker.rank([json.loads(line) for line in open(sys.argv[2])])
print(json.dumps([list(slate.candidates) for slate in slates]))
print("set_transformer" in sys.modules)
"""


def test_the_example_is_trained_exported_and_served_without_its_class(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import json

    monkeypatch.syspath_prepend(str(EXAMPLE))
    log = write_tiny_log(tmp_path / "log", pages=200)
    config = tiny_config(log)
    config = replace(config, generator=replace(config.generator, encoder=PATH))
    run = train(config, tmp_path / "run")
    generator = RunFolder.open(run.path).load_generator()
    assert type(generator.encoder).__name__ == "SetTransformer"
    export_run(run.path, tmp_path / "model.gerank", force=True)

    pages = ExposureLog.read(log)
    documents = [request_document(pages, row) for row in range(20)]
    requests = tmp_path / "requests.jsonl"
    requests.write_text("".join(f"{json.dumps(page)}\n" for page in documents))
    words = [sys.executable, "-c", SERVED, str(tmp_path / "model.gerank"), str(requests)]
    done = subprocess.run(words, capture_output=True, text=True, env=environment(), check=True)
    slates, imported = done.stdout.splitlines()
    assert imported == "False"
    from gerank.train.evaluate import default_weights
    from gerank.train.orders import generated_slates

    expected = generated_slates(generator, pages, config.data.slots, default_weights(run))
    assert json.loads(slates) == expected[:20].tolist()
    with pytest.raises(RunError, match=f"generator.encoder was '{PATH}' and is ''"):
        train(tiny_config(log), tmp_path / "next", init=run.path)
