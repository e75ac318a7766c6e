"""One small dataset and one proxy of each kind for all proxy tests."""

import dataclasses

import numpy as np
import pytest

from archgym import make_problem
from archgym.dataset import build_dataset
from archgym.proxy.fit import Candidate
from archgym.proxy.samples import gather
from archgym.proxy.train import train_on
from archgym.rollout import run_search
from tests.dataset.toy import register_toy

register_toy()
TARGETS = ("total_time_s", "energy_J")
CANDIDATES = {
    "ridge": Candidate("ridge", {"alpha": 0.01}),
    "forest": Candidate("forest", {"trees": 30, "share": 1.0, "leaf": 1}),
    "boosting": Candidate("boosting", {"leaves": 8, "rate": 0.2, "rounds": 80, "leaf": 1}),
    "stacked": Candidate("stacked", {"alpha": 1.0, "leaves": 8, "rate": 0.2, "rounds": 40, "leaf": 1}),
    "gaussian": Candidate("gaussian"),
    "networks": Candidate("networks", {"hidden": 16, "steps": 300}),
}


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    directory = tmp_path_factory.mktemp("proxy")
    for workload in ("stream", "mixed", "random"):
        problem = make_problem("ToyMemoryEnv-v0", workload, "joint")
        run_search(problem, "random", 700, 0, directory=directory / "logs")
    return build_dataset([directory / "logs"], directory / "data", licence="Apache-2.0")


@pytest.fixture(scope="session")
def make(data):
    """A function that trains a proxy of one kind, each only once."""
    made = {}

    def train(kind, general=False):
        if (kind, general) not in made:
            samples = gather(data, TARGETS, 100_000)
            choices = dict.fromkeys(TARGETS, CANDIDATES[kind])
            made[kind, general] = train_on(
                samples, data.manifest, TARGETS, folds=3, members=3, general=general, choices=choices
            )
        return dataclasses.replace(made[kind, general])

    return train


@pytest.fixture
def rng():
    return np.random.default_rng(0)
