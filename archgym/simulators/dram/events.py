# mypy: disallow-untyped-defs=False
"""Simulated time for the controller: events, a heap of timed notifications, delta cycles, message queues.

The rules are SystemC's, on which the reference runs, down to the order in which notifications of one instant fire:
that order decides whether a request that arrives just as a command issues is seen by it. An event holds one pending
notification; an earlier one replaces it, and the replaced entry stays in the heap without effect.
"""

from __future__ import annotations

from archgym.simulators.dram.layout import (
    E_FIRST,
    EV_CODE,
    EV_DELTA,
    EV_IDLE,
    EV_KIND,
    EV_SIZE,
    EV_TIME,
    EV_TIMED,
    G_DELTA,
    G_DELTAS,
    G_HEAP_SIZE,
    G_NOW,
    G_RUNNABLE,
    G_STAMP,
    MOST_MESSAGES,
    P_DELTAS,
    P_EVENTS,
    P_HEAP,
    P_RUNNABLE,
    Q_COUNT0,
    Q_ENTRIES,
    Q_TIMED,
)
from archgym.simulators.dram.native import inner

CODE_BITS = 8
REQUEST_BITS = 40
TIMED_PLACE = Q_ENTRIES + 2 * MOST_MESSAGES


@inner
def notify_delta(P, S, event):
    """Wake ``event`` in the next delta cycle; a pending timed notification is dropped."""
    place = P[P_EVENTS] + event * EV_SIZE
    if S[place + EV_KIND] == EV_DELTA:
        return
    S[place + EV_KIND] = EV_DELTA
    S[place + EV_CODE] = 0
    count = S[G_DELTAS]
    S[P[P_DELTAS] + count] = event
    S[G_DELTAS] = count + 1


@inner
def notify_timed(P, S, event, time):
    """Wake ``event`` at ``time`` (later than now), unless it is to wake earlier already."""
    place = P[P_EVENTS] + event * EV_SIZE
    kind = S[place + EV_KIND]
    if kind == EV_DELTA or (kind == EV_TIMED and S[place + EV_TIME] <= time):
        return
    stamp = S[G_STAMP] + 1
    S[G_STAMP] = stamp
    code = (stamp << CODE_BITS) | event
    S[place + EV_KIND] = EV_TIMED
    S[place + EV_TIME] = time
    S[place + EV_CODE] = code
    heap = P[P_HEAP]
    size = S[G_HEAP_SIZE] + 1
    S[G_HEAP_SIZE] = size
    here = 2 * size
    while True:
        above = here >> 2 << 1
        earlier = S[heap + above]  # above the root stands 0, which is before any time
        if earlier <= time:
            break
        S[heap + here] = earlier
        S[heap + here + 1] = S[heap + above + 1]
        here = above
    S[heap + here] = time
    S[heap + here + 1] = code


@inner
def notify(P, S, event, time):
    """Wake ``event`` at ``time``: in the next delta cycle if that is now."""
    if time <= S[G_NOW]:
        notify_delta(P, S, event)
    else:
        notify_timed(P, S, event, time)


@inner
def drop_first(P, S):
    """Take the first entry off the heap: the last one goes to the root and sinks, the left child winning ties."""
    heap = P[P_HEAP]
    size = S[G_HEAP_SIZE]
    time, code = S[heap + 2 * size], S[heap + 2 * size + 1]
    S[G_HEAP_SIZE] = size - 1
    here, child = 1, 2
    while child < size:
        # the entry that sinks still stands behind the others, where it can pass for a right child
        left, right = S[heap + 2 * child], S[heap + 2 * child + 2]
        earliest = min(left, right)
        if earliest >= time:
            break
        child += right < left
        S[heap + 2 * here] = earliest
        S[heap + 2 * here + 1] = S[heap + 2 * child + 1]
        here = child
        child = 2 * here
    S[heap + 2 * here] = time
    S[heap + 2 * here + 1] = code


@inner
def _trigger(P, S, event):
    """Make the process that listens to ``event`` runnable: 0 arbiter, 1 player, 2 + channel a controller."""
    S[P[P_EVENTS] + event * EV_SIZE + EV_KIND] = EV_IDLE
    process = event if event < E_FIRST else E_FIRST + ((event - E_FIRST) >> 2)
    runnable, count = P[P_RUNNABLE], S[G_RUNNABLE]
    for k in range(count):
        if S[runnable + k] == process:
            return
    S[runnable + count] = process
    S[G_RUNNABLE] = count + 1


@inner
def fire_deltas(P, S):
    """Fire the notifications of the delta cycle that begins, last notified first."""
    for k in range(S[G_DELTAS] - 1, -1, -1):
        _trigger(P, S, S[P[P_DELTAS] + k])
    S[G_DELTAS] = 0


@inner
def advance(P, S):
    """Go to the next instant with a notification and fire all of it; False if there is none."""
    if S[G_HEAP_SIZE] == 0:
        return False
    heap = P[P_HEAP]
    time = S[heap + 2]
    S[G_NOW] = time
    while S[G_HEAP_SIZE] > 0 and S[heap + 2] == time:
        code = S[heap + 3]
        drop_first(P, S)
        event = code & ((1 << CODE_BITS) - 1)
        if S[P[P_EVENTS] + event * EV_SIZE + EV_CODE] == code:
            S[P[P_EVENTS] + event * EV_SIZE + EV_CODE] = 0
            _trigger(P, S, event)
    return True


@inner
def send(P, S, queue, event, time, kind, request):
    """Put a message into a queue, for the next delta cycle if ``time`` is now, and wake its reader."""
    if time > S[G_NOW]:
        send_later(P, S, queue, event, time, kind, request)
        return
    parity = 1 - (S[G_DELTA] & 1)
    count = S[queue + Q_COUNT0 + parity]
    S[queue + Q_ENTRIES + parity * MOST_MESSAGES + count] = (kind << REQUEST_BITS) | request
    S[queue + Q_COUNT0 + parity] = count + 1
    notify_delta(P, S, event)


@inner
def send_later(P, S, queue, event, time, kind, request):
    """Put a message for a time that lies ahead into a queue and wake its reader then."""
    here = S[queue + Q_TIMED]
    S[queue + Q_TIMED] = here + 1
    while here > 0 and S[queue + TIMED_PLACE + 2 * here - 2] > time:
        S[queue + TIMED_PLACE + 2 * here] = S[queue + TIMED_PLACE + 2 * here - 2]
        S[queue + TIMED_PLACE + 2 * here + 1] = S[queue + TIMED_PLACE + 2 * here - 1]
        here -= 1
    S[queue + TIMED_PLACE + 2 * here] = time
    S[queue + TIMED_PLACE + 2 * here + 1] = (kind << REQUEST_BITS) | request
    notify_timed(P, S, event, time)


@inner
def take_timed(S, queue):
    """The first timed message if it is due now, else -1."""
    count = S[queue + Q_TIMED]
    if count == 0 or S[queue + TIMED_PLACE] != S[G_NOW]:
        return -1
    message = S[queue + TIMED_PLACE + 1]
    for k in range(1, count):
        S[queue + TIMED_PLACE + 2 * k - 2] = S[queue + TIMED_PLACE + 2 * k]
        S[queue + TIMED_PLACE + 2 * k - 1] = S[queue + TIMED_PLACE + 2 * k + 1]
    S[queue + Q_TIMED] = count - 1
    return message


@inner
def listen_again(P, S, queue, event):
    """After a reader has run: wake it for its next timed message."""
    if S[queue + Q_TIMED] > 0:
        notify_timed(P, S, event, S[queue + TIMED_PLACE])
