"""The built-in energies of Timeloop when no technology is given: a 16-bit register-file access or MAC costs about 1.

They rank mappings and compare with published results; they are not picojoules of any process (see `components` for those).
"""

from __future__ import annotations

import math


def sram_pJ(rows: int, bits: int) -> float:
    """One access to a row of ``bits`` of an SRAM of ``rows`` rows: 1 at 0.5 KB and 6 at 100 KB for a 16-bit row."""
    kilobytes = rows * bits / 8192
    return (1.0 + 5.0 * (kilobytes - 0.5) / 99.5) * bits / 16


def dram_pJ(bits: int) -> float:
    """One DRAM access of ``bits`` bits."""
    return 200.0 * bits / 16


def multiplier_pJ(bits: int) -> float:
    """One multiply-accumulate on words of ``bits`` bits."""
    return (bits / 16) ** 2


def vector_access_pJ(technology: str, words: int | None, word_bits: int, block_size: int, cluster_size: int) -> float:
    """One access to ``block_size`` words; 0 for a level without storage, the DRAM's for an unlimited one."""
    if technology == "DRAM" or words is None:
        return dram_pJ(word_bits * block_size)
    if words == 0:
        return 0.0
    return sram_pJ(math.ceil(words / block_size), word_bits * block_size * cluster_size) / cluster_size
