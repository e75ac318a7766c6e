"""``archgym simulate soc-design``: the forms of its files, its output, and what it says about mistakes."""

from __future__ import annotations

import argparse
import json

import pytest

from archgym.errors import DesignError, UnknownNameError
from archgym.simulators.soc.render import figure, picture, short_names
from archgym.simulators.soc.result import simulate_designs
from archgym.simulators.soc.simulate import add_arguments, run
from archgym.simulators.soc.simulator import make_soc
from archgym.simulators.soc.text import bottleneck, describe
from archgym.simulators.soc.workloads import SOURCE
from tests.soc.designs import generator, random_design, small_design, small_graph
from tests.soc.test_reference import golden


def call(*arguments):
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return run(parser.parse_args(list(map(str, arguments))))


@pytest.fixture
def references():
    return golden("hpvm_cava")[:5]


def write(path, content):
    path.write_text(json.dumps(content))
    return path


def test_one_design(tmp_path, capsys, references):
    path = write(tmp_path / "one.json", references[2])
    assert call(path, "--fidelity", "farsi", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    expected = references[2]["result"]
    assert found["id"] == references[2]["id"]
    assert found["latency_s"] == expected["latency_s"]
    for key, known in (("power_W", "power_w"), ("energy_J", "energy_j"), ("area_m2", "area_m2")):
        assert found[key] == pytest.approx(expected[known], rel=1e-12)
    assert set(found["per_block"]) == set(references[2]["blocks"])
    assert set(found["per_task"]) == set(references[2]["task_to_pe"])
    assert sum(found["energy_by_kind_J"].values()) == pytest.approx(found["energy_J"], rel=1e-12)


def test_many_designs_in_every_form(tmp_path, references):
    """A list, an object with designs, an object of designs by name, several files: all the same results."""
    forms = [references, {"designs": references, "notes": "x"}, {design["id"]: design for design in references}]
    outputs = []
    for number, form in enumerate(forms):
        out = tmp_path / f"out{number}.json"
        assert call(write(tmp_path / f"in{number}.json", form), "--json", "--out", out) == 0
        outputs.append(json.loads(out.read_text()))
    assert outputs[0] == outputs[1] == outputs[2]
    out = tmp_path / "both.json"
    call(tmp_path / "in0.json", tmp_path / "in1.json", "--json", "--out", out)
    assert json.loads(out.read_text()) == outputs[0] * 2


def test_different_workloads_in_one_file(tmp_path, references):
    mixed = [references[0], golden("edge_detection")[0], references[1]]
    out = tmp_path / "out.json"
    call(write(tmp_path / "in.json", mixed), "--fidelity", "farsi", "--json", "--out", out)
    assert [d["latency_s"] for d in json.loads(out.read_text())] == [d["result"]["latency_s"] for d in mixed]


def test_a_workload_of_ones_own(tmp_path):
    """Defined beside the designs, or given by option."""
    graph = {
        "workload": "small",
        "tasks": [{"name": "source", "work": 0}, {"name": "a", "work": 2e6}, {"name": "b", "work": 2e6}, {"name": "sink", "work": 0}],
        "edges": [["source", "a", 10], ["a", "b", 10], ["b", "sink", 10]],
    }  # fmt: skip
    design = small_design().to_json()
    out = tmp_path / "out.json"
    call(write(tmp_path / "in.json", {"workload": graph, "designs": [design]}), "--json", "--out", out)
    assert json.loads(out.read_text())["latency_s"] == pytest.approx(2e-3)
    design["workload"] = "something else"
    call(write(tmp_path / "in.json", design), "--workload", write(tmp_path / "w.json", graph), "--json", "--out", out)
    assert json.loads(out.read_text())["workload"] == "small"


def test_infeasible_designs_are_results(tmp_path, capsys, references):
    broken = dict(references[0], edges=references[0]["edges"][1:])
    path = write(tmp_path / "broken.json", [broken, references[1]])
    assert call(path, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert [design["feasible"] for design in found] == [False, True]
    assert found[0]["latency_s"] is None
    assert found[0]["reason"]
    assert call(path) == 0
    text = capsys.readouterr().out
    assert "infeasible: " in text
    assert "limited by" in text


@pytest.mark.parametrize("content", ["{", "3", "[3]", "{}", '{"designs": []}'])
def test_files_that_hold_no_design(tmp_path, content):
    (tmp_path / "bad.json").write_text(content)
    with pytest.raises(DesignError, match=r"bad\.json|must be a JSON object"):
        call(tmp_path / "bad.json")
    with pytest.raises(DesignError, match="cannot be read"):
        call(tmp_path / "missing.json")


def test_unknown_workload(tmp_path, references):
    with pytest.raises(UnknownNameError, match="did you mean 'hpvm_cava'"):
        call(write(tmp_path / "in.json", dict(references[0], workload="hpvm_cav")))
    with pytest.raises(DesignError, match="'workload' must name a workload"):
        call(write(tmp_path / "in.json", {k: v for k, v in references[0].items() if k != "workload"}))


def test_pictures(tmp_path, references):
    pytest.importorskip("matplotlib")
    call(write(tmp_path / "in.json", references), "--picture", tmp_path / "soc.png")
    assert (tmp_path / "soc.png").read_bytes()[:4] == b"\x89PNG"
    work = SOURCE.load("audio_decoder")
    simulator = make_soc(work)
    image = simulator.picture(simulator.space.sample(generator(0), 1)[0])
    assert image.ndim == 3
    assert image.shape[2] == 3
    assert image.std() > 10
    graph = SOURCE.load("audio_decoder+hpvm_cava").data
    (result,) = simulate_designs([random_design(graph, generator(1))])
    names = {text.get_text() for axes in figure(result).axes for text in axes.texts}
    assert any(name.startswith("b0: ") for name in names)
    assert any("latency hpvm cava" in name for name in names)


def test_text():
    """Every block and working task is named; the chart has the schedule's proportions; bars say which budget is met."""
    graph = small_graph()
    design = small_design(graph, b="A53_pe", pes=("p0", "p1"))  # a from 0 to 1 ms, b from 1 to 2 ms
    (result,) = simulate_designs([design])
    text = describe(result, {"latency_s": 4e-3, "power_W": 1e-9})
    assert all(f" {name}" in text for name in design.names)
    assert text.splitlines()[0] == f"SoC (bottleneck, marked *: {bottleneck(result)})"
    lanes = [line.split("│")[1] for line in text.splitlines() if line.startswith(("  p0 │", "  p1 │"))]
    assert [lane.count("█") for lane in lanes] == [len(lanes[0]) // 2] * 2
    assert all((a == " ") != (b == " ") for a, b in zip(*lanes, strict=True))
    latency, power = text.splitlines()[-2:]
    assert latency.endswith("2 of 4 ms, met")
    assert latency.split("│")[0].count("■") == len(latency.split("│")[0].split("latency ")[1]) // 2
    assert power.endswith("mW, over")
    assert "▶" in power
    broken = type(design)(graph, design.names, design.blocks, design.links[1:], design.pe, design.memory, design.order)
    assert describe(simulate_designs([broken])[0], {}).startswith("infeasible: ")


def test_environments_draw_the_soc_where_there_is_one():
    pytest.importorskip("matplotlib")
    from archgym.envs.design import DesignEnv
    from archgym.problem import Problem
    from archgym.simulators.soc import OBJECTIVES
    from archgym.simulators.soc.simulator import make_limited

    work = SOURCE.load("edge_detection")
    simulator = make_limited(work)
    problem = Problem("SoCLimitedEnv-v0", simulator, work, "budgets", OBJECTIVES["budgets"])
    env = DesignEnv(problem, render_mode="rgb_array")
    env.reset(seed=0)
    env.step(simulator.space.default)
    assert (env.render() == simulator.picture(simulator.space.default)).all()
    infeasible = simulator.space.encode({"bus_to_bus_0": 0})[0]
    assert not env.step(infeasible)[4]["feasible"]
    assert env.render().ndim == 3
    env = DesignEnv(problem, render_mode="ansi")
    env.reset(seed=0)
    env.step(simulator.space.default)
    assert env.render().rstrip().endswith(simulator.describe(simulator.space.default))


def test_an_infeasible_design_is_not_drawn():
    pytest.importorskip("matplotlib")
    design = small_design()
    (result,) = simulate_designs(
        [
            type(design)(
                design.graph, design.names, design.blocks, design.links[1:], design.pe, design.memory, design.order
            )
        ]
    )
    with pytest.raises(DesignError, match="infeasible"):
        picture(result)


def test_short_names():
    assert short_names(["a_fxp_cloned", "b_fxp_cloned", "c_fxp_cloned"])["a_fxp_cloned"] == "a"
    assert short_names(["gauss", "max_leaf"]) == {"gauss": "gauss", "max_leaf": "max_leaf"}
    assert short_names(["one_task"]) == {"one_task": "one_task"}
