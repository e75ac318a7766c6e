"""Pictures of how well a proxy predicts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from archgym.proxy.evaluate import Truth
from archgym.proxy.simulator import Proxy
from archgym.report.search import scaled
from archgym.report.style import BLUE, GREEN, GREY, ORANGE, RED, new_figure, save

_COLOURS = (BLUE, ORANGE, GREEN, RED, "#6b46c1", "#0987a0", "#975a16", "#97266d")
#: more points than this are drawn as a sample
_MOST_POINTS = 3000


def save_predicted_against_true(proxy: Proxy, truths: Sequence[Truth], stem: Path) -> list[Path]:
    """Save ``stem.png/.svg``: for each metric the prediction over the true value, and the relative error below.

    Raises:
        MissingExtraError: if matplotlib is not installed.
    """
    count = len(proxy.metrics)
    figure, axes = new_figure(max(4.2 * count, 5.0), 6.2, 2, count)
    axes = np.asarray(axes).reshape(2, count)
    for column, metric in enumerate(proxy.metrics):
        usable = [t.true.feasible & t.predicted.feasible for t in truths]
        every = np.concatenate([t.true[metric.name][ok] for t, ok in zip(truths, usable, strict=True)])
        if not len(every):
            continue
        factor, unit = scaled(every, metric.unit)
        above, below = axes[:, column]
        low, high = factor * float(every.min()), factor * float(every.max())
        above.plot([low, high], [low, high], color=GREY, linewidth=1, zorder=0)
        below.axhline(0.0, color=GREY, linewidth=1, zorder=0)
        shares = []
        for number, (truth, ok) in enumerate(zip(truths, usable, strict=True)):
            true, predicted = truth.true[metric.name][ok], truth.predicted[metric.name][ok]
            shown = slice(None, None, max(1, -(-len(true) // _MOST_POINTS)))
            with np.errstate(divide="ignore", invalid="ignore"):
                error = 100.0 * (predicted / true - 1.0)
            shares.append(error[np.isfinite(error)])
            style = {"color": _COLOURS[number % len(_COLOURS)], "markersize": 3, "alpha": 0.5, "rasterized": True}
            above.plot(factor * true[shown], factor * predicted[shown], ".", label=truth.workload, **style)
            below.plot(factor * true[shown], error[shown], ".", **style)
        if low > 0 and high / low > 20:
            above.set(xscale="log", yscale="log")
            below.set(xscale="log")
        limit = float(np.quantile(np.abs(np.concatenate(shares)), 0.995)) if shares else 1.0
        below.set_ylim(-1.15 * max(limit, 1e-6), 1.15 * max(limit, 1e-6))
        name = metric.name.rsplit("_", 1)[0].replace("_", " ") if metric.unit != "1" else metric.name.replace("_", " ")
        unit = "" if unit == "1" else f" ({unit})"
        above.set(title=name, ylabel=f"predicted{unit}")
        below.set(xlabel=f"true{unit}", ylabel="relative error (%)")
    legend = axes[0, 0].legend(loc="upper left", markerscale=3, fontsize=8, handletextpad=0.2)
    for handle in legend.legend_handles:
        handle.set_alpha(1.0)
    figure.suptitle(f"{proxy.data['simulator']['name']}: {sum(len(t.designs) for t in truths):,} held-out designs, "
                    f"{proxy.data['rows']:,} training rows", fontsize=10)  # fmt: skip
    return save(figure, stem)
