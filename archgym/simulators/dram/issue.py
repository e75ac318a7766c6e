# mypy: disallow-untyped-defs=False
"""Issuing a command: what it changes in its bank or rank, in the timing history, in counters and managers."""

from __future__ import annotations

from archgym.simulators.dram.banks import raise_readiness, remove
from archgym.simulators.dram.commands import (
    ACT,
    COUNT,
    PDEA,
    PDEP,
    PDXA,
    PDXP,
    PRE,
    PREA,
    PRESB,
    RD,
    RDA,
    REFA,
    REFB,
    REFSB,
    SREFEN,
    WRA,
)
from archgym.simulators.dram.energy_counters import account, add_auto_precharge
from archgym.simulators.dram.handshake import accept, may_accept, wake_for_data
from archgym.simulators.dram.layout import (
    A_READS,
    ALL_BANK,
    B_ACTIVE,
    B_BLOCKED,
    B_COMMAND,
    B_CURRENT,
    B_GROUP_LAST,
    B_KEEP,
    B_OPENING,
    B_RANK,
    B_RANK_NUMBER,
    B_ROW,
    B_SIZE,
    B_SLEEPING,
    C_COLUMN_BUS,
    C_COUNTS,
    C_DIRTY,
    C_HITS,
    C_LAST_COMMAND,
    C_LAST_COMMAND_TIME,
    C_LAST_WRITE,
    C_NEXT_CAS,
    C_RESPONSE_TAIL,
    C_ROW_BUS,
    C_WRITE_MODE,
    FR_FCFS_GRP,
    G_PROGRESS,
    GRP_FR_FCFS,
    GRP_FR_FCFS_WM,
    N_ID,
    N_REQUEST,
    N_ROW,
    N_SIZE,
    N_WRITE,
    P_BANK,
    P_BANK_LAST,
    P_BANKS,
    P_BANKS_PER_GROUP,
    P_BUSES,
    P_ENERGY,
    P_NODES,
    P_POWER_DOWN,
    P_RANK,
    P_REFRESH,
    P_RESPONSE_REORDER,
    P_RESPONSES,
    P_RING,
    P_SCHEDULER,
    P_TCK,
    R_CHOSEN,
    R_LAST,
    R_OPEN,
    R_READY,
    R_ROUND,
    R_SIZE,
    R_WAITING,
    R_WINDOW,
    R_WINDOW_COUNT,
    SAME_BANK,
    T_COUNTED,
    T_DATA_END,
    T_LENGTH,
    T_WINDOW,
)
from archgym.simulators.dram.managers import update_power_down, update_refresh
from archgym.simulators.dram.native import apart, inner


@inner
def _update_bank(S, bank, command):
    """Follow a rank's command that reached a bank."""
    if command in (PRE, PREA, PRESB):
        S[bank + B_ACTIVE] = 0
        S[bank + B_KEEP] = 0
    elif command in (PDEA, PDEP, SREFEN):
        S[bank + B_SLEEPING] = 1
    elif command in (REFA, REFB, REFSB):
        S[bank + B_SLEEPING] = 0
        S[bank + B_BLOCKED] = 0
    elif command in (PDXA, PDXP):
        S[bank + B_SLEEPING] = 0


@inner
def _record(P, T, S, channel, rank, command, now):
    """Insert a command into the history of its channel and rank."""
    bus = now + T[T_LENGTH + command]
    if P[P_BUSES] == 2 and RD <= command <= WRA:
        S[channel + C_COLUMN_BUS] = bus
    else:
        S[channel + C_ROW_BUS] = bus
    S[channel + C_COUNTS + command] += 1
    S[channel + C_LAST_COMMAND] = command
    S[channel + C_LAST_COMMAND_TIME] = now
    S[rank + R_LAST + command] = now
    if T[T_COUNTED + command] == 1:
        count = S[rank + R_WINDOW_COUNT]
        S[rank + R_WINDOW + (count & 3)] = bus - P[P_TCK]
        S[rank + R_WINDOW_COUNT] = count + 1
        if count >= 3:
            ready = S[rank + R_WINDOW + ((count + 1) & 3)] + T[T_WINDOW + ACT]
            S[rank + R_READY + ACT] = max(S[rank + R_READY + ACT], ready)


@inner
def _record_at_bank(P, T, S, number, bank_number, bank, command, now):
    """Insert a command into the history of one of the banks that it reached."""
    if P[P_REFRESH] > ALL_BANK:  # the history is asked for refreshes of single banks only
        S[P[P_BANK_LAST] + bank_number * COUNT + command] = now
        S[S[bank + B_GROUP_LAST] + command] = now
    raise_readiness(P, T, S, number, bank, command, now)


@apart
def issue_rank_command(P, T, S, channel, number, rank_number, command, now):
    """A refresh or power-down manager's command: to one bank, one set of banks, or all banks of the rank."""
    rank = P[P_RANK] + rank_number * R_SIZE
    first, step = rank_number * P[P_BANKS], 1
    whole_rank = command != PRE and command != REFB and command != PRESB and command != REFSB
    if not whole_rank:
        first += S[rank + R_CHOSEN]
        step = P[P_BANKS_PER_GROUP] if P[P_REFRESH] == SAME_BANK else P[P_BANKS]
    for bank_number in range(first, (rank_number + 1) * P[P_BANKS], step):
        bank = P[P_BANK] + bank_number * B_SIZE
        _update_bank(S, bank, command)
        if not whole_rank:
            _record_at_bank(P, T, S, number, bank_number, bank, command, now)
    update_refresh(P, S, rank, command, now)
    if P[P_POWER_DOWN] == 1:
        update_power_down(S, rank, command)
    _record(P, T, S, channel, rank, command, now)
    if whole_rank:
        raise_readiness(P, T, S, number, P[P_BANK] + first * B_SIZE, command, now)
    if command == REFB:
        S[rank + R_ROUND] = (S[rank + R_ROUND] + 1) % P[P_BANKS]
    if P[P_ENERGY] == 1:
        account(P, S, rank_number, first, command, now)
    S[channel + C_DIRTY] = 1


@inner
def _open_or_close(P, S, bank, rank, node, command):
    """What an activation or precharge changes; a row hit, miss or conflict is what the next access had to wait for."""
    if command == ACT:
        S[bank + B_ACTIVE] = 1
        S[bank + B_ROW] = S[P[P_NODES] + node * N_SIZE + N_ROW]
        S[bank + B_KEEP] = 1
        S[bank + B_OPENING] = max(1, S[bank + B_OPENING])
        S[rank + R_OPEN] += 1
    else:
        S[bank + B_ACTIVE] = 0
        S[bank + B_KEEP] = 0
        S[bank + B_OPENING] = 2
        S[rank + R_OPEN] -= 1


@apart
def _close_after(P, S, channel, bank, rank, command, now):
    """The precharge inside a read or write with auto-precharge."""
    S[bank + B_ACTIVE] = 0
    S[rank + R_OPEN] -= 1
    if P[P_ENERGY] == 1:
        add_auto_precharge(P, S, channel, bank, command, now)


@inner
def _queue_data(P, T, S, channel, number, request, write, identity, now):
    """Put the response of a read or write in its line."""
    if P[P_RESPONSE_REORDER] == 0:
        identity = S[channel + C_RESPONSE_TAIL]
        S[channel + C_RESPONSE_TAIL] = identity + 1
    ring = P[P_RING]
    place = P[P_RESPONSES] + 2 * (number * ring + (identity & (ring - 1)))
    S[place] = now + T[T_DATA_END + write]
    S[place + 1] = request
    wake_for_data(P, S, channel, number, now)


@inner
def issue_bank_command(P, T, S, channel, number, bank_number, now, where, addresses):
    """A bank machine's command; a read or write makes room for the offered request."""
    bank = P[P_BANK] + bank_number * B_SIZE
    rank, rank_number = S[bank + B_RANK], S[bank + B_RANK_NUMBER]
    command, node = S[bank + B_COMMAND], S[bank + B_CURRENT]
    _record(P, T, S, channel, rank, command, now)
    _record_at_bank(P, T, S, number, bank_number, bank, command, now)
    if P[P_POWER_DOWN] == 1:
        update_power_down(S, rank, command)
    if command < RD:
        _open_or_close(P, S, bank, rank, node, command)
        if P[P_ENERGY] == 1:
            account(P, S, rank_number, bank_number, command, now)
        return
    S[channel + C_HITS + S[bank + B_OPENING]] += 1
    S[bank + B_OPENING] = 0
    S[bank + B_CURRENT] = -1
    S[bank + B_KEEP] = 0
    place = P[P_NODES] + node * N_SIZE
    request, write, identity = S[place + N_REQUEST], S[place + N_WRITE], S[place + N_ID]
    S[rank + A_READS + write] += 1
    if command >= RDA:
        _close_after(P, S, channel, bank, rank, command, now)
    S[channel + C_NEXT_CAS] += 1
    direction, mode = S[channel + C_LAST_WRITE], S[channel + C_WRITE_MODE]
    remove(P, S, channel, bank, node)
    if may_accept(P, S, channel, now):
        accept(P, T, S, channel, now, where, addresses)
    scheduler = P[P_SCHEDULER]
    if (scheduler in (FR_FCFS_GRP, GRP_FR_FCFS)) and write != direction:
        S[channel + C_DIRTY] = 1
    if scheduler == GRP_FR_FCFS_WM and S[channel + C_WRITE_MODE] != mode:
        S[channel + C_DIRTY] = 1
    _queue_data(P, T, S, channel, number, request, write, identity, now)
    S[rank + R_WAITING] -= 1
    S[G_PROGRESS] = now
