# mypy: disallow-untyped-defs=False
"""One channel behind the simple arbiter: whole instants at once, with the delta cycles' lists in registers.

Here at most one request is on its way to the controller and one response on its way back, so a message needs no more
than its kind, and no queue for the next delta cycle. The order of processes and of notifications is that of `events`,
and so is the heap: an instant ends in the very state in which the general way ends it.
"""

from __future__ import annotations

from archgym.simulators.dram.controller import run_controller
from archgym.simulators.dram.events import (
    CODE_BITS,
    REQUEST_BITS,
    TIMED_PLACE,
    drop_first,
    listen_again,
    send_later,
    take_timed,
)
from archgym.simulators.dram.front import next_arrival, receive
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
    Q_TIMED,
    W_SELF,
)
from archgym.simulators.dram.native import inner

HEAP_MARGIN = 4 * MOST_MESSAGES
RING_MARGIN = MOST_MESSAGES
INSTANTS = 8
"""So many instants there is room for when these margins hold."""
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
def _set_event(S, place, kind):
    """Give an event a kind that is not timed; a timed notification is dropped."""
    S[place + EV_KIND] = kind
    S[place + EV_CODE] = 0


@inner
def _hear(P, S, said, to_arbiter, notified):
    """Note what a controller asks for: the messages to the arbiter, and the processes notified, with it."""
    if said & (RESPONDED | ACCEPTED):
        if to_arbiter == 0:
            notified = (notified << 2) | ARBITER
            _set_event(S, P[P_EVENTS] + E_ARBITER * EV_SIZE, EV_DELTA)
        if said & RESPONDED:
            to_arbiter = _append(to_arbiter, RESPONSE)
        if said & ACCEPTED:
            to_arbiter = _append(to_arbiter, TAKEN)
    if said & AGAIN:
        notified = (notified << 2) | CONTROLLER
        _set_event(S, P[P_EVENTS] + (E_FIRST + W_SELF) * EV_SIZE, EV_IDLE)
    return to_arbiter, notified


@inner
def _send_next(P, S, times):
    request = S[G_NEXT_SEND]
    if request < P[P_REQUESTS]:
        arrival = next_arrival(P, S, request, times)
        send_later(P, S, P[P_ARBITER_QUEUE], E_ARBITER, arrival, BEGIN_REQUEST, request)


@inner
def _receive(P, S, latencies):
    """The player takes the response; whether the arbiter is to know in the next delta cycle, not later."""
    request = S[P[P_CHANNEL] + C_OUTSTANDING]
    time = receive(P, S, request, latencies)
    if time > S[G_NOW]:
        send_later(P, S, P[P_ARBITER_QUEUE], E_ARBITER, time, END_RESPONSE, request)
        return False
    return True


@inner
def _run_arbiter(P, S, now, messages, notified):
    """Messages of this delta cycle, then those due now: the messages to the player, and the processes notified."""
    channel, queue = P[P_CHANNEL], P[P_ARBITER_QUEUE]
    to_player = 0
    while True:
        kind = messages & 3
        messages >>= 2
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
    return to_player, notified


@inner
def _run_deltas(P, T, S, now, order, to_arbiter, where, times, addresses, latencies):
    """The delta cycles of an instant; processes notified last run first."""
    arbiter = P[P_EVENTS] + E_ARBITER * EV_SIZE
    to_player = 0
    while order != 0:
        at_arbiter, at_player, ran, notified = to_arbiter, to_player, False, 0
        to_arbiter, to_player = 0, 0
        if at_arbiter != 0:
            S[arbiter + EV_KIND] = EV_IDLE
        while order != 0:
            process = order & 3
            order >>= 2
            if process == ARBITER:
                to_player, notified = _run_arbiter(P, S, now, at_arbiter, notified)
            elif process == CONTROLLER:
                if not ran:
                    ran = True
                    said = run_controller(P, T, S, 0, now, where, addresses)
                    to_arbiter, notified = _hear(P, S, said, to_arbiter, notified)
            else:
                while at_player != 0:
                    if at_player & 3 == TAKEN:
                        _send_next(P, S, times)
                    elif _receive(P, S, latencies):
                        if to_arbiter == 0:
                            notified = (notified << 2) | ARBITER
                            _set_event(S, arbiter, EV_DELTA)
                        to_arbiter = _append(to_arbiter, RELEASED)
                    at_player >>= 2
        order = notified


@inner
def _run_chain(P, T, S, now, from_player, where, times, addresses, latencies):
    """An instant in which the controller, or the player with a response, runs alone in its delta cycle.

    What the controller says then takes its way through arbiter and player, each alone in turn; a response comes back.
    """
    channel, queue = P[P_CHANNEL], P[P_ARBITER_QUEUE]
    arbiter = P[P_EVENTS] + E_ARBITER * EV_SIZE
    said = RESPONDED
    while True:
        if not from_player:
            said = run_controller(P, T, S, 0, now, where, addresses)
            if said == 0:
                return
            if said & AGAIN:
                to_arbiter, notified = _hear(P, S, said, 0, 0)
                _run_deltas(P, T, S, now, notified, to_arbiter, where, times, addresses, latencies)
                return
            _set_event(S, arbiter, EV_IDLE)
            if said & RESPONDED:
                S[G_PLAYER_BUSY] = 1
            if said & ACCEPTED:
                S[channel + C_ARBITER_BUSY] = 0
            listen_again(P, S, queue, E_ARBITER)
        from_player = False
        released = said & RESPONDED != 0 and _receive(P, S, latencies)
        if released:
            _set_event(S, arbiter, EV_DELTA)
        if said & ACCEPTED:
            _send_next(P, S, times)
        if not released:
            return
        S[arbiter + EV_KIND] = EV_IDLE
        S[G_PLAYER_BUSY] = 0
        S[channel + C_RESPONSE_END] = now
        listen_again(P, S, queue, E_ARBITER)


@inner
def run_instants(P, T, S, where, times, addresses, latencies):
    """Go on until the last response but one, or until the general way has to tell why it goes no further."""
    channel, queue = P[P_CHANNEL], P[P_ARBITER_QUEUE]
    last, left = min(P[P_STOP_AFTER], P[P_REQUESTS]) - 1, 0
    while S[G_RESPONSES] < last and S[G_HEAP_SIZE] > 0 and not stalls(P, S):
        if left == 0:
            if needs_room(P, S):
                return
            left = INSTANTS
        left -= 1
        now = S[P[P_HEAP] + 2]
        S[G_NOW] = now
        order, chain, from_player = _wake(P, S, now), False, False
        if order == CONTROLLER:
            chain = True
        elif order == ARBITER and (S[queue + Q_TIMED] == 1 or S[queue + TIMED_PLACE + 2] > now):
            message = S[queue + TIMED_PLACE + 1]
            from_player = message >> REQUEST_BITS == BEGIN_RESPONSE
            if from_player:
                S[G_PLAYER_BUSY] = 1
                chain = True
            elif message >> REQUEST_BITS == BEGIN_REQUEST:
                S[channel + C_ARBITER_BUSY] = 1
                S[channel + C_OFFERED] = message
                S[channel + C_OFFER_FROM] = now
                chain = True
            if chain:
                take_timed(S, queue)
                listen_again(P, S, queue, E_ARBITER)
        if chain:
            _run_chain(P, T, S, now, from_player, where, times, addresses, latencies)
        elif order != 0:
            _run_deltas(P, T, S, now, order, 0, where, times, addresses, latencies)
