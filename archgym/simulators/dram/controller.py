# mypy: disallow-untyped-defs=False
"""One run of a channel's controller: responses, requests, refresh, power-down, one command, the next wake-up.

A controller is run when one of its wake-ups fires. Runs in which nothing can change are left early; that changes no
result, since what a bank wants and may do depends only on earlier commands and accepted requests.
"""

from __future__ import annotations

from archgym.simulators.dram.address_map import ROW_SHIFT
from archgym.simulators.dram.banks import (
    earliest,
    evaluate,
    evaluate_one,
    find_best,
    has_space,
    raise_readiness,
    remove,
    store,
)
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
from archgym.simulators.dram.energy_counters import account
from archgym.simulators.dram.events import notify, send
from archgym.simulators.dram.layout import (
    B_ACTIVE,
    B_BLOCKED,
    B_COMMAND,
    B_CURRENT,
    B_KEEP,
    B_OPENING,
    B_ROW,
    B_SIZE,
    B_SLEEPING,
    BEGIN_RESPONSE,
    C_BEST_BANK,
    C_BEST_TIME,
    C_CACHED,
    C_CANDIDATES,
    C_COLUMN_BUS,
    C_COUNTS,
    C_DIRTY,
    C_DUE,
    C_HITS,
    C_IN_FLIGHT,
    C_LAST_COMMAND,
    C_LAST_COMMAND_TIME,
    C_LAST_WRITE,
    C_NEXT_CAS,
    C_NEXT_ID,
    C_NEXT_TIME,
    C_OFFER_FROM,
    C_OFFERED,
    C_OUTSTANDING,
    C_RESPONSE_END,
    C_RESPONSE_HEAD,
    C_RESPONSE_TAIL,
    C_ROW_BUS,
    C_SIZE,
    C_WRITE_MODE,
    D_COMMAND,
    D_TIME,
    E_ARBITER,
    E_FIRST,
    END_REQUEST,
    FR_FCFS_GRP,
    G_PROGRESS,
    GRP_FR_FCFS,
    GRP_FR_FCFS_WM,
    N_ID,
    N_REQUEST,
    N_ROW,
    N_SIZE,
    N_WRITE,
    NEVER,
    P_ARBITER_QUEUE,
    P_BANK,
    P_BANK_LAST,
    P_BANKS,
    P_BANKS_PER_GROUP,
    P_BUSES,
    P_CANDIDATES,
    P_CHANNEL,
    P_ENERGY,
    P_EQUAL_LENGTHS,
    P_GROUP_LAST,
    P_NODES,
    P_POWER_DOWN,
    P_RANK,
    P_RANKS,
    P_REFRESH,
    P_RESPONSE_REORDER,
    P_RESPONSES,
    P_RING,
    P_SCHEDULER,
    P_STRICT,
    P_TCK,
    R_CHOSEN,
    R_COMMAND,
    R_DUE,
    R_LAST,
    R_READY,
    R_ROUND,
    R_SIZE,
    R_TIME,
    R_WAITING,
    R_WINDOW,
    R_WINDOW_COUNT,
    SAME_BANK,
    T_COUNTED,
    T_DATA_END,
    T_LENGTH,
    T_WINDOW,
    W_DATA,
    W_SELF,
    WAKE_UPS,
)
from archgym.simulators.dram.managers import (
    evaluate_power_down,
    evaluate_refresh,
    request_entry,
    request_exit,
    update_power_down,
    update_refresh,
)
from archgym.simulators.dram.native import inner

BANK_MASK = (1 << 16) - 1
OF_REFRESH, OF_POWER_DOWN = 1, 2
"""What `_select` found, beside a bank's number: kinds are kept in the upper bits of its answer."""
KIND_SHIFT = 32


@inner
def _wake_for_data(P, S, channel, number, now):
    """Wake when the data of the response that is next in line ends, if that lies ahead."""
    place = _response_place(P, S, channel, number)
    end = S[place]
    if end > now:
        notify(P, S, E_FIRST + number * WAKE_UPS + W_DATA, end)


@inner
def _response_place(P, S, channel, number):
    ring = P[P_RING]
    return P[P_RESPONSES] + 2 * (number * ring + (S[channel + C_RESPONSE_HEAD] & (ring - 1)))


@inner
def _start_response(P, S, channel, number, now, delay):
    """Send the response that is next in line, if its data have ended."""
    place = _response_place(P, S, channel, number)
    end = S[place]
    if end == 0:
        return
    if end > now:
        _wake_for_data(P, S, channel, number, now)
        return
    request = S[place + 1]
    S[place] = 0
    S[channel + C_RESPONSE_HEAD] += 1
    S[channel + C_OUTSTANDING] = request
    S[channel + C_RESPONSE_END] = NEVER
    send(P, S, P[P_ARBITER_QUEUE], E_ARBITER, now + delay, BEGIN_RESPONSE, request)


@inner
def _manage_responses(P, S, channel, number, now):
    if S[channel + C_OUTSTANDING] >= 0:
        if S[channel + C_RESPONSE_END] == now:
            S[channel + C_OUTSTANDING] = -1
            S[channel + C_IN_FLIGHT] -= 1
            if S[channel + C_IN_FLIGHT] > 0:
                _start_response(P, S, channel, number, now, P[P_TCK])
    else:
        delay = P[P_TCK] if S[channel + C_RESPONSE_END] == now else 0
        _start_response(P, S, channel, number, now, delay)


@inner
def _accept(P, T, S, channel, now, where, addresses):
    """Take the offered request into the scheduler if there is space."""
    request = S[channel + C_OFFERED]
    if request < 0 or S[channel + C_OFFER_FROM] > now or not has_space(P, S, channel):
        return False
    place = where[request]
    bank_number = place & BANK_MASK
    rank = P[P_RANK] + bank_number // P[P_BANKS] * R_SIZE
    S[channel + C_OFFERED] = -1
    S[channel + C_IN_FLIGHT] += 1
    if P[P_POWER_DOWN] == 1 and S[rank + R_WAITING] == 0:
        request_exit(S, rank)
    S[rank + R_WAITING] += 1
    identity = S[channel + C_NEXT_ID]
    S[channel + C_NEXT_ID] = identity + 1
    mode = S[channel + C_WRITE_MODE]
    store(P, S, channel, bank_number, request, place >> ROW_SHIFT, (place >> 16) & 1, identity)
    if P[P_SCHEDULER] == GRP_FR_FCFS_WM and S[channel + C_WRITE_MODE] != mode:
        S[channel + C_DIRTY] = 1  # the other banks turn to the other direction at the end of this run
    evaluate_one(P, T, S, channel, bank_number, now, addresses)
    send(P, S, P[P_ARBITER_QUEUE], E_ARBITER, now, END_REQUEST, request)
    return True


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
        if S[P[P_RANK] + bank_number // P[P_BANKS] * R_SIZE + D_COMMAND] >= 0:
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


@inner
def _update_bank(P, S, bank, command):
    """Follow a command that reached a bank."""
    if command == ACT:
        S[bank + B_ACTIVE] = 1
        S[bank + B_ROW] = S[P[P_NODES] + S[bank + B_CURRENT] * N_SIZE + N_ROW]
        S[bank + B_KEEP] = 1
    elif command in (PRE, PREA, PRESB):
        S[bank + B_ACTIVE] = 0
        S[bank + B_KEEP] = 0
    elif command <= WRA:
        S[bank + B_CURRENT] = -1
        S[bank + B_KEEP] = 0
        if command >= RDA:
            S[bank + B_ACTIVE] = 0
    elif command in (PDEA, PDEP, SREFEN):
        S[bank + B_SLEEPING] = 1
    elif command in (REFA, REFB, REFSB):
        S[bank + B_SLEEPING] = 0
        S[bank + B_BLOCKED] = 0
    elif command in (PDXA, PDXP):
        S[bank + B_SLEEPING] = 0


@inner
def _count_outcome(S, channel, bank, command):
    """Row hits, misses and conflicts: what the first read or write after an activation had to wait for."""
    if command == PRE:
        S[bank + B_OPENING] = 2
    elif command == ACT:
        S[bank + B_OPENING] = max(1, S[bank + B_OPENING])
    else:
        S[channel + C_HITS + S[bank + B_OPENING]] += 1
        S[bank + B_OPENING] = 0


@inner
def _record(P, T, S, channel, number, rank_number, first, step, command, now):
    """Insert a command into the timing history of its banks (``first``, every ``step``-th; none if negative)."""
    rank = P[P_RANK] + rank_number * R_SIZE
    bus = now + T[T_LENGTH + command]
    if P[P_BUSES] == 2 and RD <= command <= WRA:
        S[channel + C_COLUMN_BUS] = bus
    else:
        S[channel + C_ROW_BUS] = bus
    S[channel + C_COUNTS + command] += 1
    S[channel + C_LAST_COMMAND] = command
    S[channel + C_LAST_COMMAND_TIME] = now
    S[rank + R_LAST + command] = now
    if first < 0:
        raise_readiness(P, T, S, number, rank_number * P[P_BANKS], rank_number, command, now)
    else:
        for bank_number in range(first, (rank_number + 1) * P[P_BANKS], step):
            S[P[P_BANK_LAST] + bank_number * COUNT + command] = now
            S[P[P_GROUP_LAST] + bank_number // P[P_BANKS_PER_GROUP] * COUNT + command] = now
            raise_readiness(P, T, S, number, bank_number, rank_number, command, now)
    if T[T_COUNTED + command] == 1:
        count = S[rank + R_WINDOW_COUNT]
        S[rank + R_WINDOW + (count & 3)] = bus - P[P_TCK]
        S[rank + R_WINDOW_COUNT] = count + 1
        if count >= 3:
            ready = S[rank + R_WINDOW + ((count + 1) & 3)] + T[T_WINDOW + ACT]
            S[rank + R_READY + ACT] = max(S[rank + R_READY + ACT], ready)
    if command == REFB:
        S[rank + R_ROUND] = (S[rank + R_ROUND] + 1) % P[P_BANKS]


@inner
def _issue_rank_command(P, T, S, channel, number, rank_number, command, now):
    """A refresh or power-down manager's command: to one bank, one set of banks, or all banks of the rank."""
    rank = P[P_RANK] + rank_number * R_SIZE
    first, step = rank_number * P[P_BANKS], 1
    whole_rank = command != PRE and command != REFB and command != PRESB and command != REFSB
    if not whole_rank:
        first += S[rank + R_CHOSEN]
        step = P[P_BANKS_PER_GROUP] if P[P_REFRESH] == SAME_BANK else P[P_BANKS]
    for bank_number in range(first, (rank_number + 1) * P[P_BANKS], step):
        _update_bank(P, S, P[P_BANK] + bank_number * B_SIZE, command)
    update_refresh(P, S, rank, command, now)
    if P[P_POWER_DOWN] == 1:
        update_power_down(S, rank, command)
    _record(P, T, S, channel, number, rank_number, -1 if whole_rank else first, step, command, now)
    if P[P_ENERGY] == 1:
        account(P, S, channel, rank_number, first, command, now)
    S[channel + C_DIRTY] = 1


@inner
def _issue_bank_command(P, T, S, channel, number, bank_number, now, where, addresses):
    bank = P[P_BANK] + bank_number * B_SIZE
    rank_number = bank_number // P[P_BANKS]
    rank = P[P_RANK] + rank_number * R_SIZE
    command, node = S[bank + B_COMMAND], S[bank + B_CURRENT]
    _count_outcome(S, channel, bank, command)
    _update_bank(P, S, bank, command)
    update_refresh(P, S, rank, command, now)
    if P[P_POWER_DOWN] == 1:
        update_power_down(S, rank, command)
    _record(P, T, S, channel, number, rank_number, bank_number, P[P_BANKS], command, now)
    if P[P_ENERGY] == 1:
        account(P, S, channel, rank_number, bank_number, command, now)
    if command < RD:
        return
    place = P[P_NODES] + node * N_SIZE
    request, write, identity = S[place + N_REQUEST], S[place + N_WRITE], S[place + N_ID]
    S[channel + C_NEXT_CAS] += 1
    direction, mode = S[channel + C_LAST_WRITE], S[channel + C_WRITE_MODE]
    remove(P, S, channel, bank, node)
    _accept(P, T, S, channel, now, where, addresses)
    scheduler = P[P_SCHEDULER]
    if (scheduler in (FR_FCFS_GRP, GRP_FR_FCFS)) and write != direction:
        S[channel + C_DIRTY] = 1
    if scheduler == GRP_FR_FCFS_WM and S[channel + C_WRITE_MODE] != mode:
        S[channel + C_DIRTY] = 1
    if P[P_RESPONSE_REORDER] == 0:
        identity = S[channel + C_RESPONSE_TAIL]
        S[channel + C_RESPONSE_TAIL] = identity + 1
    ring = P[P_RING]
    place = P[P_RESPONSES] + 2 * (number * ring + (identity & (ring - 1)))
    S[place] = now + T[T_DATA_END + write]
    S[place + 1] = request
    _wake_for_data(P, S, channel, number, now)
    S[rank + R_WAITING] -= 1
    S[G_PROGRESS] = now


@inner
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


@inner
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
            _issue_bank_command(P, T, S, channel, number, place, now, where, addresses)
            evaluate(P, S, channel, place, addresses)
        else:
            rank = P[P_RANK] + rank_number * R_SIZE
            command = S[rank + R_COMMAND] if kind == OF_REFRESH else S[rank + D_COMMAND]
            _issue_rank_command(P, T, S, channel, number, rank_number, command, now)
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


@inner
def run_controller(P, T, S, number, now, where, addresses):
    """One run of channel ``number``'s controller."""
    channel = P[P_CHANNEL] + number * C_SIZE
    _manage_responses(P, S, channel, number, now)
    accepted = _accept(P, T, S, channel, now, where, addresses)
    simple = P[P_EQUAL_LENGTHS] == 1 and P[P_POWER_DOWN] == 0 and now < S[channel + C_DUE]
    if not accepted and now < S[channel + C_NEXT_TIME] and S[channel + C_DIRTY] == 0:
        soonest = S[channel + C_NEXT_TIME]
    elif simple and S[channel + C_DIRTY] == 0:
        first = number * P[P_RANKS] * P[P_BANKS]
        if S[channel + C_CACHED] == 0:
            find_best(P, T, S, channel, first, now)
        if S[channel + C_BEST_TIME] <= now:
            bank_number = S[channel + C_BEST_BANK]
            _issue_bank_command(P, T, S, channel, number, bank_number, now, where, addresses)
            if S[channel + C_DIRTY] == 1:
                _evaluate_dirty(P, S, channel, number, addresses)
            else:
                evaluate(P, S, channel, bank_number, addresses)
            find_best(P, T, S, channel, first, now)
        soonest = min(S[channel + C_BEST_TIME], S[channel + C_DUE])
    else:
        soonest = _run_in_full(P, T, S, channel, number, now, where, addresses)
    S[channel + C_NEXT_TIME] = soonest
    if soonest < NEVER:
        notify(P, S, E_FIRST + number * WAKE_UPS + W_SELF, soonest)
