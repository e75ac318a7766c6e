"""The studies that are shipped, by name."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from archgym.errors import ConfigError, nearest
from archgym.study.definition import Study
from archgym.study.file import read_study

_FOLDER = Path(str(files("archgym.study").joinpath("studies")))


def named_studies() -> dict[str, Path]:
    """Name and file of every shipped study."""
    return {path.stem: path for path in sorted(_FOLDER.glob("*.toml"))}


def open_study(name: str, scale: str | None = None) -> Study:
    """A study by the path of its file, or by the name of a shipped one.

    Raises:
        ConfigError: if there is no such file or name, with the nearest name.
    """
    if Path(name).is_file():
        return read_study(name, scale)
    known = named_studies()
    if name not in known:
        near = nearest(name, known)
        hint = f"did you mean {near!r}? " if near else ""
        raise ConfigError(
            f"no study file {name!r}, and no shipped study of that name; {hint}shipped: {', '.join(known)}"
        )
    return read_study(known[name], scale)
