"""Where everything is in the controller's state: one int64 vector, so that a state can be copied, kept and resumed.

Blocks hold the fields named here; `Layout` gives each block's place. All times are ps; `NEVER` is the end of time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from archgym.simulators.dram import commands as c

NEVER = 1 << 60
LONG_AGO = -(1 << 58)

# -- parameters and layout: one int64 vector `P`, fixed during a run -----------------------------------------------
(
    P_TCK, P_PLAYER_CLOCK, P_RELATIVE, P_REQUESTS, P_STOP_AFTER,
    P_CHANNELS, P_RANKS, P_GROUPS, P_BANKS, P_BUSES, P_EQUAL_LENGTHS,
    P_PAGE, P_SCHEDULER, P_BUFFER, P_BUFFER_SIZE, P_HIGH, P_LOW, P_RESPONSE_REORDER,
    P_REFRESH, P_INTERVAL, P_POSTPONED, P_PULLED_IN, P_SETS, P_BANKS_PER_GROUP,
    P_ARBITER, P_MOST_ACTIVE, P_STRICT, P_POWER_DOWN, P_STALL, P_ENERGY,
    P_READ_PRECHARGE, P_WRITE_PRECHARGE, P_RAS, P_REFRESH_ACTIVE, P_REFRESH_CYCLES, P_REFRESH_BANK,
    P_HEAP, P_HEAP_LENGTH, P_EVENTS, P_DELTAS, P_RUNNABLE, P_ARBITER_QUEUE, P_PLAYER_QUEUE,
    P_CHANNEL, P_RANK, P_GROUP, P_BANK, P_BANK_LAST, P_GROUP_LAST, P_NODES, P_SENT, P_ARRIVED, P_RING,
    P_RESPONSES, P_PENDING, P_CANDIDATES, P_AUTO, P_ALIGNED, P_GROUP_LIMITS, P_COUNT,
) = range(60)  # fmt: skip

# -- values of choices ---------------------------------------------------------------------------------------------
OPEN, OPEN_ADAPTIVE, CLOSED, CLOSED_ADAPTIVE = range(4)
FIFO, FR_FCFS_GRP, FR_FCFS, GRP_FR_FCFS, GRP_FR_FCFS_WM = range(5)
BANKWISE, READ_WRITE, SHARED = range(3)
NO_REFRESH, ALL_BANK, PER_BANK, SAME_BANK = range(4)
ARBITER_SIMPLE, ARBITER_FIFO, ARBITER_REORDER = range(3)

# -- what a run ends with --------------------------------------------------------------------------------------------
FINISHED, PAUSED, GROW, DEADLOCK, STALLED = range(5)

# -- the state's head ------------------------------------------------------------------------------------------------
(
    G_NOW, G_DELTA, G_STAMP, G_HEAP_SIZE, G_DELTAS, G_RUNNABLE, G_DELTAS_AT_NOW,
    G_RESPONSES, G_NEXT_SEND, G_OLDEST, G_END, G_LATENCY_SUM, G_LATENCY_MAX, G_PROGRESS,
    G_ACTIVE, G_WITHHELD, G_PLAYER_BUSY, G_LAST_END_RESPONSE, G_NEXT_RETURN, G_RETURN_HEAD, G_RETURN_TAIL,
    G_COUNT,
) = range(22)  # fmt: skip

# -- events: arbiter queue, player queue, then four wake-ups a channel ----------------------------------------------
E_ARBITER, E_PLAYER, E_FIRST = 0, 1, 2
W_REQUEST, W_END_RESPONSE, W_SELF, W_DATA = range(4)
WAKE_UPS = 4
EV_KIND, EV_TIME, EV_CODE, EV_SIZE = range(4)
EV_IDLE, EV_DELTA, EV_TIMED = range(3)

# -- queues of messages to arbiter and player ------------------------------------------------------------------------
Q_COUNT0, Q_COUNT1, Q_TIMED = range(3)
Q_ENTRIES = 3
BEGIN_REQUEST, END_REQUEST, BEGIN_RESPONSE, END_RESPONSE = range(4)

# -- one channel -----------------------------------------------------------------------------------------------------
(
    C_OFFERED, C_OFFER_FROM, C_OUTSTANDING, C_RESPONSE_END, C_IN_FLIGHT, C_NEXT_ID, C_NEXT_CAS,
    C_RESPONSE_HEAD, C_RESPONSE_TAIL, C_READS, C_WRITES, C_LAST_BANK, C_LAST_WRITE, C_WRITE_MODE,
    C_ROW_BUS, C_COLUMN_BUS, C_CANDIDATES, C_DIRTY, C_CACHED, C_BEST_BANK, C_BEST_TIME, C_BEST_ID, C_DUE, C_NEXT_TIME,
    C_ARBITER_BUSY, C_ACCEPTED, C_LAST_END_REQUEST, C_PENDING_HEAD, C_PENDING_TAIL, C_FREE,
    C_LAST_COMMAND_TIME, C_LAST_COMMAND, C_LAST_AUTO,
    C_HITS, C_MISSES, C_CONFLICTS, C_COUNTS,
) = range(37)  # fmt: skip
C_SIZE = C_COUNTS + c.COUNT

# -- one rank: readiness of the bank commands, refresh and power-down managers, history, energy ------------------------
R_READY = 0
(
    R_WAITING, R_DUE, R_BALANCE, R_PULLED_IN, R_SLEEPING, R_COMMAND, R_TIME, R_OPEN, R_REMAINING, R_CHOSEN, R_SKIP,
    D_IDLE, D_ENTRY, D_EXIT, D_SELF, D_STATE, D_OPEN, D_COMMAND, D_TIME, R_WINDOW_COUNT, R_ROUND,
) = range(c.BANK_COMMANDS, c.BANK_COMMANDS + 21)  # fmt: skip
R_WINDOW = R_ROUND + 1
R_LAST = R_WINDOW + 4
A_FIRST = R_LAST + c.COUNT
(
    A_ACTIVE, A_SAVED, A_MODE, A_FIRST_ACTIVE, A_LAST_PRECHARGE, A_POWER_DOWN_SINCE, A_SELF_SINCE, A_AUTO_COUNT,
    A_ACTS, A_PRES, A_READS, A_WRITES, A_REFS, A_BANK_REFS,
    A_ACTIVE_TIME, A_PRECHARGED_TIME, A_ACTIVE_DOWN, A_PRECHARGED_DOWN,
    A_SELF, A_SELF_ACTIVE, A_SELF_PRECHARGED, A_EXIT_ACTIVE, A_EXIT_PRECHARGED, R_SIZE,
) = range(A_FIRST, A_FIRST + 24)  # fmt: skip
A_COUNTERS = range(A_ACTS, R_SIZE)
MODE_NORMAL, MODE_ACTIVE_DOWN, MODE_PRECHARGED_DOWN, MODE_SELF_REFRESH = range(4)
PD_IDLE, PD_ACTIVE, PD_PRECHARGED, PD_SELF_REFRESH, PD_EXTRA_REFRESH = range(5)

# -- one bank ----------------------------------------------------------------------------------------------------------
(
    B_ACTIVE, B_ROW, B_CURRENT, B_COMMAND, B_KEEP, B_BLOCKED, B_SLEEPING, B_HEAD, B_TAIL, B_COUNT_QUEUED,
    B_OPENING, B_PLACE, B_LAST_ACT, B_GROUP, B_RANK, B_RANK_NUMBER, B_GROUP_LAST, B_FIRST, B_READY,
) = range(19)  # fmt: skip
B_SIZE = B_READY + 6

# -- one buffered request ------------------------------------------------------------------------------------------------
N_NEXT, N_PREVIOUS, N_REQUEST, N_ROW, N_WRITE, N_ID, N_SIZE = range(7)

# -- constraint tables: one int64 vector `T` ------------------------------------------------------------------------------
SQUARE = c.COUNT * c.COUNT
T_BANK, T_GROUP, T_RANK, T_OTHER = (k * SQUARE for k in range(4))
T_LENGTH = 4 * SQUARE
T_COUNTED = T_LENGTH + c.COUNT
T_WINDOW = T_COUNTED + c.COUNT
T_CLASS = T_WINDOW + c.COUNT
T_DATA_END = T_CLASS + c.BANK_COMMANDS
T_ROUND = T_DATA_END + 2
T_SIZE = T_ROUND + 2
MOST_MESSAGES = 96
"""Messages one queue can hold for one delta cycle, or timed: a few for each channel."""
MOST_CHANNELS = 16


@dataclass(frozen=True)
class Sizes:
    """What can grow: entries of the timed-event heap, slots of the rings over requests in flight."""

    heap: int = 1024
    ring: int = 1024


@dataclass(frozen=True)
class Layout:
    """Offsets of the blocks for a device; ``nodes`` is the number of requests a channel can buffer."""

    channels: int
    ranks: int
    groups: int
    banks: int
    nodes: int
    sizes: Sizes

    def blocks(self) -> dict[int, int]:
        """Length of each block, in order, by the parameter that holds its place. The heap is last."""
        ranks, groups, banks = (self.channels * n for n in (self.ranks, self.ranks * self.groups, self.banks_a_channel))
        ring, queue = self.sizes.ring, Q_ENTRIES + 4 * MOST_MESSAGES
        return {
            P_EVENTS: (E_FIRST + WAKE_UPS * self.channels) * EV_SIZE,
            P_DELTAS: E_FIRST + WAKE_UPS * self.channels,
            P_RUNNABLE: 2 + self.channels,
            P_CHANNEL: self.channels * C_SIZE,
            P_RANK: ranks * R_SIZE,
            P_GROUP: groups * c.BANK_COMMANDS,
            P_BANK: banks * B_SIZE,
            P_CANDIDATES: banks,
            P_NODES: self.channels * self.nodes * N_SIZE,
            P_ARBITER_QUEUE: queue,
            P_PLAYER_QUEUE: queue,
            P_BANK_LAST: banks * c.COUNT,
            P_GROUP_LAST: groups * c.COUNT,
            P_AUTO: ranks * 2 * self.banks,
            P_SENT: ring,
            P_ARRIVED: ring,
            P_RESPONSES: self.channels * 2 * ring,
            P_PENDING: self.channels * ring,
            P_HEAP: 2 * (self.sizes.heap + 1),
        }

    def fill(self, parameters: NDArray[np.int64]) -> int:
        """Write the places into ``P``; returns the state's length."""
        place = G_COUNT
        for name, length in self.blocks().items():
            parameters[name] = place
            place += length
        parameters[P_RING] = self.sizes.ring
        parameters[P_HEAP_LENGTH] = self.sizes.heap
        return place

    @property
    def banks_a_channel(self) -> int:
        return self.banks * self.ranks
