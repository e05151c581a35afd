"""The artifacts that a server is told to serve, and which of their files have changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, Self

from gerank_server.options import ModelRefusedError, OptionError

DEFAULT_MODEL = "default"
"""The name of a model of which nobody gives the name."""
_LONGEST_NAME = 128

_Stamp = tuple[int, int, int, int]


class _Loader(Protocol):
    def load(self, path: Path, name: str = ...) -> None: ...


class ModelFiles:
    """The artifact of each name; the first answers calls that name none.

    Attributes:
        paths: Name -> file.
    """

    def __init__(self, models: Sequence[tuple[str, Path]]) -> None:
        """Takes names and files.

        Raises:
            OptionError: A text is no name, or two artifacts have one.
        """
        self.paths: dict[str, Path] = {}
        for name, path in models:
            _check_name(name)
            if name in self.paths:
                raise OptionError(
                    f"models: {name!r} is the name of two artifacts, got {str(path)!r}"
                )
            self.paths[name] = path
        self._stamps: dict[str, _Stamp | None] = {}

    @classmethod
    def told(cls, words: Sequence[str], model: Any, models: Any) -> Self:
        """The models of a command line, else those of `server.toml`.

        Args:
            words: The values of `--model`: FILE or NAME=FILE.
            model: The option of that name in the file; None = it has none.
            models: The table of that name.

        Raises:
            OptionError: A value is no file, or a name is none.
        """
        if words:
            return cls([_split(word) for word in words])
        if not isinstance(models, Mapping):
            raise OptionError(f"models: must be a table of names and files, got {models!r}")
        if DEFAULT_MODEL in models:
            raise OptionError(f"models.{DEFAULT_MODEL}: is told by the option model")
        all_told = ({} if model is None else {DEFAULT_MODEL: model}) | dict(models)
        for name, path in all_told.items():
            if not isinstance(path, str) or not path:
                raise OptionError(f"models.{name}: must be the file of an artifact, got {path!r}")
        return cls([(name, Path(path)) for name, path in all_told.items()])

    @property
    def first(self) -> str:
        """The name whose model answers calls that name none."""
        return next(iter(self.paths))

    def note(self) -> None:
        """Takes the files as they stand for those that are served."""
        self._stamps = {name: _stamp(path) for name, path in self.paths.items()}

    def retry(self, name: str) -> None:
        """Has a file that was refused tried again the next time."""
        self._stamps[name] = None

    def reload(self, server: _Loader, refused: Callable[[str, ModelRefusedError], None]) -> bool:
        """Loads the files that have changed since they were loaded last.

        Args:
            server: Gets them.
            refused: Gets the name and the error of each that did not pass its checks; it is tried
                again the next time.

        Returns:
            Whether none was refused.
        """
        all_loaded = True
        for name, path in self.paths.items():
            stamp = _stamp(path)
            if stamp is not None and stamp == self._stamps[name]:
                continue
            self._stamps[name] = stamp
            try:
                server.load(path, name)
            except ModelRefusedError as error:
                self.retry(name)
                refused(name, error)
                all_loaded = False
        return all_loaded


def _split(word: str) -> tuple[str, Path]:
    """NAME=FILE, or FILE alone; a file whose path begins like a name is written ./FILE."""
    name, equals, path = word.partition("=")
    if not equals or "/" in name:
        name, path = DEFAULT_MODEL, word
    if not path:
        raise OptionError(f"model: must be FILE or NAME=FILE, got {word!r}")
    return name, Path(path)


def _check_name(name: str) -> None:
    if not 0 < len(name) <= _LONGEST_NAME or not all("!" <= c <= "~" and c != "=" for c in name):
        rule = "must be 1 to 128 printable ASCII characters without blanks and ="
        raise OptionError(f"models: {rule}, got {name!r}")


def _stamp(path: Path) -> _Stamp | None:
    """What tells one content of a path from the next; None = there is no file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
