"""Puts what a benchmark measured into a page, between two comments that name its place."""

from __future__ import annotations

from pathlib import Path

DRAM_PAGE = Path(__file__).parents[1] / "archgym" / "simulators" / "dram" / "ASSUMPTIONS.md"


def write_between(place: str, text: str, page: Path = DRAM_PAGE) -> None:
    """Replace what stands between ``<!-- place -->`` and ``<!-- end of place -->`` in ``page``.

    Raises:
        ValueError: if the page does not have both comments once.
    """
    before, after = f"<!-- {place} -->\n", f"\n<!-- end of {place} -->"
    content = page.read_text(encoding="utf-8")
    if content.count(before) != 1 or content.count(after) != 1:
        raise ValueError(f"{page} needs the comments {before.strip()} and {after.strip()} once each")
    head, _, rest = content.partition(before)
    _, _, tail = rest.partition(after)
    page.write_text(head + before + "\n" + text.strip() + "\n" + after + tail, encoding="utf-8")
