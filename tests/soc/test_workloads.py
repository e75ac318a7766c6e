"""Task graphs: shipped ones, a user's own, several at once, synthetic ones, and clear errors for bad files."""

from __future__ import annotations

import json

import gymnasium as gym
import pytest

from archgym.errors import DesignError, UnknownNameError, WorkloadError
from archgym.registry import make_problem
from archgym.simulators.soc.design import read_design
from archgym.simulators.soc.generators import KINDS, Knobs, generate
from archgym.simulators.soc.library import Library, unrollings
from archgym.simulators.soc.taskgraph import JOIN, SINK, SOURCE, merge, read_graph
from archgym.simulators.soc.workloads import FOLDER, levels
from archgym.simulators.soc.workloads import SOURCE as WORKLOADS
from tests.soc.designs import small_design, small_graph

DOCUMENT = {
    "workload": "mine",
    "tasks": [
        {"name": "camera", "core_cycles": 0},
        {"name": "filter", "core_cycles": 1e6, "iterations": 4, "accelerators": {"IP0": {"cycles": 1e4, "energy_fJ": 10, "area_um2": 1e4}}},
        {"name": "detect", "work": 5e6},
        {"name": "screen", "work": 0},
    ],
    "edges": [["camera", "filter", 4096], ["filter", "detect", 4096], ["detect", "screen", 16]],
    "last_task": "detect",
    "budget": {"latency_s": 0.01, "power_W": 0.1, "area_m2": 1e-5},
}  # fmt: skip


def changed(**changes):
    return json.loads(json.dumps(DOCUMENT)) | changes


def test_the_paper_workloads():
    counts = {"audio_decoder": (18, 15, 300), "hpvm_cava": (9, 7, 252), "edge_detection": (8, 6, 376)}
    for name, (tasks, working, accelerators) in counts.items():
        graph = WORKLOADS.load(name).data
        assert len(graph) == tasks
        assert sum(task.work > 0 for task in graph.tasks) == working
        assert sum(block.task >= 0 for block in Library(graph).blocks) == accelerators
    assert WORKLOADS.load("hpvm_cava").data.tasks[5].work / 2e9 == pytest.approx(81.304, rel=1e-4)


def test_all_shipped_workloads_load_and_describe_themselves():
    features = None
    for name in WORKLOADS.names():
        workload = WORKLOADS.load(name)
        assert workload.name == name
        assert workload.domain == "soc"
        assert workload.facts["tasks"] == len(workload.data)
        assert features is None or set(workload.features) == features
        features = set(workload.features)
        assert set(workload.data.budgets) == {name}
    assert len({WORKLOADS.load(name).fingerprint for name in WORKLOADS.names()}) == len(WORKLOADS.names())


def test_a_file_of_ones_own(tmp_path):
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(DOCUMENT))
    workload = WORKLOADS.load(path)
    graph = workload.data
    assert graph.tasks[1].work == 2e6
    assert [graph.role(n) for n in (0, 3)] == [SOURCE, SINK]
    assert graph.last == {"mine": 2}
    assert workload.fingerprint == WORKLOADS.load(str(path)).fingerprint
    assert "filter_IP0_4_8_pe" in Library(graph).number


def test_farsis_spellings_are_understood():
    graph = read_graph(
        {
            "workload": "w",
            "tasks": [{"name": "a", "gpp_cycles": 10, "ips": {"IP0": {"cycles": 1, "energy_fJ": 1, "area_um2": 1}}},
                      {"name": "b", "gpp_cycles": 5, "ip_cycles": 2, "ip_energy_fJ": 3, "ip_area_um2": 4, "iterations": None}],
            "edges": [["a", "b", 8]],
            "budget": {"latency": 1, "power_w": 2, "area": 3},
        }
    )  # fmt: skip
    assert [task.work for task in graph.tasks] == [20, 10]
    assert graph.tasks[1].accelerators[0].area_um2 == 4
    assert (graph.budgets["w"].latency_s, graph.budgets["w"].power_W, graph.budgets["w"].area_m2) == (1, 2, 3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"edges": [["filter", "detect", 1], ["detect", "filter", 1]]}, "cycle: filter -> detect -> filter"),
        (
            {
                "edges": [
                    ["camera", "filter", 1],
                    ["filter", "detect", 1],
                    ["detect", "screen", 1],
                    ["screen", "camera", 1],
                ],
                "last_task": None,
            },
            "cycle: camera -> filter -> detect -> screen -> camera",
        ),
        ({"edges": [["filter", "detekt", 1]]}, "unknown task 'detekt' (did you mean 'detect'?)"),
        ({"edges": [["filter", "detect", 1], ["filter", "detect", 2]]}, "edge filter -> detect is given twice"),
        ({"edges": [["filter", "detect", -1]]}, "bytes: -1 is not allowed; allowed: a number of at least 0"),
        ({"edges": [["filter", "detect"]]}, "must be [from, to, bytes]"),
        ({"last_task": "detekt"}, "last_task: unknown task"),
        ({"tasks": []}, "'tasks' must be a list of at least one task"),
        ({"tasks": [{"name": "a"}], "edges": []}, "work: None is not allowed"),
        ({"tasks": [{"name": "a", "work": 1}, {"name": "a", "work": 1}], "edges": [], "last_task": "a"}, "repeated: a"),
        ({"tasks": [{"name": "a", "work": 0}], "edges": [], "last_task": "a"}, "no task with work above 0"),
        ({"tasks": [{"name": "a", "work": float("nan")}]}, "work: nan is not allowed"),
        (
            {"tasks": [{"name": "a", "work": 1, "accelerators": {"IP0": {"cycles": 1, "energy_fJ": 1}}}]},
            "area_um2: None",
        ),
        ({"tasks": [{"name": "a", "work": 0, "accelerators": {"IP0": {}}}]}, "without work cannot have accelerators"),
        ({"budget": {"latency_s": 1, "area_m2": 1}}, "power_W is missing"),
        ({"budget": {"latency_s": 0, "power_W": 1, "area_m2": 1}}, "latency_s: 0 is not allowed"),
        ({"workload": None}, "'workload' must be a name"),
        (
            {"tasks": [{"name": "a", "work": 1, "acelerators": {}}]},
            "unknown key 'acelerators' (did you mean 'accelerators'?)",
        ),
        ({"individual_budgets": {}}, "unknown key 'individual_budgets' (did you mean 'individual_budget'?)"),
    ],
)
def test_errors_name_what_is_wrong(changes, message):
    with pytest.raises(WorkloadError) as caught:
        read_graph(changed(**changes))
    assert message in str(caught.value)


def test_notes_are_no_mistakes():
    notes = {"units": "s", "notes": "mine", "mapping": [], "hardware_graph": []}
    assert read_graph(changed(**notes)) == read_graph(DOCUMENT)


def test_a_missing_last_task_is_found_or_asked_for():
    document = changed()
    del document["last_task"]
    assert read_graph(document).last == {"mine": 3}
    document["edges"].pop()
    with pytest.raises(WorkloadError, match="detect, screen"):
        read_graph(document)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(WorkloadError, match="cannot be read"):
        WORKLOADS.load(tmp_path / "nothing.json")
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(WorkloadError, match="cannot be read as JSON"):
        WORKLOADS.load(tmp_path / "bad.json")
    (tmp_path / "list.json").write_text("[]")
    with pytest.raises(WorkloadError, match="JSON object"):
        WORKLOADS.load(tmp_path / "list.json")
    with pytest.raises(UnknownNameError, match="audio_decoder"):
        WORKLOADS.load("audio_decodr")


def test_several_at_once():
    graph = WORKLOADS.load("audio_decoder+edge_detection").data
    assert len(graph) == 18 + 8 - 2  # one source and one sink for both
    assert set(graph.last) == set(graph.budgets) == {"audio_decoder", "edge_detection"}
    assert graph.role(graph.number["dummy_last"]) == JOIN
    with pytest.raises(WorkloadError, match="more than one of them"):
        WORKLOADS.load("audio_decoder+audio_decoder")
    other = read_graph(changed(workload="mine_too"))
    with pytest.raises(WorkloadError, match="'filter' is in more than one"):
        merge([read_graph(DOCUMENT), other])


def test_the_schema_lists_what_the_files_use():
    schema = json.loads((FOLDER.parent / "workload.schema.json").read_text())
    task = schema["properties"]["tasks"]["items"]["properties"]
    accelerator = task["accelerators"]["additionalProperties"]["properties"]
    for path in FOLDER.glob("*.json"):
        document = json.loads(path.read_text())
        assert set(document) <= set(schema["properties"])
        for entry in document["tasks"]:
            assert set(entry) <= set(task)
            for made in entry.get("accelerators", {}).values():
                assert set(made) == set(accelerator)


def test_unrollings():
    assert unrollings(1) == (1,)
    assert unrollings(151) == (1, 2, 4, 8, 16, 32, 64, 128, 151)
    assert unrollings(256) == (1, 2, 4, 8, 16, 32, 64, 128, 256)
    assert unrollings(1638400) == (*(2**n for n in range(16)), 1638400)


@pytest.mark.parametrize("kind", KINDS)
def test_synthetic_graphs_have_the_size_and_are_reproducible(kind):
    for tasks in (1, 2, 3, 7, 16, 100, 333):
        graph = generate(kind, Knobs(tasks=tasks, width=3, seed=tasks))
        assert sum(task.work > 0 for task in graph.tasks) == tasks
        assert graph == generate(kind, Knobs(tasks=tasks, width=3, seed=tasks))
        assert tasks < 3 or graph != generate(kind, Knobs(tasks=tasks, width=3, seed=tasks + 1))
        assert WORKLOADS.load(graph.name).data == graph
        reached = {0 for number in range(len(graph)) if graph.role(number) == SOURCE}
        assert reached == {0}
        assert len(graph.last) == 1


def test_synthetic_shapes():
    def depth(kind, **knobs):
        return max(levels(generate(kind, Knobs(**knobs))))

    assert depth("chain", tasks=50) == 51
    assert depth("fanout", tasks=50) == 4
    assert depth("edge", tasks=10, width=4) == 5
    assert depth("audio", tasks=12, width=3) == 8
    bound = generate("chain", Knobs(tasks=100, memory_bound=0.3, spread=0))
    assert sum(task.work == 100 for task in bound.tasks) == 30
    bare = generate("chain", Knobs(tasks=100, accelerators=0))
    assert not any(task.accelerators for task in bare.tasks)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("synthetic:chian", "did you mean 'chain'?"),
        ("synthetic:chain?taks=3", "did you mean 'tasks'?"),
        ("synthetic:chain?tasks=0", "tasks: 0 is not allowed"),
        ("synthetic:chain?tasks=few", "'few' is not a number"),
        ("synthetic:chain?memory_bound=2", "memory_bound: 2.0 is not allowed"),
        ("synthetic:chain?spread=nan", "not finite"),
    ],
)
def test_synthetic_errors(text, message):
    with pytest.raises((WorkloadError, UnknownNameError)) as caught:
        WORKLOADS.load(text)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d["blocks"].update(p0={"lib": "A35_pe"}), "unknown library block 'A35_pe' (did you mean 'A53_pe'?)"),
        (lambda d: d["edges"].append(["b0", "m1"]), "unknown block 'm1' (did you mean 'm0'?)"),
        (lambda d: d["edges"].append(["b0"]), "must be a pair of blocks"),
        (lambda d: d["task_to_pe"].pop("a"), "does not say where these tasks run: a"),
        (lambda d: d["task_to_pe"].update(c="p0"), "unknown task 'c'"),
        (lambda d: d["data_to_mem"].pop(), "does not say which memory holds b -> sink"),
        (lambda d: d["data_to_mem"].append(["a", "sink", "m0"]), "has no edge a -> sink"),
        (lambda d: d["kernel_order"].pop(), "kernel_order must name each of the 4 tasks once"),
        (lambda d: d.pop("edges"), "'edges' must be a JSON list"),
        (lambda d: d["blocks"].clear(), "'blocks' is empty"),
        (lambda d: d["blocks"].update(p0={"lib": "A53_pe", "peak_work_rate": -1}), "peak_work_rate -1 is not allowed"),
    ],
)
def test_designs_name_what_is_wrong(change, message):
    document = small_design().to_json()
    change(document)
    with pytest.raises(DesignError) as caught:
        read_design(document, small_graph())
    assert message in str(caught.value)


def test_a_design_survives_writing_and_reading():
    design = small_design(pes=("p0", "p1"))
    assert read_design(design.to_json(), design.graph) == design


def test_numbers_of_a_block_take_precedence():
    document = small_design().to_json()
    document["blocks"]["p0"] = {
        "lib": "my_dsp",
        "subtype": "gpp",
        "peak_work_rate": 4e9,
        "work_over_energy": 1e10,
        "work_over_area": 1e6,
    }
    block = read_design(document, small_graph()).blocks[0]
    assert (block.name, block.rate, block.work_per_J, block.work_per_m2) == ("my_dsp", 4e9, 1e10, 1e6)


def test_several_workloads_share_one_soc_in_an_environment():
    """Named in a list or in one text; power and area budgets are summed, each keeps its latency budget."""
    names = ["audio_decoder", "edge_detection"]
    listed, joined = (gym.make("SoCEnv-v0", workload=given).unwrapped.problem for given in (names, "+".join(names)))
    assert listed.workload.fingerprint == joined.workload.fingerprint
    assert dict(zip(listed.objective.metrics, listed.objective.limits, strict=True)) == pytest.approx(
        {
            "latency_audio_decoder_s": 0.021,
            "latency_edge_detection_s": 0.034,
            "power_W": 2 * 0.008737,
            "on_chip_area_m2": 2 * 17.475e-6,
            "dram_area_m2": 2 * 17.475e-6,
        }
    )
    for bad in (3, [], ["audio_decoder", 3]):
        with pytest.raises(WorkloadError, match=r"SoCEnv-v0: workload .* is not allowed"):
            make_problem("SoCEnv-v0", bad)
    with pytest.raises(WorkloadError, match="in more than one"):
        make_problem("SoCEnv-v0", ["audio_decoder", "audio_decoder"])
