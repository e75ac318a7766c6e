"""A dataset exported to Minari loads there, and its environment plays the logged episodes again."""

import numpy as np
import pytest

from archgym import make_problem
from archgym.dataset import build_dataset, export_dataset
from archgym.errors import DatasetError
from archgym.rollout import run_search
from tests.dataset.toy import ToySimulator, register_toy

minari = pytest.importorskip("minari")
register_toy()


def test_minari_loads_the_export_and_recovers_the_environment(tmp_path, monkeypatch):
    for workload, seed in (("stream", 0), ("mixed", 1), ("mixed", 2)):
        run_search(make_problem("ToyMemoryEnv-v0", workload), "random", 40, seed, directory=tmp_path / "logs")
    data = build_dataset([tmp_path / "logs"], tmp_path / "toy")
    monkeypatch.chdir(tmp_path)
    made = export_dataset(data, "minari", "minari")
    assert len(made) == 2
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    loaded = minari.load_dataset("toy/ToyMemoryEnv-v0/mixed-low-latency-v0")
    assert loaded.total_episodes == 2
    assert loaded.total_steps == 80
    rows = data.read()
    names = [workload["name"] for workload in data.manifest.workloads]
    runs = np.flatnonzero(data.manifest.run_workload == names.index("mixed"))
    env = loaded.recover_environment()
    for number, episode in zip(runs, loaded.iterate_episodes(), strict=True):
        mine = rows.take(rows.run == number)
        assert np.array_equal(episode.actions, mine.designs)
        assert np.array_equal(episode.rewards, mine.reward)
        assert np.array_equal(episode.infos["energy_J"][1:], mine.metrics["energy_J"], equal_nan=True)
        assert episode.truncations.tolist() == [False] * 39 + [True]
        observation, _ = env.reset(seed=0)
        assert np.array_equal(observation, episode.observations[0])
        for step, action in enumerate(episode.actions):
            observation, reward, terminated, truncated, _ = env.step(action)
            assert np.array_equal(observation, episode.observations[step + 1])
            assert reward == episode.rewards[step]
            assert (terminated, truncated) == (episode.terminations[step], episode.truncations[step])


def test_data_of_another_simulator_version_has_no_environment(tmp_path):
    other = make_problem("ToyMemoryEnv-v0", simulator=ToySimulator(version=7))
    run_search(other, "random", 5, directory=tmp_path / "logs")
    with pytest.raises(DatasetError, match="simulator_version 7, now 1"):
        export_dataset(build_dataset([tmp_path / "logs"], tmp_path / "toy"), "minari", tmp_path / "minari")
