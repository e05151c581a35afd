"""A server of several models: by their names, each swapped by itself."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import grpc
import pytest

from gerank_server import ModelRefusedError, OptionError
from gerank_server.model_files import ModelFiles
from tests.cli.command import environment, run
from tests.native.admin_server import ask, code_of
from tests.native.test_gerank_server import PROGRAM, _replace, running
from tests.server.stand_in import StandIn

pytestmark = pytest.mark.skipif(not PROGRAM.exists(), reason="the native front is not built")


@pytest.fixture(scope="module")
def feed(tmp_path_factory: pytest.TempPathFactory) -> StandIn:
    return StandIn(tmp_path_factory.mktemp("feed"), "feed")


@pytest.fixture(scope="module")
def search(tmp_path_factory: pytest.TempPathFactory) -> StandIn:
    return StandIn(tmp_path_factory.mktemp("search"), "search")


def test_each_name_has_its_model_and_the_first_answers_calls_without_one(
    feed: StandIn, search: StandIn
) -> None:
    models = ("--model", f"zoo={feed.path}", "--model", f"alley={search.path}")
    with running(*models, "--address", "127.0.0.1:0") as (_, channel):
        assert ask(channel) == ask(channel, "zoo") == feed.model_version
        assert ask(channel, "alley") == search.model_version
        assert code_of(channel, "default") == "NOT_FOUND"


def test_a_file_names_them_in_its_own_order_and_the_command_line_stands_in_their_place(
    feed: StandIn, search: StandIn, tmp_path: Path
) -> None:
    config = tmp_path / "server.toml"
    config.write_text(
        f'address = "127.0.0.1:0"\n[models]\nzoo = "{feed.path}"\nalley = "{search.path}"\n'
    )
    with running("--config", config) as (_, channel):
        assert ask(channel) == feed.model_version
        assert ask(channel, "alley") == search.model_version
    with running("--config", config, "--model", search.path) as (_, channel):
        assert ask(channel) == ask(channel, "default") == search.model_version
        assert code_of(channel, "zoo") == "NOT_FOUND"


def test_sighup_loads_only_what_has_changed_and_tells_of_what_it_refuses(
    feed: StandIn, search: StandIn, tmp_path: Path
) -> None:
    first, second = tmp_path / "first.gerank", tmp_path / "second.gerank"
    first.write_bytes(feed.path.read_bytes())
    second.write_bytes(feed.path.read_bytes())
    models = ("--model", first, "--model", f"second={second}")
    log = ("--log-level", "info")
    with running(*models, "--address", "127.0.0.1:0", *log) as (process, channel):
        assert process.stdout is not None and process.stderr is not None
        _replace(second, search.path.read_bytes())
        process.send_signal(signal.SIGHUP)
        assert process.stdout.readline().startswith(f"now serving {feed.model_version} on ")
        assert ask(channel) == feed.model_version
        assert ask(channel, "second") == search.model_version
        _replace(second, b"no artifact")
        _replace(first, search.path.read_bytes())
        process.send_signal(signal.SIGHUP)
        while not (line := process.stderr.readline()).startswith("error: "):
            assert line
        assert line.startswith(f"error: model 'second': {second}: ")
        assert ask(channel) == ask(channel, "second") == search.model_version
        process.send_signal(signal.SIGTERM)
        rest = process.stderr.read()
    assert rest.count("answers as") == 0


def test_one_that_fails_at_the_start_is_told_by_name_and_the_others_serve(
    feed: StandIn, search: StandIn, tmp_path: Path
) -> None:
    late = tmp_path / "late.gerank"
    models = ("--model", feed.path, "--model", f"late={late}", "--model", f"more={search.path}")
    with running(*models, "--address", "127.0.0.1:0") as (process, channel):
        assert process.stdout is not None and process.stderr is not None
        assert process.stderr.readline().startswith(f"error: model 'late': {late}: ")
        assert ask(channel) == feed.model_version
        assert ask(channel, "more") == search.model_version
        assert code_of(channel, "late") == "NOT_FOUND"
        late.write_bytes(search.path.read_bytes())
        process.send_signal(signal.SIGHUP)
        assert process.stdout.readline().startswith("now serving ")
        assert ask(channel, "late") == search.model_version


def test_without_the_first_no_other_stands_in_for_it(feed: StandIn, tmp_path: Path) -> None:
    words = ["--model", tmp_path / "none.gerank", "--model", f"feed={feed.path}"]
    ended = subprocess.run(
        [PROGRAM, *words, "--address", "127.0.0.1:0"], capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 1 and f"{tmp_path}/none.gerank: " in ended.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--model", "a=x", "--model", "a=y"), "model: 'a=y': another artifact is 'a' too"),
        (("--model", "x", "--model", "y"), "model: 'y': another artifact is 'default' too"),
        (("--model", "=x"), "models: must be 1 to 128 printable ASCII characters"),
        (("--model", "a="), "models.a: must be the file of an artifact, got ''"),
    ],
)
def test_what_names_no_model_is_refused(words: tuple[str, ...], message: str) -> None:
    ended = subprocess.run([PROGRAM, *words], capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1 and message in ended.stderr


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("models = 5", "models: must be a table of names and files, got 5"),
        ("models = []", "models: must be a table of names and files, got ["),
        ("[models]\na = 5", "models.a: must be the file of an artifact"),
        ("[models]\ndefault = 'x'", "models.default: is told by the option model"),
        ("[models]\n'a b' = 'x'", "models: must be 1 to 128 printable ASCII characters"),
    ],
)
def test_a_file_that_names_no_models_is_refused_by_either_program(
    document: str, message: str, tmp_path: Path
) -> None:
    config = tmp_path / "server.toml"
    config.write_text(document)
    ended = subprocess.run([PROGRAM, "--config", config], capture_output=True, text=True)
    assert ended.returncode == 1 and message in ended.stderr
    again = run("serve", "--config", config)
    assert again.code == 1 and message in again.err and "Traceback" not in again.err


@pytest.mark.parametrize("front", ["native", "grpcio"])
def test_gerank_serve_has_them_too(
    front: str, feed: StandIn, search: StandIn, tmp_path: Path
) -> None:
    words = ["serve", "--front", front, "--port", "0", "--model", f"feed={feed.path}"]
    more = ["--model", f"search={search.path}", "--model", f"late={tmp_path}/late"]
    with subprocess.Popen(
        [sys.executable, "-m", "gerank", *words, *more],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    ) as process:
        try:
            assert process.stdout is not None and process.stderr is not None
            line = process.stdout.readline()
            assert line.startswith(f"serving {feed.model_version} on ")
            assert process.stderr.readline().startswith("refused: model 'late': ")
            with grpc.insecure_channel(line.split()[-1]) as channel:
                assert ask(channel) == feed.model_version
                assert ask(channel, "search") == search.model_version
        finally:
            process.kill()


class _Server:
    def __init__(self, refused: set[str]) -> None:
        self.refused, self.loaded = refused, list[str]()

    def load(self, path: Path, name: str = "default") -> None:
        self.loaded.append(name)
        if name in self.refused:
            raise ModelRefusedError(str(path))


def test_a_refused_file_is_tried_again_and_a_loaded_one_is_not(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
    files = ModelFiles.told([f"a={tmp_path}/a", f"b={tmp_path}/b"], None, {})
    files.note()
    told: list[str] = []
    server = _Server({"b"})
    assert files.reload(server, lambda name, _: told.append(name)) and server.loaded == []
    (tmp_path / "b").write_text("bb")
    for _ in range(2):
        assert not files.reload(server, lambda name, _: told.append(name))
    assert server.loaded == told == ["b", "b"]
    server.refused.clear()
    assert files.reload(server, lambda name, _: told.append(name))
    assert server.loaded == ["b", "b", "b"]
    with pytest.raises(OptionError, match="'a' is the name of two artifacts"):
        ModelFiles.told(["a=x", "a=y"], None, {})
    assert ModelFiles.told(["./a=b.gerank"], None, {}).paths == {"default": Path("./a=b.gerank")}
