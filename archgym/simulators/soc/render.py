"""Pictures of one simulated SoC: blocks and buses with what runs where, the schedule, and budgets as bars.

The bottleneck (the block that limited tasks for the longest time) and the chain of tasks that decides the
latency are red. matplotlib is imported when a picture is drawn.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from archgym.errors import DesignError, MissingExtraError
from archgym.simulators.soc.library import ACCELERATOR, BUS, CORE, DRAM
from archgym.simulators.soc.result import Result
from archgym.simulators.soc.text import against_limits, bottleneck, figures

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BY_COMPUTE, BY_MEMORY, BY_BUS = "#4a82bf", "#e2853f", "#9272dc"
RED, GREEN, GREY, PALE, INK = "#c53030", "#2f855a", "#718096", "#edf2f7", "#1a202c"
FILL = {0: "#bee3f8", 1: "#c6f6d5", 2: "#feebc8", 3: "#fbd38d"}
FEWEST_COLUMNS, MOST_COLUMNS = 7, 24
LEAST_WIDTH = 8.0
LEAST_BAR = 0.001  # of the time; shorter tasks are drawn this wide
SHORT = 0.003  # phases of less than this share of the time do not set the scale of the power


def figure(result: Result, limits: Mapping[str, float] | None = None) -> Figure:
    """SoC, schedule, power over time, and budgets of one feasible design.

    Args:
        limits: by metric; the workload's budgets if omitted.

    Raises:
        DesignError: if the design is infeasible.
        MissingExtraError: if matplotlib is not installed.
    """
    if not result.feasible:
        raise DesignError(f"an infeasible design has no schedule to draw: {result.reason}")
    try:
        import matplotlib
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise MissingExtraError("drawing pictures", "plot") from error
    if limits is None:
        from archgym.simulators.soc.simulator import budget_limits

        limits = budget_limits(result.design.graph)
    layout = _Layout(result)
    lanes = sum(result.blocks[name].get("busy_s", 0.0) > 0 for name in result.design.names)
    heights = (1.0 + 0.62 * layout.height, 0.9 + 0.27 * max(lanes, 3), 1.2)
    with matplotlib.rc_context({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}):
        drawn = Figure(
            figsize=(max(13.0, 2.2 + 1.12 * layout.width), sum(heights) + 0.6), dpi=100, layout="constrained"
        )
        FigureCanvasAgg(drawn)
        grid = drawn.add_gridspec(3, 2, height_ratios=heights, width_ratios=(3.2, 1.0))
        _draw_blocks(drawn.add_subplot(grid[0, :]), layout)
        schedule = drawn.add_subplot(grid[1, 0])
        _draw_schedule(schedule, layout)
        _draw_power(drawn.add_subplot(grid[2, 0], sharex=schedule), result, limits)
        _draw_budgets(drawn.add_subplot(grid[1:, 1]), result, limits)
        drawn.suptitle(
            f"{result.design.graph.name}: {figures(1e3 * result.latency_s)} ms, {1e3 * result.power_W:.4g} mW, "
            f"{figures(1e3 * result.energy_J)} mJ, {1e6 * result.on_chip_area_m2:.4g} mm² + "
            f"{1e6 * result.total['dram_area_m2']:.4g} mm² DRAM",
            fontsize=11,
        )
    return drawn


def draw(result: Result, path: str | os.PathLike[str], limits: Mapping[str, float] | None = None) -> None:
    """Save the picture; the suffix of ``path`` says as what (``.png``, ``.svg``, ``.pdf``)."""
    figure(result, limits).savefig(path)


def picture(result: Result, limits: Mapping[str, float] | None = None) -> NDArray[np.uint8]:
    """The picture as an array of shape (height, width, 3)."""
    canvas: Any = figure(result, limits).canvas
    canvas.draw()
    return np.array(canvas.buffer_rgba())[..., :3].copy()


def short_names(names: list[str]) -> dict[str, str]:
    """Names without the ending, from an underscore on, that most of them share."""
    endings = [name[place:] for name in names for place in range(1, len(name)) if name[place] == "_"]
    common = {ending for ending in endings if 2 * endings.count(ending) > max(2, len(names))}
    ending = max(common, key=len, default="")
    return {name: name.removesuffix(ending) for name in names}


def _plain(block: str, short: Mapping[str, str]) -> str:
    """A block's name for a heading."""
    task = block.removesuffix(".accelerator")
    return block if task == block else f"the accelerator of {short.get(task, task)}"


class _Layout:
    """Where each block is drawn: buses side by side in tree order, processing elements above, memories below."""

    def __init__(self, result: Result) -> None:
        self.result, design = result, result.design
        tasks = design.graph.tasks
        self.short = short_names([task.name for task in tasks if task.work > 0])
        self.near: dict[int, list[int]] = {slot: [] for slot in range(len(design.names))}
        for a, b in design.links:
            self.near[a].append(b)
            self.near[b].append(a)
        self.span: dict[int, tuple[float, float]] = {}
        self.place: dict[int, tuple[float, float]] = {}
        self.rows, edge = 1, 0.0
        for bus in self._buses():
            above = [slot for slot in self.near[bus] if design.blocks[slot].kind in (CORE, ACCELERATOR)]
            below = [slot for slot in self.near[bus] if design.blocks[slot].kind not in (CORE, ACCELERATOR, BUS)]
            columns = min(len(above), max(FEWEST_COLUMNS, -(-len(above) // 2)), MOST_COLUMNS)  # two rows if they fit
            columns = max(1, columns, len(below))
            rows = -(-len(above) // columns)
            wide = columns + (0.5 if rows > 1 else 0.0)
            for number, slot in enumerate(above):
                row = number // columns
                self.place[slot] = (edge + 0.5 + number % columns + 0.5 * (row % 2), 1.0 + 1.15 * row)
                self.rows = max(self.rows, row + 1)
            for number, slot in enumerate(below):
                self.place[slot] = (edge + (number + 0.5) * wide / len(below), -1.0)
            self.span[bus] = (edge + 0.08, edge + wide - 0.08)
            edge += wide + 0.5
        self.width, self.height = edge, 2.2 + 1.15 * self.rows
        self.bottleneck = bottleneck(result)
        self.chain = _deciding_chain(result)

    def _buses(self) -> list[int]:
        """Buses depth first, so that linked ones are near each other."""
        kinds = self.result.design.blocks
        order: list[int] = []
        stack = [slot for slot, block in enumerate(kinds) if block.kind == BUS][:1]
        while stack:
            here = stack.pop()
            if here not in order:
                order.append(here)
                stack += [slot for slot in reversed(self.near[here]) if kinds[slot].kind == BUS]
        return order

    def label(self, slot: int) -> str:
        design = self.result.design
        name, block = design.names[slot], design.blocks[slot]
        users = [t.name for t, pe in zip(design.graph.tasks, design.pe, strict=True) if pe == slot and t.work > 0]
        if block.kind == CORE:
            listed = [_cut(self.short[task]) for task in users]
            more = [f"+ {len(listed) - 2} more"] if len(listed) > 3 else listed[2:]
            return "\n".join([f"{name} (A53)", *(listed[:2] + more or ["source, sink"])])
        if block.kind == ACCELERATOR:
            task = users[0] if users else design.graph.tasks[block.task].name
            return f"{_wrapped(self.short.get(task, task))}\n×{block.unroll}, {block.clock_Hz / 1e6:.0f} MHz"
        size = self.result.blocks[name]["capacity_bytes"]
        kind = "DRAM" if block.kind == DRAM else "SRAM"
        return f"{name}\n{kind} {size / 1e6:.3g} MB\n{block.width_bytes} B × {block.clock_Hz / 1e6:.0f} MHz"


def _cut(name: str, width: int = 15) -> str:
    return name if len(name) <= width else name[: width - 1] + "…"


def _wrapped(name: str, width: int = 15) -> str:
    """A long name on two lines, broken before a capital or after an underscore where there is one."""
    if len(name) <= width:
        return name
    breaks = [n for n in range(3, len(name)) if name[n - 1] == "_" or (name[n - 1].islower() and name[n].isupper())]
    place = max((n for n in breaks if n <= width), default=min(breaks, default=width))
    return f"{_cut(name[:place], width)}\n{_cut(name[place:], width)}"


def _deciding_chain(result: Result) -> set[str]:
    """Tasks whose end decides the next one's start, back from the one that ends the slowest application."""
    graph = result.design.graph
    end = {task.name: result.tasks[task.name]["end_s"] for task in graph.tasks}
    here: int | None = max(graph.last.values(), key=lambda number: end[graph.tasks[number].name])
    chain: set[str] = set()
    while here is not None and graph.tasks[here].name not in chain:
        name = graph.tasks[here].name
        chain.add(name)
        before = set(graph.parents[here])
        times = result.tasks[name]
        if times["start_s"] > times["ready_s"]:
            pe = result.design.pe[here]
            before |= {n for n in range(len(graph)) if result.design.pe[n] == pe and n != here}
        earlier = [n for n in before if end[graph.tasks[n].name] <= times["start_s"]]
        here = max(earlier, key=lambda n: end[graph.tasks[n].name], default=None)
    return chain


def _draw_blocks(axes: Axes, layout: _Layout) -> None:
    from matplotlib.patches import FancyBboxPatch

    design = layout.result.design
    red = [slot for slot, name in enumerate(design.names) if name == layout.bottleneck]
    for bus, (left, right) in layout.span.items():
        colour = RED if bus in red else BY_BUS
        axes.plot([left, right], [0, 0], color=colour, linewidth=7, solid_capstyle="round", zorder=3)
        block = design.blocks[bus]
        text = f"{design.names[bus]}: {block.width_bytes} B × {block.clock_Hz / 1e6:.0f} MHz"
        axes.text(left + 0.05, 0.13, text, ha="left", va="bottom", fontsize=8, color=colour, zorder=6,
                  bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8, "alpha": 0.85})  # fmt: skip
    far = 0  # each link between buses that are not side by side has a height and ends of its own
    for a, b in design.links:
        if a in layout.span and b in layout.span:
            first, second = sorted((a, b), key=lambda bus: layout.span[bus][0])
            x0, x1, y = layout.span[first][1], layout.span[second][0], 0.0
            if x1 - x0 >= 1:
                x0, x1, y = x0 - 0.12 * far, x1 + 0.12 * far, -0.22 - 0.12 * (far % 3)
                far += 1
            axes.plot([x0, x0, x1, x1], [0, y, y, 0], color=BY_BUS, linewidth=2.5, zorder=2)
    for slot, (x, y) in layout.place.items():
        axes.plot([x, x], [0, y], color=GREY, linewidth=1, zorder=1)
        edge = RED if slot in red else GREY
        box = FancyBboxPatch(
            (x - 0.42, y - 0.38), 0.84, 0.76, boxstyle="round,pad=0,rounding_size=0.06", zorder=4,
            facecolor=FILL[design.blocks[slot].kind], edgecolor=edge, linewidth=2.4 if slot in red else 0.8,
        )  # fmt: skip
        axes.add_patch(box)
        axes.text(x, y, layout.label(slot), ha="center", va="center", fontsize=7, color=INK, zorder=5)
    spare = max(0.0, LEAST_WIDTH - layout.width) / 2
    axes.set_xlim(-0.1 - spare, layout.width + spare)
    axes.set_ylim(-1.5, 0.5 + 1.15 * layout.rows)
    axes.set_title(f"SoC (in red the bottleneck: {_plain(layout.bottleneck, layout.short)})", fontsize=10, loc="left")
    axes.set_axis_off()


def _draw_schedule(axes: Axes, layout: _Layout) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    result, design = layout.result, layout.result.design
    kinds = {name: block.kind for name, block in zip(design.names, design.blocks, strict=True)}
    lanes: dict[int, int] = {}
    bars: dict[int, list[tuple[float, float, str]]] = {}
    total = max(values["end_s"] for values in result.tasks.values())
    for task, slot in sorted(
        zip(result.tasks, design.pe, strict=True), key=lambda pair: result.tasks[pair[0]]["start_s"]
    ):
        times = result.tasks[task]
        if task not in layout.short:
            continue
        lane = lanes.setdefault(slot, len(lanes))
        kind = kinds[times["limiting_block"]]
        colour = BY_BUS if kind == BUS else BY_COMPUTE if kind in (CORE, ACCELERATOR) else BY_MEMORY
        start, end = 1e3 * times["start_s"], 1e3 * times["end_s"]
        if times["start_s"] > times["ready_s"]:
            below = lane + 0.41  # its processing element is busy meanwhile
            axes.plot([1e3 * times["ready_s"], start], [below, below], color=GREY, linewidth=1.2, linestyle=":")
        deciding, visible = task in layout.chain, end - start > 4e3 * LEAST_BAR * total
        axes.barh(lane, max(end - start, 1e3 * LEAST_BAR * total), left=start, height=0.62, color=colour, zorder=3,
                  edgecolor=RED if deciding else "white" if visible else colour,
                  linewidth=1.8 if deciding else 0.5)  # fmt: skip
        bars.setdefault(lane, []).append((start, end, layout.short[task]))
    names = {
        lane: layout.short.get(n := design.names[slot].removesuffix(".accelerator"), n) for slot, lane in lanes.items()
    }
    for lane, listed in bars.items():
        if [name for _, _, name in listed] != [names[lane]]:  # a lane of one task has its name already
            _label_lane(axes, lane, listed, 1e3 * total, tall=len(lanes) < 3)
    axes.set_yticks(list(names), list(names.values()))
    for slot, lane in lanes.items():
        if design.names[slot] == layout.bottleneck:
            axes.get_yticklabels()[lane].set(color=RED, weight="bold")
    axes.set_ylim(len(lanes) - 0.4, -0.6)
    axes.set_xlim(0, 1e3 * total * 1.01 or 1)
    axes.tick_params(axis="y", length=0, labelsize=8)
    axes.tick_params(axis="x", labelbottom=False)
    handles = [
        Patch(color=BY_COMPUTE, label="limited by its processing element"),
        Patch(color=BY_MEMORY, label="by a memory"),
        Patch(color=BY_BUS, label="by a bus"),
        Patch(facecolor="white", edgecolor=RED, linewidth=1.8, label="decides the latency"),
        Line2D([], [], color=GREY, linewidth=1.2, linestyle=":", label="a ready task waits"),
    ]
    axes.legend(
        handles=handles, ncols=5, fontsize=7, frameon=False, loc="lower left", bbox_to_anchor=(0, 1.0), borderpad=0
    )
    axes.set_title("schedule", fontsize=10, loc="left", pad=18)


def _label_lane(axes: Axes, lane: int, bars: list[tuple[float, float, str]], total: float, tall: bool) -> None:
    """Names of one lane's bars, in order of time: inside, else beside where there is room, else cut to fit.

    In a tall lane a name may take two lines.
    """
    letter = 0.0105 * total
    for number, (start, end, name) in enumerate(bars):
        need = letter * (len(name) + 1)
        after = (bars[number + 1][0] if number + 1 < len(bars) else total) - end
        before = start - (bars[number - 1][1] if number else 0.0)
        fits = int((end - start) / letter) - 1
        where: dict[str, Any] = {"va": "center", "zorder": 4, "fontsize": 7}
        if len(name) <= fits:
            axes.text((start + end) / 2, lane, name, ha="center", color="white", **where)
        elif after >= need:
            axes.text(end, lane, f" {name}", ha="left", color=INK, **where)
        elif before >= need and not (
            number and len(bars[number - 1][2]) > (bars[number - 1][1] - bars[number - 1][0]) / letter - 1
        ):
            axes.text(start, lane, f"{name} ", ha="right", color=INK, **where)
        elif fits >= 3:
            text = _wrapped(name, fits) if tall else _cut(name, fits)
            axes.text((start + end) / 2, lane, text, ha="center", color="white", **where)


def _draw_power(axes: Axes, result: Result, limits: Mapping[str, float]) -> None:
    lasting = [(step, energy) for step, energy in result.phases if step > 0]
    times = np.concatenate([[0.0], np.cumsum([step for step, _ in lasting])]) * 1e3
    axes.stairs(
        [1e3 * energy / step for step, energy in lasting], times, fill=True, color="#fed7aa", edgecolor=BY_MEMORY
    )
    axes.axhline(1e3 * result.power_W, color=INK, linewidth=1)
    limit = limits.get("power_W")
    highest = max([energy / step for step, energy in lasting] + [limit or 0.0])
    shown = [1e3 * energy / step for step, energy in lasting if step >= SHORT * 1e-3 * times[-1]]
    top = 1.15 * max([1e3 * result.power_W, 1e3 * (limit or 0.0), *shown])
    close = limit is not None and abs(limit - result.power_W) < 0.12 * top / 1e3
    beside: dict[str, Any] = {"transform": axes.get_yaxis_transform(), "fontsize": 7}
    place = "center" if not close or limit is None else "bottom" if result.power_W > limit else "top"
    axes.text(1.0, 1e3 * result.power_W, " 10 ms maximum", va=place, **beside)
    if limit is not None:
        axes.axhline(1e3 * limit, color=RED, linewidth=1, linestyle="--")
        axes.text(
            1.0, 1e3 * limit, " budget", color=RED, va={"bottom": "top", "top": "bottom"}.get(place, place), **beside
        )
    axes.set_ylim(0, top)
    if 1e3 * highest > top:
        axes.text(1.0, 1.0, f"shortest peaks cut: {1e3 * highest:.3g} mW", transform=axes.transAxes,
                  ha="right", va="bottom", fontsize=7, color=GREY)  # fmt: skip
    axes.set_ylabel("mW")
    axes.set_xlabel("time, ms")


def _draw_budgets(axes: Axes, result: Result, limits: Mapping[str, float]) -> None:
    axes.set_title("share of each budget", fontsize=10, loc="left")
    if not limits:
        axes.text(
            0.5, 0.5, "the workload has no budgets", ha="center", va="center", color=GREY, transform=axes.transAxes
        )
        axes.set_axis_off()
        return
    rows = list(against_limits(result, limits))
    for row, (name, share, text) in enumerate(rows):
        axes.barh(row, max(share, 1e-9), color=GREEN if share <= 1 else RED, height=0.36)
        back = {"facecolor": "white", "edgecolor": "none", "pad": 1.0}
        axes.text(0.0012, row - 0.27, f"{name}: {text}", fontsize=8, va="bottom", ha="left", color=INK, bbox=back)
    axes.axvline(1.0, color=RED, linewidth=1.2, linestyle="--")
    axes.set_xscale("log")
    highest = max(10.0, 2 * max(share for _, share, _ in rows))
    axes.set_xlim(0.001, highest)
    axes.set_ylim(len(rows) - 0.4, -0.7)
    axes.set_yticks([])
    axes.set_xlabel("value / budget (log)")
    axes.spines["left"].set_visible(False)
