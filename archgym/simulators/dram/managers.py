# mypy: disallow-untyped-defs=False
"""Refresh and power-down managers of a rank: when refreshes are due, postponed or pulled in; when the rank sleeps.

Each is evaluated before and after a command is chosen and leaves its wish in the rank's block: a command, its
earliest time, and for bank refreshes the set of banks.
"""

from __future__ import annotations

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
    REFA,
    REFB,
    REFSB,
    SREFEN,
    SREFEX,
)
from archgym.simulators.dram.layout import (
    ALL_BANK,
    B_ACTIVE,
    B_BLOCKED,
    B_CURRENT,
    B_SIZE,
    C_DIRTY,
    C_ROW_BUS,
    D_COMMAND,
    D_ENTRY,
    D_EXIT,
    D_IDLE,
    D_OPEN,
    D_SELF,
    D_STATE,
    D_TIME,
    NEVER,
    P_BANK,
    P_BANK_LAST,
    P_BANKS,
    P_BANKS_PER_GROUP,
    P_GROUP_LAST,
    P_INTERVAL,
    P_POSTPONED,
    P_POWER_DOWN,
    P_PULLED_IN,
    P_RANK,
    P_RANKS,
    P_REFRESH,
    P_SETS,
    PD_ACTIVE,
    PD_EXTRA_REFRESH,
    PD_IDLE,
    PD_PRECHARGED,
    PD_SELF_REFRESH,
    PER_BANK,
    R_BALANCE,
    R_CHOSEN,
    R_COMMAND,
    R_DUE,
    R_LAST,
    R_OPEN,
    R_PULLED_IN,
    R_REMAINING,
    R_ROUND,
    R_SIZE,
    R_SKIP,
    R_SLEEPING,
    R_TIME,
    R_WINDOW,
    R_WINDOW_COUNT,
    SAME_BANK,
    T_BANK,
    T_GROUP,
    T_OTHER,
    T_RANK,
    T_ROUND,
    T_WINDOW,
)
from archgym.simulators.dram.native import apart, inner


@inner
def earliest_of_rank(P, T, S, channel, rank_number, command, bank_number, now):
    """When a command may issue by the full history; ``bank_number`` is -1 for commands of a whole rank."""
    time = max(now, S[channel + C_ROW_BUS])
    first = rank_number - rank_number % P[P_RANKS]
    for other in range(first, first + P[P_RANKS]):
        table = T_RANK if other == rank_number else T_OTHER
        last = P[P_RANK] + other * R_SIZE + R_LAST
        for previous in range(COUNT):
            time = max(time, S[last + previous] + T[table + previous * COUNT + command])
    rank = P[P_RANK] + rank_number * R_SIZE
    if bank_number >= 0:
        last = P[P_BANK_LAST] + bank_number * COUNT
        of_group = P[P_GROUP_LAST] + bank_number // P[P_BANKS_PER_GROUP] * COUNT
        for previous in range(COUNT):
            time = max(time, S[last + previous] + T[T_BANK + previous * COUNT + command])
            time = max(time, S[of_group + previous] + T[T_GROUP + previous * COUNT + command])
        if S[rank + R_WINDOW_COUNT] >= 4:
            oldest = S[rank + R_WINDOW + (S[rank + R_WINDOW_COUNT] & 3)]
            time = max(time, oldest + T[T_WINDOW + command])
        if command == REFB:
            time = max(time, S[rank + R_LAST + REFB] + T[T_ROUND + (S[rank + R_ROUND] == 0)])
    return time


@inner
def _set_step(P):
    """Distance between the banks of one refresh set, and the number of them in a rank."""
    return P[P_BANKS_PER_GROUP] if P[P_REFRESH] == SAME_BANK else P[P_BANKS]


@inner
def _set_is_idle(P, S, first_bank, chosen):
    for number in range(chosen, P[P_BANKS], _set_step(P)):
        if S[P[P_BANK] + (first_bank + number) * B_SIZE + B_CURRENT] >= 0:
            return False
    return True


@inner
def _postpone_or_leave(P, S, rank):
    """The rank is busy: a regular refresh is postponed; pulling in ends."""
    if S[rank + R_PULLED_IN] == 0:
        S[rank + R_BALANCE] += 1
    S[rank + R_PULLED_IN] = 0
    S[rank + R_DUE] += P[P_INTERVAL]


@inner
def _block(P, S, channel, number):
    """Stop a bank from wanting commands; the command it already wants may still issue in this run."""
    bank = P[P_BANK] + number * B_SIZE
    if S[bank + B_BLOCKED] == 0:
        S[bank + B_BLOCKED] = 1
        S[channel + C_DIRTY] = 1


@inner
def _choose_all_banks(P, S, channel, rank, first_bank):
    """All-bank refresh: the command wished for, -1 if the refresh is put off."""
    if S[rank + R_PULLED_IN] == 0 and S[rank + R_BALANCE] >= P[P_POSTPONED]:
        for number in range(first_bank, first_bank + P[P_BANKS]):
            _block(P, S, channel, number)
    else:
        for number in range(first_bank, first_bank + P[P_BANKS]):
            if S[P[P_BANK] + number * B_SIZE + B_CURRENT] >= 0:
                _postpone_or_leave(P, S, rank)
                return -1
    return PREA if S[rank + R_OPEN] > 0 and S[rank + R_PULLED_IN] == 0 else REFA


@inner
def _choose_bank_set(P, S, channel, rank, first_bank):
    """Per-bank and same-bank refresh: picks the first idle set of those not yet refreshed in this round."""
    pulled_in = S[rank + R_PULLED_IN] == 1
    forced = not pulled_in and S[rank + R_BALANCE] >= P[P_POSTPONED] * P[P_SETS]
    all_busy = True
    if pulled_in or S[rank + R_SKIP] == 0:
        remaining, first = S[rank + R_REMAINING], -1
        for number in range(P[P_SETS]):
            if (remaining >> number) & 1:
                if first < 0:
                    first = number
                if _set_is_idle(P, S, first_bank, number):
                    S[rank + R_CHOSEN] = number
                    all_busy = False
                    break
        if all_busy and not pulled_in:
            S[rank + R_CHOSEN] = first
    if all_busy and not forced:
        _postpone_or_leave(P, S, rank)
        return -1
    chosen = S[rank + R_CHOSEN]
    for number in range(chosen, P[P_BANKS], _set_step(P)):
        if S[P[P_BANK] + (first_bank + number) * B_SIZE + B_ACTIVE] == 1:
            return PRE if P[P_REFRESH] == PER_BANK else PRESB
    if forced:
        for number in range(chosen, P[P_BANKS], _set_step(P)):
            _block(P, S, channel, first_bank + number)
        S[rank + R_SKIP] = 1
    return REFB if P[P_REFRESH] == PER_BANK else REFSB


@apart
def evaluate_refresh(P, T, S, channel, rank_number, now):
    """Decide what the refresh manager of a rank wants; returns when it wants to be asked again."""
    rank = P[P_RANK] + rank_number * R_SIZE
    S[rank + R_COMMAND] = -1
    S[rank + R_TIME] = NEVER
    if now < S[rank + R_DUE]:
        return S[rank + R_DUE]
    if P[P_POWER_DOWN] == 1:
        interrupt(S, rank)
    if S[rank + R_SLEEPING] == 1:
        return NEVER
    if now >= S[rank + R_DUE] + P[P_INTERVAL]:
        S[rank + R_DUE] += P[P_INTERVAL]
        S[rank + R_PULLED_IN] = 0
    first_bank = rank_number * P[P_BANKS]
    if P[P_REFRESH] == ALL_BANK:
        command = _choose_all_banks(P, S, channel, rank, first_bank)
    else:
        command = _choose_bank_set(P, S, channel, rank, first_bank)
    if command < 0:
        return S[rank + R_DUE]
    time = now
    if command in (PREA, REFA):
        time = earliest_of_rank(P, T, S, channel, rank_number, command, -1, now)
    else:
        for number in range(S[rank + R_CHOSEN], P[P_BANKS], _set_step(P)):
            of_bank = earliest_of_rank(P, T, S, channel, rank_number, command, first_bank + number, now)
            time = max(time, of_bank)
    S[rank + R_COMMAND] = command
    S[rank + R_TIME] = time
    return time


@inner
def update_refresh(P, S, rank, command, now):
    """Follow a command that a refresh or power-down manager issued."""
    if P[P_REFRESH] == 0:
        return
    if command == PRE:
        S[rank + R_OPEN] -= 1
    elif command == PREA:
        S[rank + R_OPEN] = 0
    elif command in (PDEA, PDEP):
        S[rank + R_SLEEPING] = 1
    elif command == SREFEN:
        S[rank + R_SLEEPING] = 1
        S[rank + R_DUE] = NEVER
    elif command in (PDXA, PDXP):
        S[rank + R_SLEEPING] = 0
    elif command == REFA and (S[rank + R_SLEEPING] == 1 or P[P_REFRESH] != ALL_BANK):
        S[rank + R_PULLED_IN] = 0
        S[rank + R_SLEEPING] = 0
        S[rank + R_DUE] = now + P[P_INTERVAL]
    elif command in (REFA, REFB, REFSB):
        if command != REFA:
            S[rank + R_SKIP] = 0
            S[rank + R_REMAINING] &= ~(1 << S[rank + R_CHOSEN])
            if S[rank + R_REMAINING] == 0:
                S[rank + R_REMAINING] = (1 << P[P_SETS]) - 1
        if S[rank + R_PULLED_IN] == 1:
            S[rank + R_BALANCE] -= 1
        else:
            S[rank + R_PULLED_IN] = 1
        if S[rank + R_BALANCE] <= -P[P_PULLED_IN] * (1 if command == REFA else P[P_SETS]):
            S[rank + R_PULLED_IN] = 0
            S[rank + R_DUE] += P[P_INTERVAL]


@inner
def interrupt(S, rank):
    """A refresh or a request is waiting: do not enter power-down, leave it if entered."""
    S[rank + D_ENTRY] = 0
    if S[rank + D_STATE] != PD_IDLE:
        S[rank + D_EXIT] = 1


@inner
def request_exit(S, rank):
    """The first request for an idle rank has come."""
    S[rank + D_IDLE] = 0
    S[rank + D_SELF] = 0
    interrupt(S, rank)


@inner
def request_entry(S, rank):
    """The last request of the rank was served."""
    S[rank + D_IDLE] = 1
    if S[rank + D_STATE] == PD_IDLE:
        S[rank + D_ENTRY] = 1


@apart
def evaluate_power_down(P, T, S, channel, rank_number, now):
    """Decide what the power-down manager of a rank wants; returns its earliest time."""
    rank = P[P_RANK] + rank_number * R_SIZE
    command = -1
    if S[rank + D_EXIT] == 1:
        state = S[rank + D_STATE]
        if state == PD_ACTIVE:
            command = PDXA
        elif state == PD_PRECHARGED:
            command = PDXP
        elif state == PD_SELF_REFRESH:
            command = SREFEX
        else:
            command = REFA
    elif S[rank + D_ENTRY] == 1:
        command = PDEA if S[rank + D_OPEN] != 0 else PDEP
    elif S[rank + D_SELF] == 1:
        command = SREFEN
    time = NEVER
    if command >= 0:
        time = earliest_of_rank(P, T, S, channel, rank_number, command, -1, now)
    S[rank + D_COMMAND] = command
    S[rank + D_TIME] = time
    return time


@apart
def update_power_down(S, rank, command):
    """Follow a command that was issued to the rank. Auto-precharges are not counted (as in the reference)."""
    if command == ACT:
        S[rank + D_OPEN] += 1
    elif command == PRE:
        S[rank + D_OPEN] -= 1
    elif command == PREA:
        S[rank + D_OPEN] = 0
    elif command in (PDEA, PDEP):
        S[rank + D_STATE] = PD_ACTIVE if command == PDEA else PD_PRECHARGED
        S[rank + D_ENTRY] = 0
    elif command == SREFEN:
        S[rank + D_STATE] = PD_SELF_REFRESH
        S[rank + D_ENTRY] = 0
        S[rank + D_SELF] = 0
    elif command in (PDXA, PDXP):
        S[rank + D_STATE] = PD_IDLE
        S[rank + D_EXIT] = 0
        if command == PDXP and S[rank + D_IDLE] == 1:
            S[rank + D_SELF] = 1
    elif command == SREFEX:
        S[rank + D_STATE] = PD_EXTRA_REFRESH
    elif command == REFA and S[rank + D_STATE] == PD_EXTRA_REFRESH:
        S[rank + D_STATE] = PD_IDLE
        S[rank + D_EXIT] = 0
    elif (command in (REFA, REFB, REFSB)) and S[rank + D_IDLE] == 1:
        S[rank + D_ENTRY] = 1
