"""Files that appear whole or not at all, wherever the path that people name may lead."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

_FIXED_IN_PLACE = (errno.EBUSY, errno.EACCES, errno.EPERM, errno.EROFS, errno.EXDEV)
"""What a folder says that does not let its file be exchanged: a mount point, another's folder."""


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Lends a path to write to; after a normal exit `path` holds what was written there.

    A file at `path` is exchanged at once: whoever opens it meanwhile sees the old file, and after
    an error it is untouched and nothing is left beside it. It keeps its mode and owner, and a
    symbolic link to it stays a link. A file that cannot be exchanged is overwritten: one with
    several hard links, one that is mounted by itself, and one whose folder is not writable. What
    is no file, as /dev/null, /dev/stdout or a FIFO, is written to.

    Raises:
        OSError: The folder cannot be made, or the file cannot be written. It names `path`.
    """
    path = Path(path)
    old = _status(path)
    if old is not None and stat.S_ISDIR(old.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    descriptor = own_descriptor(path)
    regular = descriptor is None and (old is None or stat.S_ISREG(old.st_mode))
    with ExitStack() as cleared:
        draft = None
        try:
            if regular:
                path_itself = Path(os.path.realpath(path))
                draft = _beside(path_itself, old, cleared)
            else:
                draft = _elsewhere(cleared)
            yield draft
            if descriptor is not None:
                _append(draft, os.dup(descriptor))
            elif not regular:
                _append(draft, os.open(path, os.O_WRONLY))
            else:
                _exchange(draft, path_itself, old)
        except OSError as error:
            raise _naming(path, draft, error) from error


def own_descriptor(path: Path) -> int | None:
    """The descriptor of this process that `path` stands for: 1 for /dev/stdout, say, else None."""
    own_folder = f"/proc/{os.getpid()}/fd"
    for _ in range(40):  # as many links as Linux follows
        if path.name.isdecimal() and os.path.realpath(path.parent) == own_folder:
            return int(path.name)
        if not path.is_symlink():
            return None
        path = path.parent / path.readlink()
    return None


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _beside(path: Path, old: os.stat_result | None, cleared: ExitStack) -> Path:
    """A draft in the folder of `path`, so that it can take its place; no more readable than it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".gerank-{secrets.token_hex(6)}")  # short: `path` may fill a name
    mode = 0o666 if old is None else stat.S_IMODE(old.st_mode) & 0o666
    try:
        os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode | stat.S_IWUSR))
    except OSError as error:
        if old is None or error.errno not in _FIXED_IN_PLACE:
            raise
        os.close(os.open(path, os.O_WRONLY))  # nobody should work for a file that takes nothing
        return _elsewhere(cleared)
    cleared.callback(draft.unlink, missing_ok=True)
    return draft


def _elsewhere(cleared: ExitStack) -> Path:
    """A draft among the temporary files of this machine, for this user alone."""
    return Path(cleared.enter_context(tempfile.TemporaryDirectory(prefix="gerank-"))) / "draft"


def _exchange(draft: Path, path: Path, old: os.stat_result | None) -> None:
    if old is None:
        draft.replace(path)
        return
    if old.st_nlink == 1 and draft.parent == path.parent:
        try:
            _give(draft, old)
            draft.replace(path)
        except OSError as error:
            if error.errno not in _FIXED_IN_PLACE:
                raise
        else:
            return
    _overwrite(draft, path, old.st_size)


def _give(draft: Path, old: os.stat_result) -> None:
    """Owner first: a change of owner takes bits of the mode away."""
    new = draft.stat()
    if (new.st_uid, new.st_gid) != (old.st_uid, old.st_gid):
        os.chown(draft, old.st_uid, old.st_gid)
    draft.chmod(stat.S_IMODE(old.st_mode))


def _overwrite(draft: Path, path: Path, old_size: int) -> None:
    """Writes over the file itself, once its file system has room for all of it."""
    with draft.open("rb") as source, path.open("r+b") as target:
        size = os.fstat(source.fileno()).st_size
        if size > old_size:
            try:
                os.posix_fallocate(target.fileno(), old_size, size - old_size)
            except OSError as error:
                with suppress(OSError):
                    os.ftruncate(target.fileno(), old_size)
                if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):
                    raise
        shutil.copyfileobj(source, target)
        target.truncate()


def _append(draft: Path, descriptor: int) -> None:
    with draft.open("rb") as source, os.fdopen(descriptor, "wb") as target:
        shutil.copyfileobj(source, target)


def _naming(path: Path, draft: Path | None, error: OSError) -> OSError:
    """The same error, of the file that people named; one of another file stays as it is."""
    if error.filename not in (None, str(draft), str(path)) and draft is not None:
        return error
    if error.errno is None:
        return OSError(f"{path}: {error}")
    return OSError(error.errno, error.strerror or os.strerror(error.errno), str(path))
