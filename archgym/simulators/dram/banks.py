# mypy: disallow-untyped-defs=False
"""Bank machines and scheduler: which request a bank works on, which command it wants, and when that may issue.

A bank that wants a command is in its channel's list of candidates. The earliest time of a command is the maximum of
what its bank, bank group, rank and the bus allow; each issued command raises these (`raise_readiness`).
"""

from __future__ import annotations

from archgym.simulators.dram.commands import ACT, BANK_COMMANDS, COUNT, PRE, RD, RDA
from archgym.simulators.dram.layout import (
    B_ACTIVE,
    B_BLOCKED,
    B_COMMAND,
    B_COUNT_QUEUED,
    B_CURRENT,
    B_FIRST,
    B_GROUP,
    B_HEAD,
    B_KEEP,
    B_PLACE,
    B_RANK,
    B_READY,
    B_ROW,
    B_SIZE,
    B_SLEEPING,
    B_TAIL,
    BANKWISE,
    C_BEST_BANK,
    C_BEST_ID,
    C_BEST_TIME,
    C_CACHED,
    C_CANDIDATES,
    C_COLUMN_BUS,
    C_FREE,
    C_LAST_BANK,
    C_LAST_WRITE,
    C_READS,
    C_ROW_BUS,
    C_WRITE_MODE,
    C_WRITES,
    CLOSED,
    FIFO,
    FR_FCFS,
    FR_FCFS_GRP,
    GRP_FR_FCFS,
    GRP_FR_FCFS_WM,
    N_ID,
    N_NEXT,
    N_PREVIOUS,
    N_REQUEST,
    N_ROW,
    N_SIZE,
    N_WRITE,
    NEVER,
    OPEN,
    OPEN_ADAPTIVE,
    P_BANK,
    P_BUFFER,
    P_BUFFER_SIZE,
    P_BUSES,
    P_CANDIDATES,
    P_GROUP_LIMITS,
    P_HIGH,
    P_LOW,
    P_NODES,
    P_PAGE,
    P_RANK,
    P_RANKS,
    P_SCHEDULER,
    R_READY,
    R_SIZE,
    READ_WRITE,
    T_BANK,
    T_CLASS,
    T_GROUP,
    T_OTHER,
    T_RANK,
)
from archgym.simulators.dram.native import apart, inner


@inner
def has_space(P, S, channel):
    """Whether the scheduler takes one more request. Bankwise asks the bank of the *last* accepted request."""
    size = P[P_BUFFER_SIZE]
    if P[P_BUFFER] == BANKWISE:
        return S[P[P_BANK] + S[channel + C_LAST_BANK] * B_SIZE + B_COUNT_QUEUED] < size
    if P[P_BUFFER] == READ_WRITE:
        return S[channel + C_READS] < size and S[channel + C_WRITES] < size
    return S[channel + C_READS] + S[channel + C_WRITES] < size


@inner
def _switch_direction(P, S, channel):
    """Watermarks: from reads to writes and back. Without branches, as their outcome is hard to predict."""
    reads, writes, mode = S[channel + C_READS], S[channel + C_WRITES], S[channel + C_WRITE_MODE]
    to_reads = int((writes <= P[P_LOW]) & (reads > 0))
    to_writes = int((writes > P[P_HIGH]) | (reads == 0))
    S[channel + C_WRITE_MODE] = mode & (1 - to_reads) | (1 - mode) & to_writes


@inner
def store(P, S, channel, bank_number, request, row, write, identity):
    """Append a request to its bank's list."""
    node = S[channel + C_FREE]
    place = P[P_NODES] + node * N_SIZE
    S[channel + C_FREE] = S[place + N_NEXT]
    bank = P[P_BANK] + bank_number * B_SIZE
    tail = S[bank + B_TAIL]
    S[place + N_NEXT] = -1
    S[place + N_PREVIOUS] = tail
    S[place + N_REQUEST] = request
    S[place + N_ROW] = row
    S[place + N_WRITE] = write
    S[place + N_ID] = identity
    if tail >= 0:
        S[P[P_NODES] + tail * N_SIZE + N_NEXT] = node
    else:
        S[bank + B_HEAD] = node
    S[bank + B_TAIL] = node
    S[bank + B_COUNT_QUEUED] += 1
    S[channel + C_LAST_BANK] = bank_number
    S[channel + C_READS + write] += 1
    _switch_direction(P, S, channel)


@inner
def remove(P, S, channel, bank, node):
    """Take a request out of its bank's list when its read or write issues."""
    place = P[P_NODES] + node * N_SIZE
    following, before, write = S[place + N_NEXT], S[place + N_PREVIOUS], S[place + N_WRITE]
    if before >= 0:
        S[P[P_NODES] + before * N_SIZE + N_NEXT] = following
    else:
        S[bank + B_HEAD] = following
    if following >= 0:
        S[P[P_NODES] + following * N_SIZE + N_PREVIOUS] = before
    else:
        S[bank + B_TAIL] = before
    S[bank + B_COUNT_QUEUED] -= 1
    S[channel + C_READS + write] -= 1
    S[channel + C_LAST_WRITE] = write
    S[place + N_NEXT] = S[channel + C_FREE]
    S[channel + C_FREE] = node
    _switch_direction(P, S, channel)


@inner
def _first(P, S, bank, direction):
    """Oldest row hit, else the oldest request, of one direction (2: of both); -1 if there is none."""
    nodes, row = P[P_NODES], S[bank + B_ROW]
    active, first = S[bank + B_ACTIVE], -1
    node = S[bank + B_HEAD]
    while node >= 0:
        place = nodes + node * N_SIZE
        if direction == 2 or S[place + N_WRITE] == direction:
            if active == 0 or S[place + N_ROW] == row:
                return node
            if first < 0:
                first = node
        node = S[place + N_NEXT]
    return first


@inner
def _same_address_before(P, S, bank, row, node, addresses):
    """Whether an older row hit has the very address of ``node``'s request."""
    nodes = P[P_NODES]
    address = addresses[S[nodes + node * N_SIZE + N_REQUEST]]
    older = S[bank + B_HEAD]
    while older != node:
        place = nodes + older * N_SIZE
        if S[place + N_ROW] == row and addresses[S[place + N_REQUEST]] == address:
            return True
        older = S[place + N_NEXT]
    return False


@apart
def _first_grouped(P, S, bank, direction, addresses):
    """Oldest row hit in the last direction that overtakes no hit of its own address; else oldest hit, else oldest."""
    nodes, row = P[P_NODES], S[bank + B_ROW]
    node, first = S[bank + B_HEAD], -1
    if S[bank + B_ACTIVE] == 0:
        return node
    while node >= 0:
        place = nodes + node * N_SIZE
        if S[place + N_ROW] == row:
            if S[place + N_WRITE] == direction and not _same_address_before(P, S, bank, row, node, addresses):
                return node
            if first < 0:
                first = node
        node = S[place + N_NEXT]
    return first if first >= 0 else S[bank + B_HEAD]


@inner
def _choose(P, S, channel, bank, addresses):
    """The request the scheduler offers to a bank, -1 if none."""
    scheduler = P[P_SCHEDULER]
    if scheduler == FR_FCFS:
        return _first(P, S, bank, 2)
    if scheduler == FIFO:
        return S[bank + B_HEAD]
    if scheduler == FR_FCFS_GRP:
        return _first_grouped(P, S, bank, S[channel + C_LAST_WRITE], addresses)
    if scheduler == GRP_FR_FCFS_WM:
        return _first(P, S, bank, S[channel + C_WRITE_MODE])
    node = _first(P, S, bank, S[channel + C_LAST_WRITE])
    return node if node >= 0 else _first(P, S, bank, 1 - S[channel + C_LAST_WRITE])


@apart
def _closes(P, S, bank, node):
    """Whether the adaptive policies precharge after this request: do further requests wait, and for this row?"""
    nodes, row = P[P_NODES], S[bank + B_ROW]
    grouped = P[P_SCHEDULER] == GRP_FR_FCFS or P[P_SCHEDULER] == GRP_FR_FCFS_WM
    write = S[nodes + node * N_SIZE + N_WRITE]
    requests, hits, position = 0, 0, 0
    other = S[bank + B_HEAD]
    while other >= 0:
        place = nodes + other * N_SIZE
        if not grouped or S[place + N_WRITE] == write:
            requests += 1
            if S[place + N_ROW] == row and (P[P_SCHEDULER] != FIFO or position == 1):
                hits += 1
        position += 1
        if hits == 2 or (P[P_SCHEDULER] == FIFO and position == 2):
            break
        other = S[place + N_NEXT]
    further_hit = hits >= 2 or (P[P_SCHEDULER] == FIFO and hits == 1)
    if P[P_PAGE] == OPEN_ADAPTIVE:
        return requests >= 2 and not further_hit
    return not further_hit


@inner
def evaluate(P, S, channel, bank_number, addresses):
    """Choose a bank's request and command, and keep the list of candidates."""
    bank = P[P_BANK] + bank_number * B_SIZE
    command = -1
    if S[bank + B_SLEEPING] == 0 and S[bank + B_BLOCKED] == 0:
        node = _choose(P, S, channel, bank, addresses)
        if node < 0:
            if S[bank + B_KEEP] == 0:
                S[bank + B_CURRENT] = -1
        else:
            if S[bank + B_KEEP] == 1 and S[P[P_NODES] + node * N_SIZE + N_ROW] != S[bank + B_ROW]:
                node = S[bank + B_CURRENT]
            S[bank + B_CURRENT] = node
            if S[bank + B_ACTIVE] == 0:
                command = ACT
            elif S[P[P_NODES] + node * N_SIZE + N_ROW] != S[bank + B_ROW]:
                command = PRE
            else:
                command = RD + S[P[P_NODES] + node * N_SIZE + N_WRITE]
                if P[P_PAGE] == CLOSED or (P[P_PAGE] != OPEN and _closes(P, S, bank, node)):
                    command += RDA - RD
    S[bank + B_COMMAND] = command
    _list_candidate(P, S, channel, bank, bank_number, command >= 0)


@inner
def _list_candidate(P, S, channel, bank, bank_number, wanted):
    place = S[bank + B_PLACE]
    if wanted == (place >= 0):
        return
    count = S[channel + C_CANDIDATES]
    listed = P[P_CANDIDATES] + S[bank + B_FIRST]
    if wanted:
        S[listed + count] = bank_number
        S[bank + B_PLACE] = count
        S[channel + C_CANDIDATES] = count + 1
    else:
        last = S[listed + count - 1]
        S[listed + place] = last
        S[P[P_BANK] + last * B_SIZE + B_PLACE] = place
        S[bank + B_PLACE] = -1
        S[channel + C_CANDIDATES] = count - 1


@inner
def earliest(P, T, S, channel, bank, command):
    """When a bank's command may issue; in the past if it could have issued before."""
    kind = T[T_CLASS + command]
    time = max(S[bank + B_READY + command], S[S[bank + B_GROUP] + kind])
    time = max(time, S[S[bank + B_RANK] + R_READY + kind])
    if P[P_BUSES] == 2 and command >= RD:
        return max(time, S[channel + C_COLUMN_BUS])
    return max(time, S[channel + C_ROW_BUS])


@inner
def find_best(P, T, S, channel, first, now):
    """Cache the candidate that can issue first (of equals the oldest request), among banks that all use one bus."""
    best_time, best_id, best_bank = NEVER, NEVER, -1
    listed, banks, nodes = P[P_CANDIDATES] + first, P[P_BANK], P[P_NODES]
    soonest = max(now, S[channel + C_ROW_BUS])
    for k in range(S[channel + C_CANDIDATES]):
        number = S[listed + k]
        bank = banks + number * B_SIZE
        command = S[bank + B_COMMAND]
        kind = T[T_CLASS + command]
        identity = S[nodes + S[bank + B_CURRENT] * N_SIZE + N_ID]
        time = max(soonest, S[bank + B_READY + command])
        time = max(time, max(S[S[bank + B_GROUP] + kind], S[S[bank + B_RANK] + R_READY + kind]))
        if (time < best_time) | ((time == best_time) & (identity < best_id)):
            best_time, best_id, best_bank = time, identity, number
    S[channel + C_BEST_TIME] = best_time
    S[channel + C_BEST_ID] = best_id
    S[channel + C_BEST_BANK] = best_bank
    S[channel + C_CACHED] = 1


@inner
def evaluate_one(P, T, S, channel, number, now, addresses):
    """Evaluate one bank between two searches, and keep the cached best candidate right."""
    bank = P[P_BANK] + number * B_SIZE
    old_command, old_node = S[bank + B_COMMAND], S[bank + B_CURRENT]
    evaluate(P, S, channel, number, addresses)
    command = S[bank + B_COMMAND]
    if S[channel + C_CACHED] == 0 or (command == old_command and S[bank + B_CURRENT] == old_node):
        return
    if number == S[channel + C_BEST_BANK]:
        S[channel + C_CACHED] = 0
    elif command >= 0:
        time = max(now, earliest(P, T, S, channel, bank, command))
        identity = S[P[P_NODES] + S[bank + B_CURRENT] * N_SIZE + N_ID]
        best = S[channel + C_BEST_TIME]
        if time < best or (time == best and identity < S[channel + C_BEST_ID]):
            S[channel + C_BEST_TIME] = time
            S[channel + C_BEST_ID] = identity
            S[channel + C_BEST_BANK] = number


@inner
def raise_readiness(P, T, S, number, bank, command, now):
    """Apply a command's constraints to the bank commands of its bank, group, rank and the other ranks."""
    row = command * COUNT
    here, group, rank = bank + B_READY, S[bank + B_GROUP], S[bank + B_RANK] + R_READY
    for k in range(BANK_COMMANDS):
        S[here + k] = max(S[here + k], now + T[T_BANK + row + k])
    if P[P_GROUP_LIMITS] == 1:
        for k in range(BANK_COMMANDS):
            S[group + k] = max(S[group + k], now + T[T_GROUP + row + k])
    for k in range(BANK_COMMANDS):
        S[rank + k] = max(S[rank + k], now + T[T_RANK + row + k])
    if P[P_RANKS] > 1:
        for other in range(number * P[P_RANKS], (number + 1) * P[P_RANKS]):
            ready = P[P_RANK] + other * R_SIZE + R_READY
            if ready != rank:
                for k in range(BANK_COMMANDS):
                    S[ready + k] = max(S[ready + k], now + T[T_OTHER + row + k])
