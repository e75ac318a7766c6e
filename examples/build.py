"""Builds the notebooks from their sources: ``python examples/build.py [NAME ...]`` runs them and stores what they show.

A source is a Python file whose lines ``# %%`` begin a code cell and ``# %% [markdown]`` a text cell. The source is
edited, never the notebook. ``ARCHGYM_EXAMPLE_SCALE=small`` in the environment makes every budget small.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).parent
MARK = re.compile(r"^# %%( \[markdown\])?[ ]*$", re.MULTILINE)


def sources() -> list[Path]:
    return sorted(FOLDER.glob("[0-9][0-9]-*.py"))


def cells(source: Path) -> list[Any]:
    """The notebook cells that a source says, not yet run."""
    parts = MARK.split(source.read_text(encoding="utf-8"))
    if parts[0].strip():
        raise ValueError(f"{source.name}: text before the first '# %%'")
    found = []
    for mark, text in zip(parts[1::2], parts[2::2], strict=True):
        body = text.strip("\n")
        if mark:
            lines = [re.sub(r"^# ?", "", line) for line in body.splitlines()]
            found.append(nbformat.v4.new_markdown_cell("\n".join(lines)))
        else:
            found.append(nbformat.v4.new_code_cell(body))
    for number, cell in enumerate(found):
        cell["id"] = f"cell-{number:02d}"  # equal sources give equal notebooks
    return found


def execute(source: Path, scale: str = "full") -> Any:
    """Run a source in a fresh kernel, in an empty directory; returns the notebook with its outputs.

    Raises:
        nbclient.exceptions.CellExecutionError: with the traceback of the cell that failed.
    """
    notebook = nbformat.v4.new_notebook(cells=cells(source))
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    environment = {**os.environ, "ARCHGYM_EXAMPLE_SCALE": scale, "PYTHONWARNINGS": "ignore::FutureWarning"}
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="archgym-example-") as directory:
        client = NotebookClient(
            notebook, timeout=900, kernel_name="python3", resources={"metadata": {"path": directory}}, record_timing=False
        )
        client.execute(env=environment)
    notebook.metadata["archgym"] = {"scale": scale, "seconds": round(time.monotonic() - started, 1)}
    notebook.metadata["language_info"] = {"name": "python"}  # not the version that happened to run it
    return notebook


def main(names: list[str]) -> None:
    for source in sources():
        if names and not any(name in source.name for name in names):
            continue
        notebook = execute(source)
        nbformat.write(notebook, source.with_suffix(".ipynb"))
        print(f"{source.stem}: {notebook.metadata['archgym']['seconds']} s", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
