"""``simulate dnn-mapping``: results as JSON and text, and every kind of bad input refused in one line."""

from __future__ import annotations

import argparse
import copy
import gzip
import json
from pathlib import Path

import pytest

from archgym.errors import ArchGymError, ConfigError, DesignError, UnknownNameError, WorkloadError
from archgym.simulators.dnn.layer import Layer, convolution, gemm, matmul
from archgym.simulators.dnn.simulate import add_arguments, parse_case, run

GOLDEN = Path(__file__).parents[1] / "golden" / "dnn"
CASES = {c["id"]: c for c in json.loads(gzip.decompress((GOLDEN / "timeloop_cases.json.gz").read_bytes()))["cases"]}


def simulate(tmp_path, *cases, options=("--json",)):
    paths = []
    for number, case in enumerate(cases):
        paths.append(tmp_path / f"case{number}.json")
        paths[-1].write_text(case if isinstance(case, str) else json.dumps(case))
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    out = tmp_path / "out.json"
    assert run(parser.parse_args([*map(str, paths), *options, "--out", str(out)])) == 0
    return out.read_text()


def changed(**changes):
    case = copy.deepcopy(CASES[35])
    for path, value in changes.items():
        where = case
        *keys, last = path.split("__")
        for key in keys:
            where = where[int(key) if key.isdigit() else key]
        where[int(last) if last.isdigit() else last] = value
    return case


def test_one_case_is_an_object_and_several_are_a_list(tmp_path):
    one = json.loads(simulate(tmp_path, CASES[201]))
    assert one["cycles"] == CASES[201]["result"]["cycles"]
    glb = next(level for level in one["levels"] if level["name"] == "GLB")
    assert glb["tensors"]["Outputs"]["fills_per_instance"] == 454272
    assert set(glb["tensors"]) == {"Inputs", "Outputs"}
    both = json.loads(simulate(tmp_path, CASES[201], CASES[1]))
    assert [result["cycles"] for result in both] == [CASES[i]["result"]["cycles"] for i in (201, 1)]


def test_text_shows_nest_and_totals(tmp_path):
    text = simulate(tmp_path, CASES[201], options=())
    assert "parallel-for (x) Q in 0..12:" in text
    assert "cycles 969384" in text


def test_tile_beyond_capacity_is_infeasible_with_level_and_bytes(tmp_path):
    result = json.loads(simulate(tmp_path, changed(arch__storage__0__entries=8)))
    assert result["feasible"] is False
    assert result["cycles"] is None
    assert result["reason"].startswith("RF: tile of ")
    assert "(16 bytes)" in result["reason"]
    half = json.loads(simulate(tmp_path, changed(arch__storage__1__multiple_buffering=2e9)))
    assert half["reason"].startswith("GLB: tile of ")


def test_more_instances_than_the_mesh_has_are_infeasible(tmp_path):
    case = copy.deepcopy(CASES[35])
    case["arch"]["arithmetic"].update(instances=1, meshX=1)
    case["arch"]["storage"][0].update(instances=1, meshX=1)
    assert "instances needed" in json.loads(simulate(tmp_path, case))["reason"]


BAD = {
    "factors": (changed(levels_inner_to_outer__0__temporal__K=5), DesignError, "factors of K multiply to"),
    "bound": (changed(layer__K=0), WorkloadError, "K = 0"),
    "negative bound": (changed(layer__C=-3), WorkloadError, "C = -3"),
    "fractional bound": (changed(layer__C=2.5), WorkloadError, "C = 2.5"),
    "zero stride": (changed(layer__Wstride=0), WorkloadError, "Wstride"),
    "zero factor": (changed(levels_inner_to_outer__0__temporal__K=0), DesignError, "K = 0"),
    "dimension": (changed(levels_inner_to_outer__0__temporal__Z=1), UnknownNameError, "'Z'"),
    "layer dimension": (changed(layer__Kk=3), UnknownNameError, "'Kk'"),
    "permutation": (changed(levels_inner_to_outer__0__permutation_inner_to_outer=["R", "X"]), UnknownNameError, "'X'"),
    "permutation twice": (changed(levels_inner_to_outer__0__permutation_inner_to_outer=["R", "R"]), DesignError, "twice"),
    "tensor": (changed(levels_inner_to_outer__0__keep=["Weight"]), UnknownNameError, "did you mean 'Weights'"),
    "kept and bypassed": (changed(levels_inner_to_outer__0__bypass=["Inputs"], levels_inner_to_outer__0__keep=["Inputs"]),
                          DesignError, "both kept and bypassed"),
    "level": (changed(levels_inner_to_outer__0__name="RFF"), UnknownNameError, "'RFF'"),
    "no levels": (changed(levels_inner_to_outer=[]), DesignError, "lacks level"),
    "mesh": (changed(arch__arithmetic__meshX=15), ConfigError, "instances"),
    "negative bandwidth": (changed(arch__storage__0__read_bandwidth=-1), ConfigError, "read_bandwidth"),
    "neither kept nor bypassed": (changed(levels_inner_to_outer__0__bypass=[], levels_inner_to_outer__0__keep=["Inputs"]),
                                  DesignError, "Outputs is neither kept nor bypassed"),
    "tensors as a number": (changed(levels_inner_to_outer__0__keep=3), DesignError, "keep must be a list"),
    "permutation as a number": (changed(levels_inner_to_outer__0__permutation_inner_to_outer=5), DesignError, "must be a list"),
    "spatial as a list": (changed(levels_inner_to_outer__0__spatial_children=[1]), DesignError, "spatial_children must be"),
    "level as a text": (changed(arch__storage__0="RF"), ConfigError, "got 'RF'"),
    "words beyond counting": (changed(arch__storage__0__entries=2**70), ConfigError, "more than 2^60 words"),
    "kilobytes beyond counting": (changed(arch__storage__1__sizeKB=1e300), ConfigError, "more than 2^60 words"),
    "instances beyond counting": (changed(arch__arithmetic={"instances": 2**40}), ConfigError, "1099511627776 instances"),
    "energy beyond counting": (changed(arch__storage__0__vector_access_energy=1e300), ConfigError, "from 0 to 1e+18"),
    "technology": (changed(arch__storage__0__technology="ReRAM"), UnknownNameError, "'ReRAM'"),
    "process": (changed(arch__technology_nm="45nm"), ConfigError, "technology_nm = '45nm'"),
    "fewer than one buffer": (changed(arch__storage__0__multiple_buffering=0.5), ConfigError, "at least 1"),
    "more than all of a memory": (changed(arch__storage__0__min_utilization=2), ConfigError, "0..1"),
    "level key": (changed(arch__storage__0__entrys=4), UnknownNameError, "did you mean 'entries'"),
    "not JSON": ("{", WorkloadError, "cannot be read"),
    "not an object": ("[]", WorkloadError, "object"),
    "no layer": ({"arch": {}}, WorkloadError, "'layer' is missing"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD)
def test_bad_input_is_refused_in_one_line(kind, tmp_path):
    case, error, part = BAD[kind]
    with pytest.raises(error) as caught:
        simulate(tmp_path, case)
    assert part in str(caught.value)
    assert "case0.json" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_counts_beyond_63_bits_are_refused(tmp_path):
    large = {"R": 1, "P": 2**31, "Q": 2**31, "C": 4}
    with pytest.raises(WorkloadError, match=r"2\^63 - 1"):
        Layer.from_json(large)
    # A count can pass 2^63 although the multiply-accumulates do not: a stride that leaves huge holes in the input.
    case = copy.deepcopy(CASES[1])
    case["layer"].update(Wstride=2**40, Hstride=2**40)
    with pytest.raises(ArchGymError, match=r"2\^63 - 1"):
        simulate(tmp_path, case)
    case["layer"] = {"P": 8, "Q": 8, "K": 2**30, "Wstride": 2**20, "Hstride": 2**20}
    for level, loops in zip(case["levels_inner_to_outer"], ({"P": 4, "Q": 8}, {"P": 2, "K": 2**30}, {}), strict=True):
        level["temporal"], level["permutation_inner_to_outer"] = loops, list(loops)
    for level in case["arch"]["storage"]:
        level.pop("entries", level.pop("sizeKB", None))
    with pytest.raises(ArchGymError, match=r"GLB: a count of this mapping passes 2\^63 - 1"):
        simulate(tmp_path, case)
    slow = changed(arch__storage__0__read_bandwidth=1e-15)
    with pytest.raises(ArchGymError, match=r"RF: a count of this mapping passes 2\^63 - 1"):
        simulate(tmp_path, slow)


def test_tiles_that_add_up_beyond_63_bits_do_not_fit(tmp_path):
    case = changed(layer={"C": 2**31, "K": 2**31})
    for level, loops in zip(case["levels_inner_to_outer"], ({"C": 2**31, "K": 2**31}, {}, {}), strict=True):
        level["temporal"], level["permutation_inner_to_outer"] = loops, list(loops)
        level.pop("spatial_children", None)
    result = json.loads(simulate(tmp_path, case))
    assert result["reason"].startswith("RF: tile of 4611686018427387903 words")


def test_every_value_of_the_reference_has_its_name(tmp_path):
    found = {level["name"]: level for level in json.loads(simulate(tmp_path, CASES[201]))["levels"]}
    for level in CASES[201]["result"]["levels"][1:]:
        for tensor, row in level["tensors"].items():
            mine = found[level["name"]]["tensors"][tensor]
            assert {key: mine[key] for key in row} == pytest.approx(row, abs=0.00501)
            again = mine["reads_per_instance"] if tensor == "Outputs" else 0
            assert mine["temporal_reductions_per_instance"] == again
    assert found["GLB"]["bandwidth_throttling"] == 958464 / 969384


def test_layers_of_every_kind():
    assert gemm(4, 5, 6).macs == 120
    assert gemm(4, 5, 6).tensor_words() == {"Weights": 30, "Inputs": 24, "Outputs": 20}
    assert matmul(4, 5, 6, batch=3).tensor_words() == {"Weights": 90, "Inputs": 72, "Outputs": 60}
    assert Layer.from_json({"matmul": {"M": 4, "N": 5, "K": 6, "batch": 3}}) == matmul(4, 5, 6, 3)
    grouped = convolution((27, 27), 256, 96, (5, 5), groups=2)
    assert (grouped.bound("C"), grouped.bound("K"), grouped.bound("G")) == (48, 128, 2)
    assert grouped.macs == 27 * 27 * 25 * 48 * 256
    with pytest.raises(WorkloadError, match="groups = 3"):
        convolution((2, 2), 4, 6, groups=3)
    with pytest.raises(UnknownNameError):
        Layer.from_json({"gemm": {"M": 1, "N": 1, "L": 2}})


def test_reference_names_are_understood():
    architecture, layer, mapping = parse_case(CASES[74])
    assert [level.name for level in architecture.levels] == ["WReg", "AccuBuf", "WBuf", "IBuf", "GLB", "DRAM"]
    assert architecture.fanout(1) == (1, 4)
    assert layer.name == "alexnet_conv3"
    assert mapping.blocks[1].y == (("K", 4),)
