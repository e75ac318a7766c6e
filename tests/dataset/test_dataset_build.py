"""A dataset holds exactly the rows of its logs, and refuses logs and datasets that do not go together."""

import csv
import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from archgym import make_problem
from archgym.dataset import Filter, build_dataset, export_dataset, merge_datasets, open_dataset, verify_dataset
from archgym.dataset.coverage import UniqueCounter, design_hash
from archgym.dataset.manifest import space_differences
from archgym.dataset.schema import column_names
from archgym.errors import ArchGymError, ConfigError, DatasetError, RunFileError, UnknownNameError
from archgym.metrics import Metric
from archgym.proxy.samples import gather
from archgym.rollout import run_search
from archgym.runlog import read_run
from archgym.space import Space, choice, grid
from tests.dataset.toy import SPACE, ToySimulator, register_toy

register_toy()


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    """Six runs of 50 evaluations: three workloads, two seeds."""
    directory = tmp_path_factory.mktemp("logs")
    for workload in ("stream", "mixed", "random"):
        for seed in (0, 1):
            run_search(
                make_problem("ToyMemoryEnv-v0", workload), "random", 50, seed, {"batch_size": 7}, directory=directory
            )
    return directory


@pytest.fixture(scope="module")
def data(logs, tmp_path_factory):
    return build_dataset([logs], tmp_path_factory.mktemp("data") / "toy", licence="Apache-2.0")


def test_every_logged_row_is_there_with_all_its_values(logs, data):
    rows = data.read()
    assert len(rows) == len(data) == 300
    for number, path in enumerate(sorted(logs.glob("*.jsonl"))):
        run, mine = read_run(path), rows.take(rows.run == number)
        assert np.array_equal(mine.designs, run.designs)
        assert np.array_equal(mine.reward, run.reward)
        assert np.array_equal(mine.step, np.arange(50))
        assert mine.metrics.reasons == run.metrics.reasons
        for name, values in run.metrics.columns.items():
            assert np.array_equal(mine.metrics[name], values, equal_nan=True)
        agent, seed = data.manifest.agents[data.manifest.runs[number][1]], data.manifest.runs[number][2]
        assert agent == {"agent": "random", "hyperparameters": {"batch_size": 7}}
        assert seed == run.header["spec"]["seed"]


def test_value_columns_hold_the_values_of_the_levels(data):
    import pyarrow.parquet as pq

    table = pq.read_table(data.directory / "data" / "part-00000.parquet")
    rows = data.read()
    for name, values in SPACE.values(rows.designs).items():
        assert table.column(name).to_pylist() == values
    assert table.schema.field("energy_J").metadata[b"unit"] == b"J"
    infeasible = ~rows.metrics.feasible
    assert infeasible.any()
    assert table.column("energy_J").null_count == infeasible.sum()


def test_the_same_logs_give_the_same_bytes(logs, data, tmp_path):
    again = build_dataset([logs], tmp_path / "toy", licence="Apache-2.0")
    for name in ("manifest.json", "README.md", "croissant.json", "data/part-00000.parquet"):
        assert (again.directory / name).read_bytes() == (data.directory / name).read_bytes()


def test_the_content_digest_does_not_depend_on_how_rows_are_cut_into_parts(logs, data, tmp_path, monkeypatch):
    monkeypatch.setattr("archgym.dataset.store.ROW_GROUP", 64)
    cut = build_dataset([logs], tmp_path / "toy", rows_per_part=100)
    assert len(cut.manifest.parts) > 1
    assert cut.manifest.content == data.manifest.content
    assert np.array_equal(cut.read().designs, data.read().designs)


def test_filters_choose_runs_and_their_beginnings(logs, tmp_path):
    made = build_dataset([logs], tmp_path / "part", Filter(workloads=("mixed",), seeds=(1,), steps=20))
    assert len(made) == 20
    assert made.manifest.workloads[0]["name"] == "mixed"
    with pytest.raises(UnknownNameError, match="did you mean 'mixed'"):
        build_dataset([logs], tmp_path / "none", Filter(workloads=("mixd",)))
    with pytest.raises(DatasetError, match="6 complete runs do not pass"):
        build_dataset([logs], tmp_path / "none", Filter(budget=51))
    assert not (tmp_path / "none").exists()
    assert not list(tmp_path.glob("*.partial"))


def test_a_run_found_twice_is_taken_once(logs, tmp_path):
    assert len(build_dataset([logs, logs, *logs.glob("*.jsonl")], tmp_path / "once")) == 300


def test_a_damaged_log_is_refused(logs, tmp_path):
    broken = tmp_path / "logs"
    broken.mkdir()
    source = next(logs.glob("*.jsonl"))
    (broken / source.name).write_bytes(source.read_bytes()[:-200])
    with pytest.raises(RunFileError, match="intact evaluations"):
        build_dataset([broken], tmp_path / "data")
    assert not (tmp_path / "data").exists()
    with pytest.raises(ConfigError, match="no such file"):
        build_dataset([tmp_path / "nowhere"], tmp_path / "data")


def test_logs_of_another_simulator_version_are_refused_by_name(logs, tmp_path):
    newer = make_problem("ToyMemoryEnv-v0", simulator=ToySimulator(version=2))
    run_search(newer, "random", 5, 9, directory=tmp_path / "new")
    with pytest.raises(DatasetError, match="simulator version 1 against 2"):
        build_dataset([logs, tmp_path / "new"], tmp_path / "both")
    first = build_dataset([logs], tmp_path / "one")
    second = build_dataset([tmp_path / "new"], tmp_path / "two")
    with pytest.raises(DatasetError, match=r"one and .*two cannot be put together: simulator version 1 against 2"):
        merge_datasets([first.directory, second.directory], tmp_path / "both")
    assert not (tmp_path / "both").exists()


def test_datasets_of_another_space_are_refused_with_the_parameter_named(data, tmp_path):
    narrower = Space("toy", (choice("page_policy", "open", "closed"), *SPACE.parameters[1:]))
    manifest = replace(data.manifest, space=narrower.to_json())
    other = tmp_path / "other"
    import shutil

    shutil.copytree(data.directory, other)
    manifest.save(other)
    with pytest.raises(DatasetError, match=r"parameter 'page_policy': levels \[open, adaptive, closed\] \(3\) against"):
        merge_datasets([data.directory, other], tmp_path / "both")


def test_merging_keeps_every_row_and_refuses_a_run_twice(logs, data, tmp_path):
    parts = [
        build_dataset([logs], tmp_path / str(seed), Filter(seeds=(seed,)), licence="Apache-2.0") for seed in (0, 1)
    ]
    whole = merge_datasets([part.directory for part in parts], tmp_path / "whole")
    rows, expected = whole.read(), data.read()
    assert len(rows) == 300
    assert {tuple(row) for row in rows.designs} == {tuple(row) for row in expected.designs}
    assert {run[6] for run in whole.manifest.runs} == {run[6] for run in data.manifest.runs}
    assert verify_dataset(whole, None).passed
    with pytest.raises(DatasetError, match="is in both"):
        merge_datasets([parts[0].directory, whole.directory], tmp_path / "twice")


def test_spaces_without_a_common_parameter_are_told_apart_in_few_words():
    few, other = (Space("s", tuple(grid(f"{name}{i}", 0, 3) for i in range(40))) for name in "ab")
    (told,) = space_differences(few, other)
    assert told.startswith("no parameter in common ([a0, a1, ")
    assert len(told) < 200


def test_truncated_and_damaged_parquet_is_refused(data, tmp_path):
    import shutil

    for number, damage in enumerate(("cut", "flip", "gone")):
        copy = tmp_path / str(number)
        shutil.copytree(data.directory, copy)
        part = copy / "data" / "part-00000.parquet"
        content = bytearray(part.read_bytes())
        if damage == "cut":
            part.write_bytes(content[: len(content) // 2])
            with pytest.raises(DatasetError, match=r"truncated or changed, it has .* bytes and the manifest says"):
                open_dataset(copy)
        elif damage == "flip":
            content[len(content) // 3] ^= 0xFF
            part.write_bytes(content)
            damaged = open_dataset(copy)
            for use in (
                partial(verify_dataset, damaged),
                partial(gather, damaged, ("energy_J",), 100),
                partial(export_dataset, damaged, "csv", tmp_path / "damaged.csv"),
                partial(merge_datasets, [copy], tmp_path / "damaged"),
            ):
                with pytest.raises(DatasetError, match="checksum"):
                    use()
            assert not list(tmp_path.glob("damaged*"))
        else:
            part.unlink()
            with pytest.raises(DatasetError, match="missing, but the manifest counts 300 rows"):
                open_dataset(copy)
    with pytest.raises(DatasetError, match="not a dataset"):
        open_dataset(tmp_path)


def test_verification_finds_a_changed_value(data, logs, tmp_path):
    assert verify_dataset(data, 100).checked == 100
    assert verify_dataset(data, None).passed

    class Wrong(ToySimulator):
        def __call__(self, designs, workload):
            found = super().__call__(designs, workload)
            columns = dict(found.columns)
            columns["energy_J"] = columns["energy_J"] * (1 + 2**-50)
            return replace(found, columns=columns)

    run_search(make_problem("ToyMemoryEnv-v0", simulator=Wrong()), "random", 30, 3, directory=tmp_path / "logs")
    found = verify_dataset(build_dataset([tmp_path / "logs"], tmp_path / "wrong"), None)
    assert not found.passed
    assert found.mismatches >= 25
    assert "energy_J is" in found.examples[0]


def test_card_and_croissant_say_what_is_in_the_data(data):
    card = (data.directory / "README.md").read_text()
    assert "300 evaluations" in card
    assert "`toy-memory` version 1" in card
    assert "Apache-2.0" in card
    croissant = json.loads((data.directory / "croissant.json").read_text())
    assert croissant["distribution"][0]["sha256"] == data.manifest.parts[0]["sha256"]
    fields = {field["name"]: field["dataType"] for field in croissant["recordSet"][0]["field"]}
    assert fields["energy_J"] == "sc:Float"
    assert fields["page_policy"] == "sc:Text"
    assert fields["in_flight"] == "sc:Integer"


def test_measures_are_what_counting_gives(data):
    rows, measures = data.read(), data.manifest.measures
    unique = {tuple(row) for row in rows.designs.tolist()}
    assert measures["unique_designs"] == len(unique)
    assert measures["feasible_share"] == rows.metrics.feasible.mean()
    pairs = {(i, a, j, b) for row in unique for i, a in enumerate(row) for j, b in enumerate(row) if i < j}
    sizes = SPACE.sizes.tolist()
    possible = sum(x * y for i, x in enumerate(sizes) for y in sizes[:i])
    assert measures["pair_coverage"] == pytest.approx(len(pairs) / possible)
    differ = np.mean([(rows.designs[i] != rows.designs[j]).mean() for i in range(0, 300, 3) for j in range(300)])
    assert measures["distance"] == pytest.approx(differ, abs=0.02)
    assert measures["agents"]["random"]["best_reward"] == rows.reward.max()


def test_unique_counting_merges_what_it_has_seen():
    counter, rng = UniqueCounter(), np.random.default_rng(0)
    designs = rng.integers(0, 50, size=(4000, 3))
    for block in np.split(designs, 8):
        counter.add(design_hash(block))
    assert len(counter) == len(np.unique(designs, axis=0))


def test_columns_that_would_share_a_name_are_refused():
    space = Space("s", (grid("step", 0, 3), grid("a", 0, 3)))
    with pytest.raises(DatasetError, match="'step' would be there twice"):
        column_names(space, [Metric("time_s", "s")])


def test_csv_and_npz_hold_the_same_numbers(data, tmp_path):
    rows = data.read()
    (path,) = export_dataset(data, "csv", tmp_path / "toy.csv")
    with path.open(newline="") as file:
        table = list(csv.DictReader(file))
    assert [float(row["reward"]) for row in table] == rows.reward.tolist()
    assert [row["feasible"] == "true" for row in table] == rows.metrics.feasible.tolist()
    assert [row["energy_J"] == "" for row in table] == (~rows.metrics.feasible).tolist()
    assert SPACE.encode([{name: row[name] for name in SPACE.names} for row in table]).tolist() == rows.designs.tolist()
    (path,) = export_dataset(data, "npz", tmp_path / "toy.npz")
    with np.load(path, allow_pickle=False) as arrays:
        assert np.array_equal(arrays["designs"], rows.designs)
        assert np.array_equal(arrays["metric.energy_J"], rows.metrics["energy_J"], equal_nan=True)
        assert json.loads(arrays["manifest"].tobytes())["content"] == data.manifest.content
    with pytest.raises(ConfigError, match="exists already"):
        export_dataset(data, "npz", tmp_path / "toy.npz")
    with pytest.raises(UnknownNameError):
        export_dataset(data, "hdf", tmp_path / "x")


def test_the_hugging_face_layout_is_one_split_of_parquet_files_and_a_card(data, tmp_path):
    import pyarrow.parquet as pq

    export_dataset(data, "huggingface", tmp_path / "hf")
    assert pq.read_table(tmp_path / "hf" / "data" / "train-00000-of-00001.parquet").num_rows == 300
    head = (tmp_path / "hf" / "README.md").read_text().split("---")[1]
    assert "license: apache-2.0" in head
    assert "path: data/train-*" in head
    assert 'name: "energy_J"\n    dtype: float64' in head


def test_errors_are_all_of_the_packages_kind():
    assert issubclass(DatasetError, ArchGymError)
