"""Systolic arrays: SCALE-Sim's cycles on all reference runs, a step-by-step array on tiny ones, and bounds on traffic."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from archgym.errors import UnknownNameError, WorkloadError
from archgym.simulators.dnn.layer import convolution
from archgym.simulators.dnn.systolic import DATAFLOWS, gemm_of, systolic_cost, systolic_traffic

RUNS = json.loads(
    gzip.decompress((Path(__file__).parents[1] / "golden" / "dnn" / "scalesim_runs.json.gz").read_bytes())
)["runs"]


@pytest.mark.parametrize("run", RUNS, ids=lambda run: f"{run['id']}-{run['dataflow']}-{run['bandwidth_mode']}")
def test_equals_scale_sim(run):
    sizes, expected = run["gemm"], run["result"]
    array = run["array_rows"], run["array_cols"]
    found = systolic_cost(sizes["M"], sizes["N"], sizes["K"], *array, run["dataflow"])
    assert found.reported_cycles == expected["total_cycles"] - expected["stall_cycles"]
    assert found.cycles == found.reported_cycles + 1
    macs = sizes["M"] * sizes["N"] * sizes["K"]
    assert found.utilization == pytest.approx(macs / (found.cycles * array[0] * array[1]))
    if not expected["stall_cycles"] and "overall_util_pct" in expected:
        busy = 100 * macs / (found.reported_cycles * array[0] * array[1])
        assert busy == pytest.approx(expected["overall_util_pct"])
    assert 100 * found.mapping_efficiency == pytest.approx(expected["mapping_efficiency_pct"])
    assert found.ifmap_sram_reads == expected["sram_ifmap"]["reads"]
    assert found.filter_sram_reads == expected["sram_filter"]["reads"]
    # SCALE-Sim counts the steps in which an output-stationary fold shifts its results out as writes too.
    shifting = found.folds * sum(array) if run["dataflow"] == "os" else 0
    assert found.ofmap_sram_writes + shifting == expected["sram_ofmap"]["writes"]


@pytest.mark.parametrize("run", [run for run in RUNS if run["conv"]], ids=lambda run: str(run["id"]))
def test_convolutions_are_lowered_as_scale_sim_does(run):
    conv = run["conv"]
    layer = convolution(
        (conv["ofmap_w"], conv["ofmap_h"]), conv["num_filters"], conv["channels"], (conv["filter_w"], conv["filter_h"]),
        (conv["stride"],) * 2,
    )  # fmt: skip
    assert gemm_of(layer) == (run["gemm"]["M"], run["gemm"]["N"], run["gemm"]["K"], 1)


def marching(m, n, k, rows, columns):
    """An output-stationary array step by step: operands enter skewed and move one unit a cycle; returns cycles."""
    total = 0
    for top in range(0, m, rows):
        for left in range(0, n, columns):
            done, cycle = np.zeros((rows, columns), int), 0
            while (done[: min(rows, m - top), : min(columns, n - left)] < k).any():
                for i in range(rows):
                    for j in range(columns):
                        done[i, j] += 0 <= cycle - i - j < k
                cycle += 1
            # The wave passes the whole array, used or not, before the next fold starts.
            total += max(cycle, k + rows + columns - 2)
    return total


@pytest.mark.parametrize("sizes", [(3, 4, 5, 2, 3), (4, 4, 1, 4, 4), (5, 1, 7, 2, 2), (1, 6, 3, 3, 2)])
def test_output_stationary_equals_a_marching_array(sizes):
    assert systolic_cost(*sizes, "os").cycles == marching(*sizes)


def test_arrays_broadcast():
    rows = np.array([4, 8, 16])
    found = systolic_cost(64, 64, 64, rows, rows, "ws")
    assert found.cycles.tolist() == [int(systolic_cost(64, 64, 64, r, r, "ws").cycles) for r in rows]


@pytest.mark.parametrize("dataflow", DATAFLOWS)
def test_traffic_is_least_with_large_buffers_and_never_falls_as_they_shrink(dataflow):
    m, n, k = 96, 80, 64
    large = systolic_traffic(m, n, k, 16, 16, dataflow, 10**6, 10**6, 10**6)
    assert large.words == m * k + n * k + m * n
    last = large.words
    for words in (8192, 2048, 512, 64):
        found = systolic_traffic(m, n, k, 16, 16, dataflow, words, words, words)
        assert found.words >= last
        last = found.words
    assert last > large.words
    assert large.bandwidth_cycles(4.0) == -(-large.words // 4)


def test_wrong_sizes_are_refused():
    with pytest.raises(WorkloadError, match="rows = 0"):
        systolic_cost(4, 4, 4, 0, 4, "os")
    with pytest.raises(UnknownNameError, match="'xs'"):
        systolic_cost(4, 4, 4, 4, 4, "xs")


@pytest.mark.parametrize("dataflow", DATAFLOWS)
def test_counts_beyond_63_bits_are_refused(dataflow):
    for sizes in ((2**32, 2**31, 4), (2**62, 4, 1), (2**70, 1, 1)):
        with pytest.raises(WorkloadError, match=r"2\^63 - 1"):
            systolic_cost(*sizes, 8, 8, dataflow)
        with pytest.raises(WorkloadError, match=r"2\^63 - 1"):
            systolic_traffic(*sizes, 1, 1, dataflow, 64, 64, 64)
