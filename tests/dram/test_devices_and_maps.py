"""Devices and address maps from files: what a user may write, what is refused, and addresses beyond the memory."""

from __future__ import annotations

import copy
import json
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archgym.errors import ConfigError, UnknownNameError, WorkloadError
from archgym.metrics import Metrics
from archgym.simulators.dram.address_map import NAMED_MAPS, ROW_SHIFT, WRITE_BIT, load_address_map
from archgym.simulators.dram.device import device_names, load_device
from archgym.simulators.dram.settings import codes
from archgym.simulators.dram.simulator import make_archgym, simulate_settings
from archgym.simulators.dram.traces import Trace
from archgym.simulators.dram.workloads import WORKLOADS, trace_workload

GIB = 1 << 30


def document(name: str) -> dict[str, Any]:
    file = resources.files("archgym.simulators.dram").joinpath("devices", f"{name}.json")
    return json.loads(file.read_text())


def written(folder: Path, content: Any, name: str = "mine.json") -> str:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(path)


def run(device: str, address_map: str, trace: Trace) -> Metrics:
    loaded = load_device(device)
    return simulate_settings(loaded, load_address_map(address_map, loaded), trace, np.array([codes({})]))


# -- devices ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", device_names())
def test_every_shipped_device_states_its_source_and_runs_on_every_named_map(name: str) -> None:
    notes = load_device(name).notes
    assert {"description", "source", "licence"} <= set(notes)
    for address_map in NAMED_MAPS:
        result = run(name, address_map, WORKLOADS.load("random?requests=50").data)
        assert result.feasible.all()
        assert np.isfinite(result["energy_J"][0]) == load_device(name).has_energy


def test_a_users_device_file_is_a_device(tmp_path: Path) -> None:
    """A slower copy of a shipped device takes longer by exactly the cycles added: read latency shows once a read."""
    spec = document("ddr3-1600")
    own = written(tmp_path, spec)
    trace = Trace(np.arange(5) * 10_000, np.zeros(5, np.int64), np.zeros(5, bool))
    shipped = run("ddr3-1600", "rbc", trace)
    assert run(own, "rbc", trace)["total_time_s"] == shipped["total_time_s"]
    spec["memspec"]["memtimingspec"]["RL"] += 3
    slower = run(written(tmp_path, spec, "slower.json"), "rbc", trace)
    assert slower["mean_latency_s"][0] - shipped["mean_latency_s"][0] == pytest.approx(3 * 1.25e-9)


def test_version_5_files_count_in_amperes_and_seconds(tmp_path: Path) -> None:
    """The same part written both ways gives the same time and energy."""
    old = document("ddr3-1600")
    new = copy.deepcopy(old)
    timing, power = new["memspec"]["memtimingspec"], new["memspec"]["mempowerspec"]
    timing["tCK"] = 1e-6 / timing.pop("clkMhz")
    new["memspec"]["mempowerspec"] = {
        key: value / 1e3 if key.startswith("idd") else value for key, value in power.items()
    }
    trace = WORKLOADS.load("random?requests=300").data
    first, second = (
        run(written(tmp_path, spec, name), "rbc", trace) for spec, name in ((old, "4.json"), (new, "5.json"))
    )
    assert first["total_time_s"] == second["total_time_s"]
    np.testing.assert_allclose(first["energy_J"], second["energy_J"], rtol=1e-12)


def test_pseudo_channels_of_a_version_5_file_are_ranks_with_columns_counted_in_bursts(tmp_path: Path) -> None:
    old = document("hbm2")
    new = copy.deepcopy(old)
    shape = new["memspec"]["memarchitecturespec"]
    shape["nbrOfPseudoChannels"] = shape.pop("nbrOfRanks")
    shape["nbrOfColumns"] //= shape["burstLength"]
    new["address_maps"] = old["address_maps"] = {}
    trace = WORKLOADS.load("random?requests=300").data
    first, second = (
        run(written(tmp_path, spec, name), "brc", trace) for spec, name in ((old, "4.json"), (new, "5.json"))
    )
    assert load_device(str(tmp_path / "5.json")).capacity_bytes == load_device("hbm2").capacity_bytes
    assert first["total_time_s"] == second["total_time_s"]


def _without(section: str, key: str) -> dict[str, Any]:
    spec = document("ddr4-2400")
    del spec["memspec"][section][key]
    return spec


def _with(section: str, key: str, value: Any) -> dict[str, Any]:
    spec = document("ddr4-2400")
    spec["memspec"][section][key] = value
    return spec


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "is not JSON"),
        ([], "has no 'memspec'"),
        ({"memspec": {}}, "lacks the section 'memarchitecturespec'"),
        (_without("memtimingspec", "RAS"), "needs the timing 'RAS'"),
        (_without("memtimingspec", "clkMhz"), "neither 'clkMhz' nor 'tCK'"),
        (_with("memtimingspec", "RAS", 2.5), "whole clock cycles"),
        (_with("memtimingspec", "clkMhz", 0), "memory clock"),
        (_with("memarchitecturespec", "nbrOfBanks", 0), "nbrOfBanks = 0"),
        (_with("memarchitecturespec", "nbrOfBankGroups", 3), "not a multiple"),
        (_with("memtimingspec", "REFM", 0), "divides by zero"),
    ],
)
def test_a_device_file_that_lacks_something_says_what(tmp_path: Path, content: Any, words: str) -> None:
    path = written(tmp_path, content)
    with pytest.raises(ConfigError) as refused:
        load_device(path)
    assert words in str(refused.value)
    assert "mine.json" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_an_unknown_standard_or_device_suggests_the_nearest(tmp_path: Path) -> None:
    spec = document("ddr4-2400")
    spec["memspec"]["memoryType"] = "DDR44"
    with pytest.raises(UnknownNameError, match="did you mean 'DDR4'"):
        load_device(written(tmp_path, spec))
    with pytest.raises(UnknownNameError, match="did you mean 'ddr4-2400'"):
        load_device("ddr4-240")


# -- address maps ----------------------------------------------------------------------------------------------------


def test_a_users_map_file_places_addresses_where_its_bits_say(tmp_path: Path) -> None:
    """Bank and lowest row bit by the file, the bank's lowest bit exchanged by XOR with that row bit."""
    congen = {
        "BYTE_BIT": [0, 1, 2],
        "COLUMN_BIT": list(range(3, 13)),
        "ROW_BIT": list(range(13, 27)),
        "BANK_BIT": [27, 28, 29],
        "XOR": [{"FIRST": 27, "SECOND": 13}],
    }
    device = load_device("ddr3-1600")
    mapping = load_address_map(written(tmp_path, {"CONGEN": congen}), device)
    address = np.array([0, 1 << 13, (1 << 27) | (1 << 13), 5 << 27, 7 << 13])
    is_write = np.array([False, True, False, False, False])
    expected = [0, 1 + WRITE_BIT + (1 << ROW_SHIFT), 1 << ROW_SHIFT, 5, 1 + (7 << ROW_SHIFT)]
    assert mapping.locate(address, is_write, device).tolist() == expected


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[", "is not JSON"),
        ([], "expected an object with 'CONGEN'"),
        ({"CONGEN": 3}, "expected an object with BANK_BIT"),
        ({"CONGEN": {"BANK_BIT": "x"}}, "allowed: bit numbers 0 to 62"),
        ({"CONGEN": {"BANK_BIT": [1], "ROW_BIT": [1]}}, "one field only"),
        ({"CONGEN": {"BANK_BIT": [1], "XOR": [{"FIRST": 1}]}}, "pairs {FIRST, SECOND}"),
        ({"CONGEN": {"BANK_BIT": [1], "XOR": 7}}, "pairs {FIRST, SECOND}"),
        ({"CONGEN": {"BANK_BIT": [1, 2]}}, "gives BANK 4 values, device 'ddr3-1600' has 8"),
    ],
)
def test_a_map_file_that_cannot_be_used_says_why(tmp_path: Path, content: Any, words: str) -> None:
    path = written(tmp_path, content)
    with pytest.raises(ConfigError) as refused:
        load_address_map(path, load_device("ddr3-1600"))
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


# -- addresses beyond the memory -------------------------------------------------------------------------------------


def low_and(*beyond: int, low: int = 99) -> Trace:
    """Requests in the first rows of a memory, the last ones at the addresses given."""
    address = np.array([64 * n for n in range(low)] + list(beyond))
    return Trace(np.arange(len(address)), address, np.zeros(len(address), bool))


@pytest.mark.parametrize(
    "trace",
    [
        low_and(GIB, low=0),
        low_and(GIB, low=8),  # more than a tenth
        low_and(1 << 31),  # few, but above any program's stack
        low_and((1 << 62) + 64),
    ],
)
def test_an_address_beyond_the_device_is_refused_unless_wrapping_is_asked_for(trace: Trace) -> None:
    with pytest.raises(WorkloadError, match="beyond the device: 'ddr3-1600'") as refused:
        run("ddr3-1600", "rbc", trace)
    assert f"request {len(trace) - 1} has address {int(trace.address[-1]):#x}" in str(refused.value)
    workload = trace_workload(trace)
    with pytest.raises(WorkloadError, match="wrap_addresses"):
        make_archgym()(np.zeros((1, 10), dtype=np.int64), workload)
    assert make_archgym(wrap_addresses=True)(np.zeros((1, 10), dtype=np.int64), workload).feasible.all()


def test_the_last_byte_of_the_device_is_in_it() -> None:
    assert run("ddr3-1600", "rbc", low_and(GIB - 1, low=0)).feasible.all()


def test_a_programs_stack_above_the_memory_is_folded_onto_it() -> None:
    stack, folded = low_and(0x7FFF8120), low_and(0x7FFF8120 % GIB)
    device = load_device("ddr3-1600")
    mapping = load_address_map("rbc", device)
    assert mapping.beyond(stack.address).sum() == 1
    first, second = (mapping.locate(trace.address, trace.is_write, device) for trace in (stack, folded))
    np.testing.assert_array_equal(first, second)


def test_wrapping_is_part_of_a_problems_identity() -> None:
    assert make_archgym().name != make_archgym(wrap_addresses=True).name
