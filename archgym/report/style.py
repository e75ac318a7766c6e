"""One look for every matplotlib picture, and saving without a display."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from archgym.errors import MissingExtraError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BLUE, ORANGE, GREEN, RED, GREY = "#2b6cb0", "#dd6b20", "#2f855a", "#c53030", "#a0aec0"

_RC: Any = {
    "figure.dpi": 110,
    "savefig.dpi": 150,
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e2e8f0",
    "axes.axisbelow": True,
    "legend.frameon": False,
    "svg.hashsalt": "archgym",  # equal runs give equal files
}


def new_figure(width: float, height: float, rows: int = 1, columns: int = 1) -> tuple[Figure, Any]:
    """A figure without a window and its axes (one, or an array).

    Raises:
        MissingExtraError: if matplotlib is not installed.
    """
    try:
        import matplotlib
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise MissingExtraError("drawing pictures", "plot") from error
    with matplotlib.rc_context(_RC):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        return figure, figure.subplots(rows, columns)


def legend_below(figure: Figure) -> None:
    """A legend under the axes with as many columns as fit into the figure's width."""
    entries = len({label for axes in figure.axes for label in axes.get_legend_handles_labels()[1]})
    renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]  # the canvas is Agg's
    for columns in range(min(6, entries), 0, -1):
        legend = figure.legend(loc="outside lower center", ncols=columns, frameon=False)
        if columns == 1 or legend.get_window_extent(renderer).width < figure.bbox.width:
            return
        legend.remove()


def save(figure: Figure, stem: Path) -> list[Path]:
    """Save as PNG and SVG beside each other; returns both paths."""
    import matplotlib

    paths = [stem.with_name(stem.name + suffix) for suffix in (".png", ".svg")]
    with matplotlib.rc_context(_RC):
        for path in paths:
            figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    return paths
