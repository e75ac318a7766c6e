"""A study on a cluster that was started by others, of two nodes, reached by its address."""

from __future__ import annotations

import pytest

from archgym.study import Options, run_study
from tests.study.test_execution import SERIAL, contents

pytestmark = pytest.mark.slow
ray = pytest.importorskip("ray")


def test_a_study_runs_on_every_node_of_a_cluster_given_by_address(tmp_path, study, monkeypatch):
    from pathlib import Path

    from ray.cluster_utils import Cluster

    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))  # for the toy, which is not installed
    ray.shutdown()
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        cluster.add_node(num_cpus=1)
        cluster.wait_for_nodes()
        report = run_study(study, tmp_path / "ray", Options(executor="ray", address=cluster.address, bundle=4))
        assert len([node for node in ray.nodes() if node["Alive"]]) == 2
    finally:
        ray.shutdown()
        cluster.shutdown()
    assert (report.ran, report.failed) == (16, 0)
    run_study(study, tmp_path / "one", SERIAL)
    assert contents(tmp_path / "ray") == contents(tmp_path / "one")


def test_a_cluster_that_is_not_there_is_named(tmp_path, study):
    from archgym.errors import ConfigError

    ray.shutdown()
    with pytest.raises(ConfigError, match="no Ray cluster could be reached"):
        run_study(study, tmp_path / "s", Options(executor="ray", address="127.0.0.1:1"))
