# mypy: disallow-untyped-defs=False
"""One run of a channel's controller: responses, requests, refresh, power-down, one command, the next wake-up.

A controller is run when one of its wake-ups fires. Runs in which nothing can change are left early; that changes no
result, since what a bank wants and may do depends only on earlier commands and accepted requests.
"""

from __future__ import annotations

from archgym.simulators.dram.banks import (
    earliest,
    evaluate,
    find_best,
)
from archgym.simulators.dram.commands import (
    RD,
)
from archgym.simulators.dram.events import notify_timed
from archgym.simulators.dram.handshake import ACCEPTED, AGAIN, accept, manage_responses, may_accept
from archgym.simulators.dram.issue import issue_bank_command, issue_rank_command
from archgym.simulators.dram.layout import (
    B_COMMAND,
    B_CURRENT,
    B_RANK,
    B_SIZE,
    C_BEST_BANK,
    C_BEST_TIME,
    C_CACHED,
    C_CANDIDATES,
    C_DIRTY,
    C_DUE,
    C_NEXT_CAS,
    C_NEXT_ID,
    C_NEXT_TIME,
    C_SIZE,
    D_COMMAND,
    D_TIME,
    E_FIRST,
    N_ID,
    N_SIZE,
    NEVER,
    P_BANK,
    P_BANKS,
    P_BUSES,
    P_CANDIDATES,
    P_CHANNEL,
    P_EQUAL_LENGTHS,
    P_NODES,
    P_POWER_DOWN,
    P_RANK,
    P_RANKS,
    P_REFRESH,
    P_STRICT,
    R_COMMAND,
    R_DUE,
    R_SIZE,
    R_TIME,
    R_WAITING,
    T_LENGTH,
    W_SELF,
    WAKE_UPS,
)
from archgym.simulators.dram.managers import (
    evaluate_power_down,
    evaluate_refresh,
    request_entry,
)
from archgym.simulators.dram.native import apart, inner

OF_REFRESH, OF_POWER_DOWN = 1, 2
"""What `_select` found, beside a bank's number: kinds are kept in the upper bits of its answer."""
KIND_SHIFT = 32


@inner
def _key(T, command, time, now):
    """End of a command that starts as soon as it may."""
    return max(time, now) + T[T_LENGTH + command]


@inner
def _select(P, T, S, channel, number, now):
    """The command to issue now by the full rules of the command multiplexer; -1 if none.

    Of all commands, also of those in the future, the one that would end first wins (then the oldest request), and it
    is issued if it starts now. With two buses the best row and the best column command compete by their start.
    """
    strict, two_buses = P[P_STRICT] == 1, P[P_BUSES] == 2
    row_key, row_id, row_start, row = NEVER, NEVER, NEVER, -1
    column_key, column_id, column_start, column = NEVER, NEVER, NEVER, -1
    for rank_number in range(number * P[P_RANKS], (number + 1) * P[P_RANKS]):
        rank = P[P_RANK] + rank_number * R_SIZE
        for kind in range(OF_REFRESH, OF_POWER_DOWN + 1):
            if kind == OF_POWER_DOWN:
                command, start, identity = S[rank + D_COMMAND], S[rank + D_TIME], NEVER
            else:
                command, start, identity = S[rank + R_COMMAND], S[rank + R_TIME], 0
            if command < 0 or (kind == OF_REFRESH and S[rank + D_COMMAND] >= 0):
                continue
            key = _key(T, command, start, now)
            if key < row_key or (key == row_key and identity < row_id):
                row_key, row_id, row_start, row = key, identity, max(start, now), (kind << KIND_SHIFT) | rank_number
    listed = P[P_CANDIDATES] + number * P[P_RANKS] * P[P_BANKS]
    for k in range(S[channel + C_CANDIDATES]):
        bank_number = S[listed + k]
        bank = P[P_BANK] + bank_number * B_SIZE
        if S[S[bank + B_RANK] + D_COMMAND] >= 0:
            continue
        command = S[bank + B_COMMAND]
        identity = S[P[P_NODES] + S[bank + B_CURRENT] * N_SIZE + N_ID]
        if strict and command >= RD and identity != S[channel + C_NEXT_CAS]:
            continue
        start = max(earliest(P, T, S, channel, bank, command), now)
        key = start + T[T_LENGTH + command]
        if two_buses and command >= RD:
            if key < column_key or (key == column_key and identity < column_id):
                column_key, column_id, column_start, column = key, identity, start, bank_number
        elif key < row_key or (key == row_key and identity < row_id):
            row_key, row_id, row_start, row = key, identity, start, bank_number
    if column_start < row_start or (column_start == row_start and column_id < row_id):
        row_start, row = column_start, column
    return row if row_start == now else -1


@apart
def _evaluate_dirty(P, S, channel, number, addresses):
    """Evaluate all banks of the channel."""
    first = number * P[P_RANKS] * P[P_BANKS]
    for bank_number in range(first, first + P[P_RANKS] * P[P_BANKS]):
        evaluate(P, S, channel, bank_number, addresses)
    S[channel + C_DIRTY] = 0


@inner
def _evaluate_managers(P, T, S, channel, number, now):
    """Ask all refresh and power-down managers; the earliest time any of them named."""
    soonest = NEVER
    due = NEVER
    for rank_number in range(number * P[P_RANKS], (number + 1) * P[P_RANKS]):
        if P[P_REFRESH] != 0:
            soonest = min(soonest, evaluate_refresh(P, T, S, channel, rank_number, now))
            due = min(due, S[P[P_RANK] + rank_number * R_SIZE + R_DUE])
    if P[P_POWER_DOWN] == 1:
        for rank_number in range(number * P[P_RANKS], (number + 1) * P[P_RANKS]):
            soonest = min(soonest, evaluate_power_down(P, T, S, channel, rank_number, now))
    S[channel + C_DUE] = due
    return soonest


@inner
def _soonest_manager_after(P, S, number, now):
    """The earliest time any manager named, leaving out what is due now (it was found blocked)."""
    soonest = NEVER
    for rank_number in range(number * P[P_RANKS], (number + 1) * P[P_RANKS]):
        rank = P[P_RANK] + rank_number * R_SIZE
        for time in (S[rank + R_TIME], S[rank + D_TIME], S[rank + R_DUE]):
            if time > now:
                soonest = min(soonest, time)
    return soonest


@inner
def _soonest_candidate(P, T, S, channel, number, now, blocked):
    """Earliest time of any bank's command; if the multiplexer was blocked, what could start now does not count."""
    soonest = NEVER
    listed = P[P_CANDIDATES] + number * P[P_RANKS] * P[P_BANKS]
    for k in range(S[channel + C_CANDIDATES]):
        bank = P[P_BANK] + S[listed + k] * B_SIZE
        time = max(now, earliest(P, T, S, channel, bank, S[bank + B_COMMAND]))
        if time > now or not blocked:
            soonest = min(soonest, time)
    return soonest


@inner
def _has_wish(P, S, channel, number):
    """Whether any machine of the channel wants a command."""
    if S[channel + C_CANDIDATES] > 0:
        return True
    for rank_number in range(number * P[P_RANKS], (number + 1) * P[P_RANKS]):
        rank = P[P_RANK] + rank_number * R_SIZE
        if S[rank + R_COMMAND] >= 0 or S[rank + D_COMMAND] >= 0:
            return True
    return False


@apart
def _run_in_full(P, T, S, channel, number, now, where, addresses):
    """Managers first, then the command multiplexer, then everything once more for the next wake-up."""
    _evaluate_managers(P, T, S, channel, number, now)
    wish = _has_wish(P, S, channel, number)
    chosen = _select(P, T, S, channel, number, now)
    if chosen >= 0:
        kind, place = chosen >> KIND_SHIFT, chosen & ((1 << KIND_SHIFT) - 1)
        rank_number = place
        if kind == 0:
            rank_number = place // P[P_BANKS]
            issue_bank_command(P, T, S, channel, number, place, now, where, addresses)
            evaluate(P, S, channel, place, addresses)
        else:
            rank = P[P_RANK] + rank_number * R_SIZE
            command = S[rank + R_COMMAND] if kind == OF_REFRESH else S[rank + D_COMMAND]
            issue_rank_command(P, T, S, channel, number, rank_number, command, now)
        rank = P[P_RANK] + rank_number * R_SIZE
        if P[P_POWER_DOWN] == 1 and S[rank + R_WAITING] == 0:
            request_entry(S, rank)
    changed = S[channel + C_DIRTY] == 1
    if changed:
        _evaluate_dirty(P, S, channel, number, addresses)
    blocked = wish and chosen < 0
    if blocked and changed:  # a new wish for now names no time, but may come true whenever the controller runs again
        S[channel + C_DIRTY] = 1
    soonest = _evaluate_managers(P, T, S, channel, number, now)
    if blocked and soonest <= now:
        soonest = _soonest_manager_after(P, S, number, now)
    S[channel + C_CACHED] = 0
    return min(soonest, _soonest_candidate(P, T, S, channel, number, now, blocked))


@apart
def _choose_and_issue(P, T, S, channel, number, accepted, now, where, addresses):
    """Accept the offered request, issue a command; when the controller is to run next."""
    if accepted:
        accept(P, T, S, channel, now, where, addresses)
    simple = P[P_EQUAL_LENGTHS] == 1 and P[P_POWER_DOWN] == 0 and now < S[channel + C_DUE]
    if not simple or S[channel + C_DIRTY] == 1:
        return _run_in_full(P, T, S, channel, number, now, where, addresses)
    first = number * P[P_RANKS] * P[P_BANKS]
    if S[channel + C_CACHED] == 0:
        find_best(P, T, S, channel, first, now)
    if S[channel + C_BEST_TIME] <= now:
        bank_number = S[channel + C_BEST_BANK]
        issue_bank_command(P, T, S, channel, number, bank_number, now, where, addresses)
        if S[channel + C_DIRTY] == 1:
            _evaluate_dirty(P, S, channel, number, addresses)
        else:
            evaluate(P, S, channel, bank_number, addresses)
        find_best(P, T, S, channel, first, now)
    return min(S[channel + C_BEST_TIME], S[channel + C_DUE])


@inner
def run_controller(P, T, S, number, now, where, addresses):
    """One run of channel ``number``'s controller; what it asks for in the next delta cycle, see `handshake.RESPONDED`."""
    channel = P[P_CHANNEL] + number * C_SIZE
    said = manage_responses(P, S, channel, number, now)
    accepted = may_accept(P, S, channel, now)
    soonest = S[channel + C_NEXT_TIME]
    if accepted or now >= soonest or S[channel + C_DIRTY] == 1:
        before = S[channel + C_NEXT_ID]
        soonest = _choose_and_issue(P, T, S, channel, number, accepted, now, where, addresses)
        S[channel + C_NEXT_TIME] = soonest
        if S[channel + C_NEXT_ID] != before:
            said |= ACCEPTED
        if soonest <= now:
            return said | AGAIN
    if soonest < NEVER:
        notify_timed(P, S, E_FIRST + number * WAKE_UPS + W_SELF, soonest)
    return said
