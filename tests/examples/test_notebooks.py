"""The notebooks run from their sources at a small scale, and what is stored was made from those sources."""

import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "examples"))
import build  # noqa: E402

SOURCES = build.sources()


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)
def test_runs_at_a_small_scale(source):
    notebook = build.execute(source, "small")
    assert all(cell.execution_count for cell in notebook.cells if cell.cell_type == "code")


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)
def test_stored_notebook_is_its_source_with_outputs_and_pictures(source):
    stored = nbformat.read(source.with_suffix(".ipynb"), as_version=4)
    wanted = [(cell.cell_type, cell.source) for cell in build.cells(source)]
    assert [(cell.cell_type, cell.source) for cell in stored.cells] == wanted, "run python examples/build.py"
    code = [cell for cell in stored.cells if cell.cell_type == "code"]
    outputs = [output for cell in code for output in cell.outputs]
    assert all(cell.execution_count for cell in code)
    assert not [output for output in outputs if output.output_type == "error"]
    assert not [output.text for output in outputs if output.get("name") == "stderr"]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert stored.metadata["archgym"]["scale"] == "full"
    assert stored.metadata["archgym"]["seconds"] < 180


def test_every_source_has_a_notebook_and_every_notebook_a_source():
    assert {path.stem for path in SOURCES} == {path.stem for path in (ROOT / "examples").glob("*.ipynb")}
    assert len(SOURCES) == 7


def test_the_last_notebook_shows_a_real_program():
    """Stored with ngspice at hand; where it is not installed the cells say so (not a failure)."""
    stored = nbformat.read(ROOT / "examples/07-your-own-simulator.ipynb", as_version=4)
    text = "".join(output.get("text", "") for cell in stored.cells for output in cell.get("outputs", []))
    assert "designs feasible" in text
    assert "not installed" not in text
