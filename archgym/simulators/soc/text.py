"""One simulated SoC as text: its blocks as a tree, the schedule as a chart of characters, and budgets as bars."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from archgym.simulators.soc.library import ACCELERATOR, BUS, CORE, KINDS
from archgym.simulators.soc.result import Result

WIDE = 60
MOST_NAMES = 4
LIMITED_BY = {CORE: "█", ACCELERATOR: "█", BUS: "░"}  # anything else is a memory
MEMORY = "▒"


def bottleneck(result: Result) -> str:
    """The block that limited tasks for the longest time."""
    limiting = {name: values["limiting_s"] for name, values in result.blocks.items()}
    return max(limiting, key=lambda name: limiting[name])


def figures(value: float) -> str:
    """Four digits, without an exponent where there are more before the point."""
    return f"{value:,.0f}" if value >= 1e4 else f"{value:.4g}"


def against_limits(result: Result, limits: Mapping[str, float]) -> Iterator[tuple[str, float, str]]:
    """Name, value over limit, and both with their unit, for each limit."""
    values = {"latency_s": result.latency_s, "power_W": result.power_W, "on_chip_area_m2": result.on_chip_area_m2}
    values |= {"dram_area_m2": result.total["dram_area_m2"]}
    values |= {f"latency_{name}_s": value for name, value in result.latency.items()}
    units = {"s": (1e3, "ms"), "W": (1e3, "mW"), "m2": (1e6, "mm²")}
    for metric, limit in limits.items():
        name, _, unit = metric.rpartition("_")
        factor, shown = units[unit]
        text = f"{figures(factor * values[metric])} of {factor * limit:.4g} {shown}"
        yield name.replace("_", " "), values[metric] / limit, text


def describe(result: Result, limits: Mapping[str, float]) -> str:
    """Blocks, schedule and budgets of a design, or why it is infeasible.

    Args:
        limits: by metric; nothing is said about budgets if there are none.
    """
    if not result.feasible:
        return f"infeasible: {result.reason}"
    parts = [
        [f"SoC (bottleneck, marked *: {bottleneck(result)})", *tree(result)],
        [f"Schedule, 0 to {figures(1e3 * max(t['end_s'] for t in result.tasks.values()))} ms", *gantt(result)],
    ]
    if limits:
        parts.append(["Budgets", *budgets(result, limits)])
    return "\n\n".join("\n".join(part) for part in parts)


def tree(result: Result) -> Iterator[str]:
    """Buses from the first one on, what hangs on each, and the tasks of each processing element."""
    design = result.design
    near: dict[int, list[int]] = {slot: [] for slot in range(len(design.names))}
    for a, b in design.links:
        near[a].append(b)
        near[b].append(a)
    root = next(slot for slot, block in enumerate(design.blocks) if block.kind == BUS)
    stack = [(root, -1, 1)]
    while stack:
        slot, before, depth = stack.pop()
        yield f"{'  ' * depth}{_block(result, slot)}"
        after = [other for other in near[slot] if other != before]
        leaves_first = sorted(after, key=lambda other: (design.blocks[other].kind == BUS, other))
        stack += [(other, slot, depth + 1) for other in reversed(leaves_first)]


def _block(result: Result, slot: int) -> str:
    design = result.design
    name, block = design.names[slot], design.blocks[slot]
    clock = f"{block.clock_Hz / 1e6:.0f} MHz"
    mark = "*" if name == bottleneck(result) else ""
    if block.kind == BUS:
        return f"{name}{mark}: bus, {block.width_bytes} B × {clock}"
    if block.kind in (CORE, ACCELERATOR):
        tasks = [t.name for t, pe in zip(design.graph.tasks, design.pe, strict=True) if pe == slot and t.work > 0]
        more = [f"{len(tasks) - MOST_NAMES} more"] if len(tasks) > MOST_NAMES else []
        what = f"×{block.unroll}, {clock}" if block.kind == ACCELERATOR else block.name.removesuffix("_pe")
        return f"{name}{mark}: {what}: {', '.join(tasks[:MOST_NAMES] + more) or 'source and sink'}"
    size = result.blocks[name]["capacity_bytes"] / 1e6
    return f"{name}{mark}: {KINDS[block.kind].upper()}, {size:.4g} MB, {block.width_bytes} B × {clock}"


def gantt(result: Result) -> Iterator[str]:
    """A line a processing element that works: when, and what limits it then."""
    design = result.design
    end = max(values["end_s"] for values in result.tasks.values())
    kinds = {name: block.kind for name, block in zip(design.names, design.blocks, strict=True)}
    lanes: dict[str, list[str]] = {}
    for task, slot in zip(design.graph.tasks, design.pe, strict=True):
        values = result.tasks[task.name]
        if task.work > 0:
            lane = lanes.setdefault(design.names[slot], [" "] * WIDE)
            first = min(WIDE - 1, int(WIDE * values["start_s"] / end))
            last = max(first + 1, round(WIDE * values["end_s"] / end))
            for place in range(first, last):
                lane[place] = LIMITED_BY.get(kinds[values["limiting_block"]], MEMORY)
    wide = max(map(len, lanes))
    for name, lane in lanes.items():
        yield f"  {name:<{wide}} │{''.join(lane)}│"
    yield f"  {'':<{wide}}  limited by: █ processing element  ▒ memory  ░ bus"


def budgets(result: Result, limits: Mapping[str, float]) -> Iterator[str]:
    """A bar a budget; the mark in the middle is the limit."""
    rows = list(against_limits(result, limits))
    wide, half = max(len(name) for name, _, _ in rows), WIDE // 3
    for name, share, text in rows:
        filled = min(2 * half, round(half * share))
        bar = "■" * filled + " " * (2 * half - filled)
        over = "▶" if share > 2 else " "
        yield f"  {name:<{wide}} {bar[:half]}│{bar[half:]}{over} {text}, {'met' if share <= 1 else 'over'}"
