"""A proxy is a simulator: it obeys the laws, stands in for its own, and refuses what it did not learn."""

import dataclasses
import itertools
import json
import pickle
import shutil

import gymnasium
import numpy as np
import pytest

from archgym import make_problem
from archgym.errors import ConfigError, DatasetError, ModelFileError, UnknownNameError, WorkloadError
from archgym.proxy import load_proxy, save_proxy, train_proxy
from archgym.proxy.samples import folds_of, gather, held_out
from archgym.rollout import run_search
from archgym.testing import check_simulator
from tests.dataset.toy import FAMILY, SPACE, ToySimulator, ToyWorkloads
from tests.proxy.conftest import CANDIDATES, TARGETS

MIXED = ToyWorkloads().load("mixed")


@pytest.mark.parametrize("kind", list(CANDIDATES))
def test_a_proxy_obeys_the_laws_of_simulators(make, kind):
    check_simulator(make(kind), MIXED, count=40, other_process=kind == "stacked")


@pytest.mark.parametrize(
    ("kind", "most"), [("ridge", 0.03), ("boosting", 0.2), ("stacked", 0.08), ("gaussian", 0.01), ("forest", 0.25)]
)
def test_it_learns_what_the_simulator_says(make, kind, most):
    designs = SPACE.enumerate()[::3]
    true, found = ToySimulator()(designs, MIXED), make(kind)(designs, MIXED)
    assert np.mean(true.feasible == found.feasible) > 0.99
    ok = true.feasible & found.feasible & held_out(designs)
    for name in TARGETS:
        error = np.sqrt(np.mean((found[name][ok] - true[name][ok]) ** 2)) / true[name][ok].mean()
        assert error < most


def test_infeasible_rows_have_no_metrics_but_a_reason(make):
    designs = SPACE.sample(np.random.default_rng(0), 400)
    designs[:, 1], designs[:, 2], designs[:, 3] = 6, 1, 0
    found = make("stacked")(designs, MIXED)
    assert not found.feasible.any()
    assert np.isnan(found["energy_J"]).all()
    assert found.reasons[0] == "the proxy predicts that this design is infeasible"


def test_it_stands_in_for_the_simulator_in_environments_and_searches(make, tmp_path):
    proxy = make("stacked")
    from archgym.envs.registration import register_family

    register_family(FAMILY)
    env = gymnasium.make("ToyMemoryEnv-v0", simulator=proxy, workload="mixed", objective="joint", horizon=5)
    env.reset(seed=0)
    _, reward, *_, info = env.step(SPACE.default)
    assert info["metrics"]["energy_J"] == proxy(SPACE.default[None], MIXED)["energy_J"][0]
    problem = make_problem("ToyMemoryEnv-v0", "mixed", "joint", simulator=proxy)
    run = run_search(problem, "random", 60, 1, directory=tmp_path)
    assert run.header["spec"]["identity"]["simulator"] == proxy.name
    true = make_problem("ToyMemoryEnv-v0", "mixed", "joint").evaluate(run.designs).reward
    assert np.corrcoef(true, run.reward)[0, 1] > 0.99
    assert reward == pytest.approx(0.5)


def test_saving_and_loading_keeps_every_bit(make, tmp_path, rng):
    designs = SPACE.sample(rng, 500)
    for kind in CANDIDATES:
        proxy = make(kind)
        loaded = load_proxy(save_proxy(proxy, tmp_path / kind))
        assert loaded.name == proxy.name
        for a, b in ((proxy, loaded), (proxy, pickle.loads(pickle.dumps(proxy)))):
            first, second = a(designs, MIXED), b(designs, MIXED)
            for name in TARGETS:
                assert np.array_equal(first[name], second[name], equal_nan=True)
                assert np.array_equal(first.extras[f"deviation.{name}"], second.extras[f"deviation.{name}"])
        assert json.loads((tmp_path / kind / "proxy.json").read_text())["data"]["simulator"]["name"] == "toy-memory"
    with pytest.raises(ConfigError, match="exists already"):
        save_proxy(proxy, tmp_path / kind)


@pytest.mark.parametrize("kind", ["boosting", "gaussian"])
def test_other_spaces_and_workloads_are_refused(make, kind):
    proxy = make("ridge")
    narrow = dataclasses.replace(proxy, space=SPACE.only(SPACE.names[:-1]))
    with pytest.raises(ConfigError, match="has space"):
        make_problem("ToyMemoryEnv-v0", simulator=narrow)
    other = dataclasses.replace(MIXED, name="mine", fingerprint="0" * 64)
    with pytest.raises(
        WorkloadError, match="was trained on mixed, random, stream and cannot answer for workload 'mine'"
    ):
        proxy(SPACE.default[None], other)
    general = make(kind, general=True)
    assert np.isfinite(general(SPACE.default[None], other)["energy_J"][0])
    with pytest.raises(WorkloadError, match="lacks the features locality"):
        general(SPACE.default[None], dataclasses.replace(other, fingerprint="1" * 64, features={}))
    with pytest.raises(WorkloadError):
        general(SPACE.default[None], dataclasses.replace(other, fingerprint="2" * 64, domain="soc"))


def test_designs_far_from_the_data_are_marked(data):
    samples = gather(data, TARGETS, 10_000)
    only_open = samples.take(samples.designs[:, 0] == 0)
    from archgym.proxy.train import train_on

    proxy = train_on(only_open, data.manifest, TARGETS, choices=dict.fromkeys(TARGETS, CANDIDATES["ridge"]))
    designs = SPACE.sample(np.random.default_rng(0), 300)
    far = proxy(designs, MIXED).extras["is_far"]
    assert far[designs[:, 0] != 0].all()
    pairs = list(itertools.combinations(range(len(SPACE)), 2))
    met = {(a, b, row[a], row[b]) for row in only_open.designs.tolist() for a, b in pairs}
    assert far.tolist() == [any((a, b, row[a], row[b]) not in met for a, b in pairs) for row in designs.tolist()]


class Evil:
    """Unpickling it would write a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_files_that_hold_code_or_damage_are_refused(make, tmp_path):
    good, trap = save_proxy(make("boosting"), tmp_path / "good"), tmp_path / "trap"

    def copy(name):
        shutil.copytree(good, tmp_path / name)
        return tmp_path / name

    (tmp_path / "model.pkl").write_bytes(pickle.dumps(Evil(trap)))
    with pytest.raises(ModelFileError, match="never loaded, as they can run code"):
        load_proxy(tmp_path / "model.pkl")
    objects = copy("objects")
    np.savez(objects / "arrays.npz", reach=np.array([Evil(trap)], dtype=object))
    with pytest.raises(ModelFileError, match="pickled Python objects, which can run code"):
        load_proxy(objects)
    import zipfile

    smuggled = copy("smuggled")
    with zipfile.ZipFile(smuggled / "arrays.npz", "a") as archive:
        archive.writestr("model.pkl", pickle.dumps(Evil(trap)))
    with pytest.raises(ModelFileError, match=r"holds 'model\.pkl', which is not an array"):
        load_proxy(smuggled)
    cut = copy("cut")
    (cut / "arrays.npz").write_bytes((good / "arrays.npz").read_bytes()[:-100])
    with pytest.raises(ModelFileError, match="damaged or not an npz file"):
        load_proxy(cut)
    text = copy("text")
    np.savez(text / "arrays.npz", reach=np.array(["a"]))
    with pytest.raises(ModelFileError, match="not of numbers"):
        load_proxy(text)
    for name, old, new in (
        ("number", '"floor": ', '"floor": "x", "_": '),
        ("level", '"levels": [', '"levels": [7, 7, '),
    ):
        broken = copy(name)
        entry = (broken / "proxy.json").read_text()
        assert old in entry
        (broken / "proxy.json").write_text(entry.replace(old, new))
        with pytest.raises(ModelFileError, match=r"proxy\.json: a field is missing or of the wrong kind"):
            load_proxy(broken)
    swapped = copy("swapped")
    with np.load(good / "arrays.npz") as arrays:
        changed = dict(arrays)
    changed["0.value"] = changed["0.value"] * 2
    np.savez(swapped / "arrays.npz", **changed)
    with pytest.raises(ModelFileError, match="checksum"):
        load_proxy(swapped)
    from archgym.dataset.rows import file_digest

    description = json.loads((swapped / "proxy.json").read_text())
    description["arrays_sha256"] = file_digest(swapped / "arrays.npz")
    (swapped / "proxy.json").write_text(json.dumps(description))
    with pytest.raises(ModelFileError, match="not those of proxy:toy-memory"):
        load_proxy(swapped)
    for change, message in (
        ({"archgym_proxy": 9}, "format 1"),
        ({"parts": None}, "wrong kind"),
        ({"space_fingerprint": "0"}, "claims"),
    ):
        entry = json.loads((good / "proxy.json").read_text()) | change
        (swapped / "proxy.json").write_text(json.dumps(entry))
        (swapped / "arrays.npz").write_bytes((good / "arrays.npz").read_bytes())
        with pytest.raises(ModelFileError, match=message):
            load_proxy(swapped)
    with pytest.raises(ModelFileError, match="not a proxy"):
        load_proxy(tmp_path)
    assert not trap.exists()


def test_a_design_is_never_on_both_sides_of_a_split(data):
    train, test = gather(data, TARGETS, 10_000, "train"), gather(data, TARGETS, 10_000, "test")
    known = {tuple(row) for row in train.designs.tolist()}
    assert not known & {tuple(row) for row in test.designs.tolist()}
    whole = gather(data, TARGETS, 10_000, "all")
    assert len(whole) == len(train) + len(test)
    pairs = np.column_stack([whole.designs, whole.workload])
    assert len(np.unique(pairs, axis=0)) == len(whole)
    fold = folds_of(whole.designs, 4)
    for number in range(4):
        inside = {tuple(row) for row in whole.designs[fold == number].tolist()}
        assert not inside & {tuple(row) for row in whole.designs[fold != number].tolist()}
    assert 0.15 < held_out(SPACE.enumerate()).mean() < 0.25


def test_a_smaller_sample_is_part_of_a_larger_one_whatever_the_block_size(data):
    small, large = gather(data, TARGETS, 100), gather(data, TARGETS, 500)
    assert len(small) == 100
    assert np.array_equal(small.designs, large.designs[:100])
    assert np.array_equal(small.targets, large.targets[:100], equal_nan=True)


def test_missing_targets_are_counted_and_named(tmp_path):
    from archgym.dataset import DatasetWriter, Rows
    from archgym.dataset.logs import describe
    from archgym.metrics import all_feasible

    designs = SPACE.sample(np.random.default_rng(0), 200)
    columns = {name: np.ones(200) for name in ("total_time_s", "energy_J")}
    columns["energy_J"][:7] = np.nan
    columns["total_time_s"][:3] = np.inf
    metrics = [metric for metric in ToySimulator().metrics if metric.name in columns]
    with DatasetWriter(tmp_path / "d", SPACE, metrics, {"name": "toy-memory", "version": 1}) as writer:
        task = {"problem": "ToyMemoryEnv-v0", "objective": "joint", "objective_definition": None}
        run = writer.add_run(describe(MIXED), task, "random", {}, 0, 200, 1, "x")
        rows = Rows(designs, all_feasible(columns), np.zeros(200), np.full(200, run), np.arange(200))
        writer.append(rows)
        data = writer.finish()
    inside = ~held_out(designs)
    with pytest.raises(
        DatasetError, match=f"total_time_s in {inside[:3].sum()} rows, energy_J in {inside[:7].sum()} rows"
    ):
        train_proxy(data, TARGETS, ("ridge",))
    assert len(gather(data, TARGETS, 1000, drop_missing=True)) == len(np.unique(designs[7:][inside[7:]], axis=0))


def test_wrong_names_and_settings_are_refused(data):
    for settings, message in (
        ({"targets": ("energy",)}, "did you mean 'energy_J'"),
        ({"models": ("rigde",)}, "did you mean 'ridge'"),
        ({"workloads": ("strem",)}, "did you mean 'stream'"),
        ({"agents": ("ga",)}, "unknown agent"),
    ):
        with pytest.raises(UnknownNameError, match=message):
            train_proxy(data, **({"targets": TARGETS} | settings))
    with pytest.raises(ConfigError, match="folds: 1"):
        train_proxy(data, TARGETS, folds=1)
    with pytest.raises(ConfigError, match="no target"):
        train_proxy(data, ())
    with pytest.raises(DatasetError, match="too few for 2000 folds"):
        train_proxy(data, TARGETS, folds=2000)
    with pytest.raises(ConfigError, match="at least two workloads"):
        train_proxy(data, TARGETS, workloads=("mixed",), general=True)
