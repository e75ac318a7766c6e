"""Systolic arrays: cycles of a matrix product on an R x C array by SCALE-Sim's closed form, and a traffic estimate.

Cycle counts equal SCALE-Sim v2 in CALC mode, one less than true: it reports the number of the last cycle. Stalls of its
USER mode come from replaying a prefetcher, for which there is no closed form; ``bandwidth_cycles`` is a bound of our own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from archgym.errors import UnknownNameError, WorkloadError
from archgym.simulators.dnn.layer import LARGEST_COUNT, Layer, positive_integer

DATAFLOWS = ("os", "ws", "is")
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class SystolicCost:
    """Cost of a matrix product; every field broadcasts over the arguments.

    cycles: true count without stalls; reported_cycles: as SCALE-Sim prints; mapping_efficiency: mean share of the array
    that a fold uses; utilization: multiply-accumulates over cycles and array; reads and writes in words.
    """

    cycles: Ints
    reported_cycles: Ints
    folds: Ints
    mapping_efficiency: Floats
    utilization: Floats
    ifmap_sram_reads: Ints
    filter_sram_reads: Ints
    ofmap_sram_writes: Ints


@dataclass(frozen=True)
class SystolicTraffic:
    """Words moved between memory and the array's three buffers, and the cycles a bandwidth in words a cycle allows."""

    ifmap_reads: Ints
    filter_reads: Ints
    ofmap_writes: Ints
    ofmap_reads: Ints

    @property
    def words(self) -> Ints:
        return self.ifmap_reads + self.filter_reads + self.ofmap_writes + self.ofmap_reads

    def bandwidth_cycles(self, words_per_cycle: Floats | float) -> Ints:
        """Cycles in which memory can move all words at that rate."""
        return np.asarray(np.ceil(self.words / words_per_cycle), np.int64)


def gemm_of(layer: Layer) -> tuple[int, int, int, int]:
    """``(M, N, K, repetitions)`` of a layer lowered to a matrix product; groups run one after the other.

    M: output positions, N: filters, K: products summed for an output.
    """
    r, s, p, q, c, k, n, g = layer.bounds
    return p * q * n, k, r * s * c, g


def _spread(m: Ints, n: Ints, k: Ints, dataflow: str) -> tuple[Ints, Ints, Ints]:
    """What lies along the array's rows, along its columns, and in time."""
    if dataflow == "os":
        return m, n, k
    if dataflow == "ws":
        return k, n, m
    if dataflow == "is":
        return k, m, n
    raise UnknownNameError("systolic dataflow", dataflow, DATAFLOWS)


def _whole(**sizes: int | Ints) -> list[Ints]:
    for name, values in sizes.items():
        if isinstance(values, np.ndarray) and values.dtype == np.int64 and (values > 0).all():
            continue
        for value in np.atleast_1d(values).ravel():
            if positive_integer(name, value) > LARGEST_COUNT:
                raise WorkloadError(f"{name} = {value}: at most 2^63 - 1 can be counted")
    return [np.asarray(values, np.int64) for values in sizes.values()]


def _countable(*products: tuple[Ints | Floats | int, ...]) -> None:
    """Raise ``WorkloadError`` where a product of counts does not fit 63 bits."""
    for factors in products:
        product: Floats = np.ones(())
        for factor in factors:
            product = product * np.asarray(factor, np.float64)
        if np.any(product >= 2.0**63):
            raise WorkloadError("a count of this matrix product on this array passes 2^63 - 1")


def systolic_cost(
    m: int | Ints, n: int | Ints, k: int | Ints, rows: int | Ints, columns: int | Ints, dataflow: str
) -> SystolicCost:
    """Cost of ``[M, K] x [K, N]`` on arrays of ``rows`` x ``columns``; output (os), weight (ws) or input (is) stationary.

    A fold fills the array, streams, and drains; a partly used fold costs a whole one.
    Raises ``WorkloadError`` for a size below 1 or a count beyond 63 bits, ``UnknownNameError`` for another dataflow.
    """
    m, n, k, rows, columns = _whole(M=m, N=n, K=k, rows=rows, columns=columns)
    down, across, time = _spread(m, n, k, dataflow)
    row_folds, column_folds = -(-down // rows), -(-across // columns)
    _countable(
        (row_folds, column_folds, np.asarray(time, np.float64) + 2.0 * rows + columns), (m, n, k),
        (row_folds, column_folds, rows, columns), (down, time, column_folds), (across, time, row_folds),
    )  # fmt: skip
    folds = row_folds * column_folds
    each = time + rows + columns - 2 + (0 if dataflow == "os" else rows)
    cycles = folds * each
    along_rows, along_columns = down * time * column_folds, across * time * row_folds
    held = down * across
    if dataflow == "os":
        ifmap, filters, ofmap = along_rows, along_columns, held
    elif dataflow == "ws":
        ifmap, filters, ofmap = along_rows, held, along_columns
    else:
        ifmap, filters, ofmap = held, along_rows, along_columns
    macs = (m * n * k).astype(np.float64)
    return SystolicCost(
        cycles, cycles - 1, folds, down * across / (folds * rows * columns), macs / (cycles * rows * columns), ifmap,
        filters, ofmap,
    )  # fmt: skip


def systolic_traffic(
    m: int | Ints, n: int | Ints, k: int | Ints, rows: int | Ints, columns: int | Ints, dataflow: str,
    ifmap_words: int | Ints, filter_words: int | Ints, ofmap_words: int | Ints,
) -> SystolicTraffic:  # fmt: skip
    """Words between memory and buffers of the given sizes, half of each usable (the other half is being filled).

    Column folds run inside row folds. The operand along the rows is read once if one row fold of it fits its buffer,
    the one along the columns once if all of it fits; else again in every fold that needs it. The operand held in the
    array is read once. Partial sums stay on chip if one fold's fit, else they are written and read back.
    An estimate of our own; SCALE-Sim's prefetcher can move many times as much.
    """
    m, n, k, rows, columns, ifmap_words, filter_words, ofmap_words = _whole(
        M=m, N=n, K=k, rows=rows, columns=columns, ifmap=ifmap_words, filter=filter_words, ofmap=ofmap_words
    )
    down, across, time = _spread(m, n, k, dataflow)
    row_folds, column_folds = -(-down // rows), -(-across // columns)
    _countable((down, time, column_folds), (across, time, row_folds, 4), (down, across))
    row_side = {"os": ifmap_words, "ws": ifmap_words, "is": filter_words}[dataflow] // 2
    column_side = {"os": filter_words, "ws": ofmap_words, "is": ofmap_words}[dataflow] // 2
    along_rows = down * time * np.where(np.minimum(rows, down) * time <= row_side, 1, column_folds)
    zero = np.zeros_like(along_rows)
    if dataflow == "os":
        along_columns = across * time * np.where(across * time <= column_side, 1, row_folds)
        return SystolicTraffic(along_rows, along_columns, down * across + zero, zero)
    passes = np.where(across * time <= column_side, 1, row_folds)
    written, again = across * time * passes, across * time * (passes - 1)
    held = down * across + zero
    if dataflow == "ws":
        return SystolicTraffic(along_rows, held, written + zero, again + zero)
    return SystolicTraffic(held, along_rows, written + zero, again + zero)
