"""A user's CSV becomes a dataset by a mapping; what does not fit is refused with its line."""

import numpy as np
import pytest

from archgym.dataset import import_csv, verify_dataset
from archgym.dataset.importing import parse_mapping
from archgym.errors import ConfigError, DatasetError, UnknownNameError
from tests.dataset.toy import SPACE, ToySimulator, ToyWorkloads, register_toy

register_toy()
MAP = {
    "parameters": {
        "page_policy": {"column": "Page", "values": {"O": "open", "A": "adaptive", "C": "closed"}},
        "in_flight": "max",
        "queue": "queue",
    },
    "constants": {"arbiter": "fifo"},
    "metrics": {"total_time_s": {"column": "time_us", "scale": 1e-6}, "energy_J": "energy"},
}


def write(path, rows, head="Page,max,queue,time_us,energy"):
    path.write_text("\n".join([head, *rows]) + "\n")
    return path


def read(path, out, mapping=MAP, **more):
    return import_csv(path, out, parse_mapping(mapping), "ToyMemoryEnv-v0", "board", workload="mixed", **more)


def test_values_scales_constants_and_rewards(tmp_path):
    made = read(write(tmp_path / "t.csv", ["O,8,3,120,1e-6", "C,64,8,80,2e-6"]), tmp_path / "d")
    rows = made.read()
    assert SPACE.row(rows.designs[0]) == {
        "page_policy": "open",
        "in_flight": 8,
        "arbiter": "fifo",
        "queue": 3,
        "refresh": False,
        "postponed": 1,
    }
    assert rows.metrics["total_time_s"].tolist() == [120 * 1e-6, 80 * 1e-6]
    assert made.manifest.simulator == {"name": "board", "version": 1}
    assert np.isfinite(rows.reward).all()
    assert rows.reward[1] > rows.reward[0]
    assert set(made.manifest.metric_names) == {"total_time_s", "energy_J"}


def test_missing_values_are_counted_and_named(tmp_path):
    path = write(tmp_path / "t.csv", ["O,8,3,120,", "C,64,8,nan,", "C,64,7,9,1e-6"])
    with pytest.raises(
        DatasetError, match=r"time_us in 1 row \(first in line 3\), energy in 2 rows \(first in line 2\)"
    ):
        read(path, tmp_path / "d")
    assert not (tmp_path / "d").exists()
    assert len(read(path, tmp_path / "d", allow_missing=True)) == 3


def test_rows_marked_infeasible_need_no_metrics(tmp_path):
    path = write(tmp_path / "t.csv", ["O,8,3,,,0", "C,64,8,9,1e-6,1"], "Page,max,queue,time_us,energy,ok")
    rows = read(path, tmp_path / "d", MAP | {"feasible": "ok"}).read()
    assert rows.metrics.feasible.tolist() == [False, True]


@pytest.mark.parametrize(
    ("rows", "change", "error", "message"),
    [
        (["X,8,3,1,1"], {}, DatasetError, "line 2: parameter 'page_policy': value 'X' is not allowed"),
        (["O,7,3,1,1"], {}, DatasetError, "line 2: parameter 'in_flight': value '7'"),
        (["O,8,3,fast,1"], {}, DatasetError, "time_us is 'fast', not a number"),
        (["O,8,3,1,1"], {"metrics": {"energy": "energy"}}, UnknownNameError, "did you mean 'energy_J'"),
        (["O,8,3,1,1"], {"parameters": {"queues": "queue"}}, UnknownNameError, "did you mean 'queue'"),
        (["O,8,3,1,1"], {"parameters": {"queue": "Queu"}}, UnknownNameError, "unknown column of t.csv 'Queu'"),
        (["O,8,3,1,1"], {"metric": {}}, UnknownNameError, "did you mean 'metrics'"),
        (["O,8,3,1,1"], {"metrics": {}}, ConfigError, "at least one metric"),
        (["O,8,3,1,1"], {"metrics": {"energy_J": {"scale": 2}}}, ConfigError, "neither a column name"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, rows, change, error, message):
    with pytest.raises(error, match=message):
        read(write(tmp_path / "t.csv", rows), tmp_path / "d", MAP | change)
    assert not (tmp_path / "d").exists()


def test_numbers_of_the_familys_own_simulator_can_be_verified(tmp_path):
    work = ToyWorkloads().load("mixed")
    designs = SPACE.sample(np.random.default_rng(0), 20)
    designs[:, 2] = 1
    designs[:, 4:] = 0
    designs[:, 1] = np.minimum(designs[:, 1], 5)  # the deepest with the shortest queue is infeasible
    found = ToySimulator()(designs, work)
    lines = [
        f"{'OAC'[d[0]]},{2 ** d[1]},{d[3] + 1},{t!r},{e!r}"
        for d, t, e in zip(designs, found["total_time_s"].tolist(), found["energy_J"].tolist(), strict=True)
    ]
    mapping = MAP | {"metrics": {"total_time_s": "time_us", "energy_J": "energy"}}
    made = import_csv(
        write(tmp_path / "t.csv", lines),
        tmp_path / "d",
        parse_mapping(mapping),
        "ToyMemoryEnv-v0",
        "toy-memory",
        workload="mixed",
        objective="joint",
        allow_missing=True,
    )
    assert verify_dataset(made, None).passed
