"""Every Python block of the README and the documentation runs, page by page, as a reader would run it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(page: Path) -> list[str]:
    return BLOCK.findall(page.read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)], ids=lambda page: page.name)
def test_blocks_run(page, tmp_path):
    """The blocks of a page build on each other, so they run in one fresh interpreter, away from the checkout."""
    result = subprocess.run(
        [sys.executable, "-c", "\n".join(blocks(page))],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=600,
        env={**os.environ, "ARCHGYM_THREADS": "1"},
    )
    assert result.returncode == 0, result.stderr


def test_there_are_blocks_to_run():
    assert sum(len(blocks(page)) for page in PAGES) >= 10
