"""The contract for scripts: designs in a CSV file, results in a CSV file, bad input refused in one line."""

import csv
import json

import numpy as np
import pytest

from archgym import make_problem
from archgym.cli import main

TRACE = "".join(f"{4 * n}: {'write' if n % 3 == 0 else 'read'} {hex(n * 4160 % (1 << 28))}\n" for n in range(300))


@pytest.fixture
def trace(tmp_path):
    path = tmp_path / "small.stl"
    path.write_text(TRACE)
    return path


def simulate(tmp_path, trace, designs=None, *more):
    out = tmp_path / "results.csv"
    arguments = [
        "simulate",
        "dram",
        "--device",
        "ddr3-1600",
        "--address-map",
        "rbc",
        "--trace",
        str(trace),
        "--out",
        str(out),
    ]
    if designs is not None:
        path = tmp_path / "designs.csv"
        path.write_text(designs)
        arguments += ["--designs", str(path)]
    assert main([*arguments, *more]) == 0
    with out.open(newline="") as file:
        return list(csv.DictReader(file))


def test_results_repeat_the_designs_and_add_metrics_with_units(tmp_path, trace):
    designs = "PagePolicy,RequestBufferSize,Arbiter\nOpen,8,Simple\nClosedAdaptive,3,Reorder\nOpenAdaptive,1,Fifo\n"
    rows = simulate(tmp_path, trace, designs)
    assert [(row["PagePolicy"], row["RequestBufferSize"], row["Arbiter"]) for row in rows] == [
        ("Open", "8", "Simple"), ("ClosedAdaptive", "3", "Reorder"), ("OpenAdaptive", "1", "Fifo")
    ]  # fmt: skip
    for row in rows:
        assert row["feasible"] == "true"
        assert float(row["total_time_s"]) > 1e-6
        assert float(row["mean_latency_s"]) <= float(row["max_latency_s"])
        parts = [float(value) for name, value in row.items() if name.endswith("_energy_J")]
        assert sum(parts) == pytest.approx(float(row["energy_J"]), rel=1e-12)
        assert float(row["RD_commands"]) + float(row["RDA_commands"]) == 200
        assert float(row["WR_commands"]) + float(row["WRA_commands"]) == 100


def test_a_row_alone_is_the_row_in_a_batch_and_defaults_are_the_default_controller(tmp_path, trace):
    both = simulate(tmp_path, trace, "Scheduler,CmdMux\nFrFcfs,Oldest\nFifo,Strict\n")
    assert simulate(tmp_path, trace, "Scheduler,CmdMux\nFifo,Strict\n") == both[1:]
    assert simulate(tmp_path, trace) == both[:1]


def test_a_design_may_choose_its_memory_as_in_the_full_space(tmp_path, trace):
    designs = (
        "Device,AddressMap,Ranks,Channels,PagePolicy\nddr3-1600,rbc,1,1,Open\nddr4-2400,brc,2,1,Closed\n,,,2,Open\n"
    )
    first, second, third = simulate(tmp_path, trace, designs)
    assert (second["Device"], second["AddressMap"], second["Ranks"]) == ("ddr4-2400", "brc", "2")
    assert third["Device"] == ""
    alone = simulate(tmp_path, trace)[0]
    assert all(first[name] == value for name, value in alone.items())
    more = ["--device", "ddr4-2400", "--address-map", "brc", "--ranks", "2", "--set", "PagePolicy=Closed"]
    alone = simulate(tmp_path, trace, None, *more)[0]
    assert all(second[name] == value for name, value in alone.items())
    alone = simulate(tmp_path, trace, None, "--channels", "2")[0]
    assert all(third[name] == value for name, value in alone.items())
    assert alone["total_time_s"] != first["total_time_s"] or alone["energy_J"] != first["energy_J"]


def test_the_reference_tools_other_names_are_understood(tmp_path, trace):
    rows = simulate(tmp_path, trace, "RefreshPolicy\nRankwise\nAllBank\nallbank\n")
    assert {row["RefreshPolicy"] for row in rows} == {"AllBank"}
    assert rows[0] == rows[1] == rows[2]


def test_the_designs_of_the_environment_are_those_of_the_command(tmp_path, trace):
    """Names and values as `archgym show` prints them: any design of the full space, by the command and by the problem."""
    problem = make_problem("DRAMFullEnv-v0", str(trace))
    rows = problem.space.sample(np.random.default_rng(0), 6)
    designs = tmp_path / "sampled.csv"
    with designs.open("w", newline="") as file:
        writer = csv.DictWriter(file, problem.space.names)
        writer.writeheader()
        writer.writerows(map(problem.space.row, rows))
    results = simulate(tmp_path, trace, designs.read_text())
    metrics = problem.simulator(rows, problem.workload)
    for number, row in enumerate(results):
        assert {name: row[name] for name in problem.space.names} == {
            name: str(value) for name, value in problem.space.row(rows[number]).items()
        }
        assert row["feasible"] == str(bool(metrics.feasible[number])).lower()
        for name, column in metrics.columns.items():
            assert (float(row[name]) if row[name] else np.nan) == pytest.approx(column[number], rel=0, nan_ok=True)


def test_what_cannot_work_is_an_infeasible_row_with_a_reason(tmp_path, trace):
    (row,) = simulate(tmp_path, trace, "RefreshPolicy\nSameBank\n")
    assert row["feasible"] == "false"
    assert "same-bank" in row["reason"]
    assert row["total_time_s"] == ""


def test_json(trace, capsys):
    assert main(["simulate", "dram", "--trace", str(trace), "--json", "--set", "PagePolicy=Closed"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["PagePolicy"] == "Closed"
    assert row["feasible"] is True


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--device", "ddr3-1601"], "did you mean 'ddr3-1600'"),
        (["--address-map", "abc"], "allowed: rbc"),
        (["--set", "PagePolicy=Opened"], "allowed: Open, OpenAdaptive, Closed, ClosedAdaptive"),
        (["--set", "PagePolcy=Open"], "did you mean 'PagePolicy'"),
        (["--set", "RequestBufferSize=0"], "whole numbers from 1"),
        (["--set", "MaxActiveTransactions=2.5"], "whole numbers from 1"),
        (["--clock-MHz", "0"], "--clock-MHz"),
        (["--ranks", "3"], "powers of two"),
    ],
)
def test_bad_settings_are_refused_in_one_line(trace, arguments, words, capsys):
    assert main(["simulate", "dram", "--trace", str(trace), *arguments]) == 1
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ("0: Read 0x40\n", "line 1"),
        ("5: read 0x40\n4: read 0x80\n", "line 2"),
        ("-1: read 0x40\n", "line 1"),
        ("0: read 0xfffffffff0000000\n", "line 1"),
        ("0: read 0xffffffffffff000\n", "beyond the device"),
        ("0: read 0x40000000\n", "beyond the device"),
        ("0: read 0x40\n9223372036854775807: read 0x80\n", "lasts"),
    ],
)
def test_bad_traces_are_refused_in_one_line(tmp_path, text, words, capsys):
    path = tmp_path / "bad.stl"
    path.write_text(text)
    assert main(["simulate", "dram", "--trace", str(path)]) == 1
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("PagePolicy\n", "no designs"),
        ("PagePolicy,Speed\nOpen,1\n", "unknown parameter 'Speed'"),
        ("PagePolicy,Arbiter\nOpen\n", "1 cells, but 2 columns"),
        ("PagePolicy\nOpen\nShut\n", "design 2"),
        ("Device\nddr3-1601\n", "did you mean 'ddr3-1600'"),
        ("Ranks\n3\n", "powers of two"),
        ("AddressMap\nabc\n", "allowed: rbc"),
        ("Open,Open\n1,2\n", "unknown parameter 'Open'"),
        ("Arbiter,Arbiter\nFifo,Fifo\n", "repeats a column"),
    ],
)
def test_bad_design_files_are_refused_in_one_line(tmp_path, trace, text, words, capsys):
    path = tmp_path / "designs.csv"
    path.write_text(text)
    assert main(["simulate", "dram", "--trace", str(trace), "--designs", str(path)]) == 1
    error = capsys.readouterr().err
    assert words in error
    assert str(path) in error
    assert error.count("\n") == 1
