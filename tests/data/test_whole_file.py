"""What lies at a path after a file was written there: the file, and all that it was before."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from gerank.data.whole_file import whole_file
from tests.cli.command import environment

NOBODY = 65534
OLD, NEW = b"old content, the longer one\n", b"new\n"


def write(path: Path, content: bytes = NEW) -> None:
    with whole_file(path) as draft:
        draft.write_bytes(content)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "slates.jsonl"
    path.write_bytes(OLD)
    return path


def device(path: Path, minor: int) -> Path:
    """A copy of one in /dev, so that a test that fails leaves the machine's own alone."""
    try:
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, minor))
        path.open("wb").close()
    except PermissionError:
        pytest.skip("this user may not make devices")
    return path


def test_a_device_stays_a_device(tmp_path: Path) -> None:
    null = device(tmp_path / "null", 3)
    write(null)
    assert stat.S_ISCHR(null.stat().st_mode)
    assert names(tmp_path) == ["null"]


def test_a_full_device_is_named(tmp_path: Path) -> None:
    full = device(tmp_path / "full", 7)
    with pytest.raises(OSError, match=f"No space left on device: '{full}'") as caught:
        write(full)
    assert caught.value.errno == errno.ENOSPC


def test_the_reader_of_a_fifo_gets_what_is_written(tmp_path: Path) -> None:
    fifo, read = tmp_path / "fifo", []
    os.mkfifo(fifo)
    reader = threading.Thread(target=lambda: read.append(fifo.read_bytes()), daemon=True)
    reader.start()
    write(fifo)
    reader.join(timeout=10)
    assert read == [NEW]
    assert stat.S_ISFIFO(fifo.stat().st_mode)


@pytest.mark.parametrize("target", ["/dev/fd/1", "/proc/self/fd/1"])
def test_standard_output_goes_on_after_the_file(tmp_path: Path, target: str) -> None:
    """Also where it is a file: that file is not exchanged under those who write to it."""
    name = tmp_path / "stdout"  # a link, as /dev/stdout is
    name.symlink_to(target)
    script = (
        "import os, sys; from pathlib import Path; from gerank.data.whole_file import whole_file\n"
        "os.write(1, b'before\\n')\n"
        "with whole_file(Path(sys.argv[1])) as draft: draft.write_bytes(b'new\\n')\n"
        "os.write(1, b'after\\n')"
    )
    command = [sys.executable, "-c", script, str(name)]
    limits = {"env": environment(), "timeout": 60, "check": True}
    assert (
        subprocess.run(command, stdout=subprocess.PIPE, **limits).stdout == b"before\nnew\nafter\n"
    )
    kept = tmp_path / "out"
    with kept.open("wb") as file:
        subprocess.run(command, stdout=file, **limits)
    assert kept.read_bytes() == b"before\nnew\nafter\n"


@pytest.mark.parametrize("there", [True, False], ids=["to a file", "dangling"])
def test_a_symbolic_link_stays_one_and_its_target_is_written(tmp_path: Path, there: bool) -> None:
    (tmp_path / "kept").mkdir()
    target, link = tmp_path / "kept" / "real", tmp_path / "link"
    if there:
        target.write_bytes(OLD)
    link.symlink_to(Path("kept") / "real")
    write(link)
    assert link.is_symlink()
    assert target.read_bytes() == link.read_bytes() == NEW
    assert names(tmp_path / "kept") == ["real"]


def test_hard_links_stay_one_file(old: Path) -> None:
    other = old.with_name("other")
    other.hardlink_to(old)
    write(old)
    assert other.read_bytes() == NEW
    assert other.samefile(old)


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o444, 0o666], ids=oct)
def test_the_mode_of_a_file_is_kept_and_never_wider(old: Path, mode: int) -> None:
    old.chmod(mode)
    with whole_file(old) as draft:
        assert stat.S_IMODE(draft.stat().st_mode) & ~mode & 0o077 == 0
        draft.write_bytes(NEW)
    assert stat.S_IMODE(old.stat().st_mode) == mode
    assert old.read_bytes() == NEW


def test_the_owner_of_a_file_is_kept(old: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may give files away")
    os.chown(old, NOBODY, NOBODY)
    write(old)
    assert (old.stat().st_uid, old.stat().st_gid) == (NOBODY, NOBODY)


def test_a_new_file_has_the_mode_of_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write(tmp_path / "new")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o640


def test_a_file_that_is_mounted_by_itself_is_written(old: Path) -> None:
    mounted = old.with_name("mounted")
    mounted.write_bytes(b"")
    if subprocess.run(["mount", "--bind", old, mounted], capture_output=True).returncode != 0:
        pytest.skip("this machine lets nobody mount here")
    try:
        write(mounted)
    finally:
        subprocess.run(["umount", mounted], check=True)
    assert old.read_bytes() == NEW
    assert names(old.parent) == ["mounted", "slates.jsonl"]


def as_nobody(action: Callable[[], None]) -> int:
    """The exit code of a child that is nobody and does `action`: 0 if nothing was raised."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            action()
            code = 0
        except PermissionError:
            code = 13
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.fixture
def guarded(tmp_path: Path) -> Path:
    """A file that everybody may write, in a folder that nobody else may."""
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    for folder in (tmp_path, *tmp_path.parents):
        if not folder.stat().st_mode & 0o001:
            folder.chmod(0o755)
    path = tmp_path / "guarded"
    path.write_bytes(OLD)
    path.chmod(0o666)
    return path


def test_a_writable_file_in_a_folder_that_is_not_is_written(guarded: Path) -> None:
    assert as_nobody(lambda: write(guarded)) == 0
    assert guarded.read_bytes() == NEW
    assert names(guarded.parent) == ["guarded"]


def test_where_neither_is_writable_that_is_said_before_the_work(guarded: Path) -> None:
    guarded.chmod(0o644)

    def attempt() -> None:
        with whole_file(guarded):
            os._exit(99)  # began to work

    assert as_nobody(attempt) == 13
    assert guarded.read_bytes() == OLD


def test_the_longest_name_is_written(tmp_path: Path) -> None:
    longest = tmp_path / ("n" * 255)
    write(longest)
    write(longest, OLD)
    assert longest.read_bytes() == OLD
    with pytest.raises(OSError, match="File name too long"):
        write(tmp_path / ("n" * 256))
    assert names(tmp_path) == [longest.name]


@pytest.mark.parametrize("linked", [False, True])
def test_after_an_error_all_is_as_it_was(old: Path, linked: bool) -> None:
    if linked:
        old.with_name("other").hardlink_to(old)
    before = names(old.parent)
    with pytest.raises(ZeroDivisionError), whole_file(old) as draft:
        draft.write_bytes(NEW)
        raise ZeroDivisionError
    assert old.read_bytes() == OLD
    assert names(old.parent) == before


def test_a_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError, match=str(tmp_path)):
        write(tmp_path)


def test_an_error_names_the_file_that_was_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "slates"
    with pytest.raises(OSError, match=f"No space left on device: '{path}'"), whole_file(path):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert names(tmp_path) == []
