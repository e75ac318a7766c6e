"""Pictures of an accelerator and of what a network does on it: hierarchy, energy by level and tensor, roofline.

matplotlib is imported when a picture is drawn.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from archgym.errors import MissingExtraError
from archgym.simulators.dnn.accelerator import NetworkResult
from archgym.simulators.dnn.architecture import Architecture, StorageLevel
from archgym.simulators.dnn.layer import TENSORS
from archgym.simulators.dnn.text import area_text, bandwidth_text, capacity_text, energy_matrix, energy_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = {"Weights": "#2b6cb0", "Inputs": "#dd6b20", "Outputs": "#2f855a", "all": "#a0aec0"}
RED, GREY, INK, PALE = "#c53030", "#718096", "#1a202c", "#e2e8f0"
FILL = {"off-chip": "#fed7d7", "memory": "#bee3f8", "nothing": "#edf2f7", "arithmetic": "#c6f6d5"}
MOST_LABELS = 14


@dataclass(frozen=True)
class Box:
    """One kind of part in the hierarchy: what is written in it, how many there are, bytes of one (None: no limit)."""

    name: str
    lines: tuple[str, ...]
    count: str
    kind: str
    bytes: float | None


@dataclass(frozen=True)
class Point:
    """A layer under the roof: multiply-accumulates a byte off chip and a second, and its share of the time."""

    name: str
    intensity: float
    rate: float
    share: float


@dataclass(frozen=True)
class View:
    """What a picture shows. Rates in multiply-accumulates a second, ``bandwidth`` in bytes a second (None: no limit)."""

    title: str
    boxes: tuple[Box, ...]
    links: tuple[str, ...]
    energy: tuple[tuple[str, Mapping[str, float]], ...] = ()
    peak: float = 0.0
    bandwidth: float | None = None
    points: tuple[Point, ...] = ()
    parallel: bool = False  # the boxes between the first and the last lie side by side, not one after the other


def hierarchy(architecture: Architecture) -> tuple[tuple[Box, ...], tuple[str, ...]]:
    """The levels from off-chip memory to the arithmetic, and what each passes inwards."""
    boxes, links = [], []
    for level in reversed(architecture.levels):
        kind = "off-chip" if level.words is None else "nothing" if level.words == 0 else "memory"
        lines = [capacity_text(level)]
        if level.words != 0:
            lines += energy_text(level).removesuffix(" pJ/word").split(", ")
            lines[1:] = [f"read {lines[1]} pJ/word", f"write {lines[2]} pJ/word"]
        if level.area_um2:
            lines.append(area_text(level.area_um2))
        size = None if level.words is None else level.words * level.word_bits / 8
        boxes.append(Box(level.name, tuple(lines), _count(level.mesh_x, level.mesh_y), kind, size))
        links.append(_link(level))
    own = architecture.arithmetic
    lines = [f"{own.word_bits} bit", f"{own.energy_pJ:.3g} pJ/op", area_text(own.area_um2)]
    boxes.append(Box(own.name, tuple(lines), _count(own.mesh_x, own.mesh_y), "arithmetic", 0.0))
    return tuple(boxes), tuple(links)


def _link(level: StorageLevel) -> str:
    text = bandwidth_text(level).removesuffix(" words/cycle")
    return "" if text in ("-", "any") else f"{text}\nwords/\ncycle".replace(", ", "/")


def _count(x: int, y: int) -> str:
    return "one" if x * y == 1 else f"{x} x {y}"


def architecture_view(architecture: Architecture) -> View:
    """Only the hardware."""
    boxes, links = hierarchy(architecture)
    node = "normalised energies" if architecture.technology_nm is None else f"{architecture.technology_nm} nm"
    title = f"{architecture.name}: {node}, {architecture.clock_GHz:g} GHz, {area_text(architecture.area_um2)}"
    return View(title, boxes, links)


def result_view(result: NetworkResult) -> View:
    """Hardware and what the network does on it.

    Raises:
        DesignError: if the design is infeasible.
    """
    architecture, clock = result.template.architecture, result.template.architecture.clock_GHz * 1e9
    memory = architecture.levels[-1]
    boxes, links = hierarchy(architecture)
    points = []
    for layer, (count, mapped) in zip(result.network.layers, result.found(), strict=True):
        level = next(level for level in mapped.cost.levels if level.name == memory.name)
        read = sum(t.reads_per_instance for t in level.tensors.values())
        written = sum(t.fills_per_instance + t.updates_per_instance for t in level.tensors.values())
        intensity = layer.macs / (max(read, written, 1) * memory.word_bits / 8)
        share = count * mapped.cost.cycles / result.cycles
        points.append(Point(layer.name, intensity, layer.macs / mapped.cost.cycles * clock, share))
    bandwidth = None if memory.read_bandwidth is None else memory.read_bandwidth * memory.word_bits / 8 * clock
    title = (
        f"{result.network.name} on {architecture.name}: {1e3 * result.latency_s:.4g} ms, "
        f"{1e3 * result.energy_J:.4g} mJ, {area_text(architecture.area_um2)} in "
        f"{architecture.technology_nm or 'no'} nm at {architecture.clock_GHz:g} GHz"
    )
    peak = architecture.arithmetic.instances * clock
    return View(title, boxes, links, tuple(energy_matrix(result)), peak, bandwidth, tuple(points))


def figure(view: View) -> Figure:
    """The picture of a view; without energies only the hierarchy.

    Raises:
        MissingExtraError: if matplotlib is not installed.
    """
    try:
        import matplotlib
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise MissingExtraError("drawing pictures", "plot") from error
    settings: Any = {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
    with matplotlib.rc_context(settings):
        drawn = Figure(figsize=(13, 7.6 if view.energy else 3.4), dpi=100, layout="constrained")
        FigureCanvasAgg(drawn)
        if view.energy:
            grid = drawn.add_gridspec(2, 2, height_ratios=(1.0, 1.25), width_ratios=(1.0, 1.0))
            _draw_hierarchy(drawn.add_subplot(grid[0, :]), view)
            _draw_energy(drawn.add_subplot(grid[1, 0]), view)
            _draw_roofline(drawn.add_subplot(grid[1, 1]), view)
        else:
            _draw_hierarchy(drawn.add_subplot(), view)
        drawn.suptitle(view.title, fontsize=11)
    return drawn


def draw(view: View, path: str | os.PathLike[str]) -> None:
    """Save the picture; the suffix of ``path`` says as what (``.png``, ``.svg``, ``.pdf``)."""
    figure(view).savefig(path)


def as_pixels(view: View) -> NDArray[np.uint8]:
    """The picture as an array of shape (height, width, 3)."""
    canvas: Any = figure(view).canvas
    canvas.draw()
    return np.array(canvas.buffer_rgba())[..., :3].copy()


def picture(result: NetworkResult) -> NDArray[np.uint8]:
    """Hierarchy, energy and roofline of a result as an array of shape (height, width, 3)."""
    return as_pixels(result_view(result))


def _draw_hierarchy(axes: Axes, view: View) -> None:
    """Boxes from left (off chip) to right; a box is higher the more one of the kind holds, and stacked if there are more."""
    from matplotlib.patches import FancyBboxPatch

    step = 1.0
    for place, box in enumerate(view.boxes):
        size = 1.0 if box.bytes is None else 0.62 + 0.05 * math.log2(max(1.0, box.bytes) / 16 + 1) / 2
        height, width = min(size, 1.0), 0.66
        for shadow in (2, 1, 0) if box.count != "one" else (0,):
            axes.add_patch(FancyBboxPatch(
                (place * step - width / 2 + 0.025 * shadow, -height / 2 + 0.03 * shadow), width, height,
                boxstyle="round,pad=0,rounding_size=0.03", facecolor=FILL[box.kind], edgecolor=GREY, linewidth=0.9,
                zorder=4 - 0.1 * shadow,
            ))  # fmt: skip
        text = "\n".join(box.lines)
        axes.text(
            place * step, 0.0, text, ha="center", va="center", fontsize=7.5, color=INK, zorder=6, linespacing=1.35
        )
        axes.text(place * step, 0.6, f"{box.name}\n{box.count}", ha="center", va="bottom", fontsize=9, weight="bold")
        if place and not view.parallel:
            start, end = (place - 1) * step + width / 2 + 0.06, place * step - width / 2
            axes.annotate("", (end, 0), (start, 0), arrowprops={"arrowstyle": "<->", "color": INK, "linewidth": 1.1})
            label = view.links[place - 1]
            axes.text((start + end) / 2, 0.07, label, ha="center", va="bottom", fontsize=7, color=INK, linespacing=1.1)
    if view.parallel:
        _draw_bus(axes, len(view.boxes), view.links[0])
    axes.set_xlim(-0.5, (len(view.boxes) - 1) * step + 0.5)
    axes.set_ylim(-0.6, 1.0)
    axes.set_axis_off()


def _draw_bus(axes: Axes, count: int, label: str) -> None:
    """A line under the boxes between the first and the last, which they all hang on."""
    line: Any = {"color": INK, "linewidth": 1.1, "zorder": 1}
    for left, right, y in ((0, count - 2, -0.56), (1, count - 1, 0.56)):
        axes.plot([left, right], [y, y], **line)
        for place in range(left, right + 1):
            axes.plot([place, place], [0, y], **line)
    axes.text(0.5, -0.53, label.replace("\n", " ").replace("/ ", "/"), ha="center", va="bottom", fontsize=7, color=INK)


def _draw_energy(axes: Axes, view: View) -> None:
    names = [name for name, _ in view.energy]
    total = sum(sum(values.values()) for _, values in view.energy)
    factor, unit = next(((f, u) for f, u in ((1e3, "mJ"), (1e6, "µJ")) if total * f >= 1), (1e9, "nJ"))
    base = np.zeros(len(names))
    for kind in (*TENSORS, "all"):
        heights = factor * np.array([values.get(kind, 0.0) for _, values in view.energy])
        if heights.any():
            label = kind if kind != "all" else "not by tensor"
            axes.bar(range(len(names)), heights, bottom=base, color=COLOURS[kind], label=label, width=0.66)
            base += heights
    for place, height in enumerate(base):
        axes.text(place, height, f"{100 * height / (total * factor):.1f} %", ha="center", va="bottom", fontsize=8)
    axes.set_xticks(range(len(names)), names, fontsize=8 if len(names) < 8 else 7)
    axes.tick_params(axis="x", length=0)
    axes.set_ylabel(f"energy of one run, {unit}")
    axes.set_ylim(0, 1.12 * base.max())
    axes.set_title("where the energy goes", fontsize=10, loc="left", pad=20)
    axes.legend(fontsize=8, frameon=False, loc="lower left", bbox_to_anchor=(0, 1.0), ncols=4, borderpad=0)


def _draw_roofline(axes: Axes, view: View) -> None:
    low, high = min(p.intensity for p in view.points), max(p.intensity for p in view.points)
    ridge = None if view.bandwidth is None else view.peak / view.bandwidth
    if ridge is not None:
        low, high = min(low, ridge / 4), max(high, ridge * 4)
    low, high = low / 2, high * 2
    xs = np.geomspace(low, high, 200)
    roof = np.full(200, view.peak) if view.bandwidth is None else np.minimum(view.peak, xs * view.bandwidth)
    axes.plot(xs, roof / 1e9, color=INK, linewidth=1.6)
    axes.fill_between(xs, roof / 1e9, 1e30, color=PALE, alpha=0.6, linewidth=0)
    axes.text(high, view.peak / 1e9 * 1.2, f"peak {view.peak / 1e9:.4g} GMAC/s ", ha="right", va="bottom", fontsize=8)
    sizes = [20 + 260 * point.share for point in view.points]
    axes.scatter([p.intensity for p in view.points], [p.rate / 1e9 for p in view.points], s=sizes, color=COLOURS["Weights"],
                 alpha=0.7, edgecolor="white", linewidth=0.6, zorder=4)  # fmt: skip
    lowest = min(min(p.rate for p in view.points), view.peak) / 1e9
    axes.set_xscale("log")
    axes.set_yscale("log")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter(lambda value, _: f"{value:g}" if f"{value:.0e}"[0] in "25" else "")
    axes.set_xlim(low, high)
    axes.set_ylim(min(lowest / 2, view.peak / 1e9 / 8), view.peak / 1e9 * 2.2)
    _label_points(axes, view)
    if view.bandwidth is not None:
        text = f"slope: off-chip memory,\n{view.bandwidth / 1e9:.4g} GB/s{'' if view.parallel else ' each way'}"
        axes.text(0.02, 0.97, text, transform=axes.transAxes, fontsize=8, ha="left", va="top")
    axes.set_xlabel(f"multiply-accumulates per byte off chip{'' if view.parallel else ' (busier way)'}")
    axes.set_ylabel("GMAC/s")
    axes.set_title("roofline: layers, larger the longer they take", fontsize=10, loc="left")


def _label_points(axes: Axes, view: View) -> None:
    """Names of the layers that take longest, on the first side of their point where they lie on nothing else."""
    (x0, x1), (y0, y1) = axes.get_xlim(), axes.get_ylim()
    centres = {
        point.name: (
            math.log(point.intensity / x0) / math.log(x1 / x0),
            math.log(max(point.rate / 1e9, y0) / y0) / math.log(y1 / y0),
        )
        for point in view.points
    }
    taken = [(x - 0.012, y - 0.018, x + 0.012, y + 0.018) for x, y in centres.values()]
    for point in sorted(view.points, key=lambda point: -point.share)[:MOST_LABELS]:
        (x, y), wide = centres[point.name], 0.0125 * len(point.name)
        far = 0.012 + 0.012 * math.sqrt(point.share)
        for dx, dy in ((0, -1), (1, 0), (-1, 0), (1, -1), (-1, -1), (0, 1), (0, -2)):
            middle_x, middle_y = x + dx * (far + wide / 2), y + dy * (0.02 + 1.3 * far)
            box = (middle_x - wide / 2, middle_y - 0.014, middle_x + wide / 2, middle_y + 0.014)
            inside = box[0] > 0 and box[2] < 1 and box[1] > 0
            if inside and not any(_overlap(box, other) for other in taken):
                axes.text(middle_x, middle_y, point.name, transform=axes.transAxes, ha="center", va="center", fontsize=7,
                          color=INK, zorder=5)  # fmt: skip
                taken.append(box)
                break


def _overlap(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
