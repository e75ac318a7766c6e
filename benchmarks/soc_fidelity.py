"""How far the SoC simulator is from FARSI on its 145 reference designs: ``python benchmarks/soc_fidelity.py``.

First with ``fidelity="farsi"`` against FARSI's own results, then the default fidelity against that one: what FARSI's quirks
amount to.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np

from archgym.simulators.soc.design import read_design
from archgym.simulators.soc.result import simulate_designs
from archgym.simulators.soc.workloads import SOURCE

GOLDEN = Path(__file__).parent.parent / "tests" / "golden" / "soc"
METRICS = {"latency_s": "latency_s", "power_W": "power_w", "energy_J": "energy_j", "area_m2": "area_m2"}


def main() -> None:
    quirks: dict[str, list[float]] = {metric: [] for metric in METRICS}
    print(f"{'workload':<16} {'designs':>8}   largest relative deviation from FARSI")
    for name in ("audio_decoder", "edge_detection", "hpvm_cava"):
        with gzip.open(GOLDEN / f"reference_{name}.json.gz") as file:
            documents = json.load(file)["designs"]
        designs = [read_design(document, SOURCE.load(name).data) for document in documents]
        equal, default = simulate_designs(designs, "farsi"), simulate_designs(designs)
        worst = {
            metric: max(
                abs(getattr(result, metric) / document["result"][key] - 1)
                for result, document in zip(equal, documents, strict=True)
            )
            for metric, key in METRICS.items()
        }
        print(
            f"{name:<16} {len(designs):>8}   " + "  ".join(f"{metric} {value:.2g}" for metric, value in worst.items())
        )
        for metric, listed in quirks.items():
            listed += [getattr(a, metric) / getattr(b, metric) - 1 for a, b in zip(default, equal, strict=True)]
    print("\ndefault fidelity against FARSI's, all designs")
    for metric, listed in quirks.items():
        change = np.array(listed)
        same = int((np.abs(change) < 1e-8).sum())
        middle = float(np.median(np.abs(change)))
        print(
            f"  {metric:<10} {change.min():+8.1%} to {change.max():+8.1%}   median size {middle:.2%}   equal {same} of {len(change)}"
        )


if __name__ == "__main__":
    main()
