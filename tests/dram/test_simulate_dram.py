"""The contract for scripts: designs in a CSV file, results in a CSV file, bad input refused in one line."""

import csv
import json

import pytest

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
    ],
)
def test_bad_design_files_are_refused_in_one_line(tmp_path, trace, text, words, capsys):
    path = tmp_path / "designs.csv"
    path.write_text(text)
    assert main(["simulate", "dram", "--trace", str(trace), "--designs", str(path)]) == 1
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1
