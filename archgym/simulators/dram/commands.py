"""The commands a DRAM controller issues, as small integers that index every timing table.

The six commands of a bank machine come first, so that they can be stored as a dense block per bank.
"""

from __future__ import annotations

ACT, PRE, RD, WR, RDA, WRA = range(6)
PREA, REFA, REFB, PDEA, PDXA, PDEP, PDXP, SREFEN, SREFEX, PRESB, REFSB = range(6, 17)
NONE = -1

NAMES = (
    "ACT", "PRE", "RD", "WR", "RDA", "WRA",
    "PREA", "REFA", "REFB", "PDEA", "PDXA", "PDEP", "PDXP", "SREFEN", "SREFEX", "PRESB", "REFSB",
)  # fmt: skip
"""Names by number: activate, precharge, read, write, the same with auto-precharge, precharge and refresh of all
banks of a rank, refresh of one bank, power-down entry and exit (active, precharged), self-refresh entry and exit,
precharge and refresh of the same bank in every bank group."""

NUMBER = {name: number for number, name in enumerate(NAMES)}
COUNT = len(NAMES)
BANK_COMMANDS = 6
