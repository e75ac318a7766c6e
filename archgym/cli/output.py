"""Tables and progress on the terminal."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from archgym.errors import ConfigError

if TYPE_CHECKING:
    from rich.progress import Progress


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], fold: Sequence[str] = ()) -> None:
    """Print a table that fits the terminal; the first column is never cut."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = Table(
        title=title, title_justify="left", title_style="bold", header_style="bold", box=SIMPLE_HEAD, pad_edge=False
    )
    for number, column in enumerate(columns):
        shown.add_column(column, no_wrap=number == 0, overflow="fold")
    for row in rows:
        shown.add_row(*[Text(str(cell)) for cell in row])
    # Off a terminal there is no width to fit, and a pipe reads whole lines better.
    console = Console() if sys.stdout.isatty() else Console(width=160)
    console.print(shown)


def progress_bar(quiet: bool) -> Progress:
    """A bar on standard error for a search; hidden when ``quiet`` or not on a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("best reward {task.fields[best]}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=quiet or not sys.stderr.isatty(),
        transient=True,
    )


_PREFIXES = {-15: "f", -12: "p", -9: "n", -6: "µ", -3: "m", 0: "", 3: "k", 6: "M", 9: "G", 12: "T"}


def quantity(value: float, unit: str) -> str:
    """A number with four significant digits, in a unit with a prefix (``50.73 ns``) where the unit takes one."""
    if unit not in ("s", "J", "W", "B/s") or value == 0 or not math.isfinite(value):
        return number(value)
    exponent = 3 * math.floor(math.log10(abs(value) * (1 + 1e-9)) / 3)
    exponent = min(max(exponent, min(_PREFIXES)), max(_PREFIXES))
    return f"{value / 10.0**exponent:.4g} {_PREFIXES[exponent]}{unit}"


def number(value: float) -> str:
    """A number with four significant digits."""
    return f"{value:.4g}"


def name_values(option: str, pairs: Sequence[str]) -> dict[str, str]:
    """``NAME=VALUE`` texts as a dictionary.

    Raises:
        ConfigError: for a text of another form, naming the option.
    """
    settings = {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not separator or not name:
            raise ConfigError(f"{option}: {pair!r} is not of the form NAME=VALUE")
        settings[name.strip()] = value.strip()
    return settings


def save_pixels(pixels: NDArray[np.uint8], path: str) -> None:
    """Save an image of shape (height, width, 3); the suffix of ``path`` says as what.

    Raises:
        ConfigError: if that is no format that can be written, or the file cannot be.
    """
    from matplotlib.image import imsave

    try:
        imsave(path, pixels)
    except (OSError, ValueError, KeyError) as error:  # an unknown suffix is one of the last two
        raise ConfigError(f"picture {path!r} cannot be written: {error}") from error
