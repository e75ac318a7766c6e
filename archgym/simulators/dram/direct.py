# mypy: disallow-untyped-defs=False
"""One channel behind the simple arbiter: whole instants at once, with the delta cycles' lists in registers.

Here at most one request is on its way to the controller and one response on its way back, so a message needs no more
than its kind, and no queue for the next delta cycle. The order of processes and of notifications is that of `events`,
and so is the heap: an instant ends in the very state in which the general way ends it.
"""

from __future__ import annotations

from archgym.simulators.dram.controller import run_controller
from archgym.simulators.dram.events import CODE_BITS, REQUEST_BITS, drop_first, listen_again, send_later, take_timed
from archgym.simulators.dram.front import receive, send_next
from archgym.simulators.dram.handshake import ACCEPTED, AGAIN, RESPONDED
from archgym.simulators.dram.layout import (
    BEGIN_REQUEST,
    BEGIN_RESPONSE,
    C_ARBITER_BUSY,
    C_NEXT_ID,
    C_OFFER_FROM,
    C_OFFERED,
    C_OUTSTANDING,
    C_RESPONSE_END,
    C_RESPONSE_HEAD,
    C_SIZE,
    E_ARBITER,
    E_FIRST,
    END_RESPONSE,
    EV_CODE,
    EV_DELTA,
    EV_IDLE,
    EV_KIND,
    EV_SIZE,
    G_HEAP_SIZE,
    G_NEXT_SEND,
    G_NOW,
    G_OLDEST,
    G_PLAYER_BUSY,
    G_PROGRESS,
    G_RESPONSES,
    MOST_MESSAGES,
    P_ARBITER_QUEUE,
    P_CHANNEL,
    P_CHANNELS,
    P_EVENTS,
    P_HEAP,
    P_HEAP_LENGTH,
    P_REQUESTS,
    P_RING,
    P_SENT,
    P_STALL,
    P_STOP_AFTER,
    W_SELF,
)
from archgym.simulators.dram.native import inner

HEAP_MARGIN = 4 * MOST_MESSAGES
RING_MARGIN = MOST_MESSAGES
ARBITER, PLAYER, CONTROLLER = 1, 2, 3
"""Processes in a list: two bits each, 0 at its end."""
TAKEN, RESPONSE, RELEASED = 1, 2, 3
"""Messages of one delta cycle in a list: a request was accepted, a response is there, the player has taken it."""


@inner
def needs_room(P, S):
    """Whether the heap or a ring may overflow soon."""
    if S[G_HEAP_SIZE] > P[P_HEAP_LENGTH] - HEAP_MARGIN or S[G_NEXT_SEND] - S[G_OLDEST] > P[P_RING] - RING_MARGIN:
        return True
    for number in range(P[P_CHANNELS]):
        channel = P[P_CHANNEL] + number * C_SIZE
        if S[channel + C_NEXT_ID] - S[channel + C_RESPONSE_HEAD] > P[P_RING] - RING_MARGIN:
            return True
    return False


@inner
def stalls(P, S):
    """Whether no read or write has issued for too long although requests wait."""
    if S[G_NOW] - S[G_PROGRESS] <= P[P_STALL] or S[G_OLDEST] >= S[G_NEXT_SEND]:
        return False
    return S[G_NOW] - S[P[P_SENT] + (S[G_OLDEST] & (P[P_RING] - 1))] > P[P_STALL]


@inner
def _append(entries, entry):
    """Add to the end of a list of at most two entries."""
    if entries == 0:
        return entry
    return entries | (entry << 2) if entries < 4 else entries | (entry << 4)


@inner
def _wake(P, S, now):
    """Fire all notifications of an instant; the processes they wake, in order."""
    heap, events = P[P_HEAP], P[P_EVENTS]
    order = 0
    while S[G_HEAP_SIZE] > 0 and S[heap + 2] == now:
        code = S[heap + 3]
        drop_first(P, S)
        event = code & ((1 << CODE_BITS) - 1)
        place = events + event * EV_SIZE
        if S[place + EV_CODE] == code:
            S[place + EV_CODE] = 0
            S[place + EV_KIND] = EV_IDLE
            process = ARBITER if event == E_ARBITER else CONTROLLER
            if order < 4 and order != process:
                order = _append(order, process)
    return order


@inner
def _cancel(S, place, kind):
    """Drop a timed notification of an event for one in the next delta cycle."""
    S[place + EV_KIND] = kind
    S[place + EV_CODE] = 0


@inner
def run_instants(P, T, S, where, times, addresses, latencies):
    """Go on until the last response but one, or until the general way has to tell why it goes no further."""
    channel, queue = P[P_CHANNEL], P[P_ARBITER_QUEUE]
    arbiter = P[P_EVENTS] + E_ARBITER * EV_SIZE
    last = min(P[P_STOP_AFTER], P[P_REQUESTS]) - 1
    while S[G_RESPONSES] < last and S[G_HEAP_SIZE] > 0 and not needs_room(P, S) and not stalls(P, S):
        now = S[P[P_HEAP] + 2]
        S[G_NOW] = now
        order, to_arbiter, to_player = _wake(P, S, now), 0, 0
        while order != 0:  # a delta cycle; those notified last run first
            at_arbiter, at_player, ran, notified = to_arbiter, to_player, False, 0
            to_arbiter, to_player = 0, 0
            if at_arbiter != 0:
                S[arbiter + EV_KIND] = EV_IDLE
            while order != 0:
                process = order & 3
                order >>= 2
                if process == CONTROLLER:
                    if ran:
                        continue
                    ran = True
                    said = run_controller(P, T, S, 0, now, where, addresses)
                    if said == 0:
                        continue
                    if said & (RESPONDED | ACCEPTED):
                        if to_arbiter == 0:
                            notified = (notified << 2) | ARBITER
                            _cancel(S, arbiter, EV_DELTA)
                        if said & RESPONDED:
                            to_arbiter = _append(to_arbiter, RESPONSE)
                        if said & ACCEPTED:
                            to_arbiter = _append(to_arbiter, TAKEN)
                    if said & AGAIN:
                        notified = (notified << 2) | CONTROLLER
                        _cancel(S, P[P_EVENTS] + (E_FIRST + W_SELF) * EV_SIZE, EV_IDLE)
                elif process == PLAYER:
                    while at_player != 0:
                        if at_player & 3 == TAKEN:
                            send_next(P, S, times)
                        else:
                            request = S[channel + C_OUTSTANDING]
                            time = receive(P, S, request, latencies)
                            if time > now:
                                send_later(P, S, queue, E_ARBITER, time, END_RESPONSE, request)
                            else:
                                if to_arbiter == 0:
                                    notified = (notified << 2) | ARBITER
                                    _cancel(S, arbiter, EV_DELTA)
                                to_arbiter = _append(to_arbiter, RELEASED)
                        at_player >>= 2
                else:
                    while True:
                        kind = at_arbiter & 3
                        at_arbiter >>= 2
                        if kind == 0:
                            message = take_timed(S, queue)
                            if message < 0:
                                break
                            kind = message >> REQUEST_BITS
                            if kind == BEGIN_REQUEST:
                                S[channel + C_ARBITER_BUSY] = 1
                                S[channel + C_OFFERED] = message
                                S[channel + C_OFFER_FROM] = now
                                notified = (notified << 2) | CONTROLLER
                                continue
                            kind = RESPONSE if kind == BEGIN_RESPONSE else RELEASED
                        if kind == RELEASED:
                            S[G_PLAYER_BUSY] = 0
                            S[channel + C_RESPONSE_END] = now
                            notified = (notified << 2) | CONTROLLER
                            continue
                        if kind == TAKEN:
                            S[channel + C_ARBITER_BUSY] = 0
                        else:
                            S[G_PLAYER_BUSY] = 1
                        if to_player == 0:
                            notified = (notified << 2) | PLAYER
                        to_player = _append(to_player, kind)
                    listen_again(P, S, queue, E_ARBITER)
            order = notified
