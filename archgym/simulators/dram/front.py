# mypy: disallow-untyped-defs=False
"""What stands before the controllers: the trace player, and the arbiter in its three kinds."""

from __future__ import annotations

from archgym.simulators.dram.events import REQUEST_BITS, listen_again, notify, notify_delta, send, take_timed
from archgym.simulators.dram.handshake import BANK_MASK
from archgym.simulators.dram.layout import (
    ARBITER_REORDER,
    ARBITER_SIMPLE,
    BEGIN_REQUEST,
    BEGIN_RESPONSE,
    C_ARBITER_BUSY,
    C_LAST_END_REQUEST,
    C_OFFER_FROM,
    C_OFFERED,
    C_PENDING_HEAD,
    C_PENDING_TAIL,
    C_RESPONSE_END,
    C_SIZE,
    E_ARBITER,
    E_FIRST,
    E_PLAYER,
    END_REQUEST,
    END_RESPONSE,
    G_ACTIVE,
    G_DELTA,
    G_END,
    G_LAST_END_RESPONSE,
    G_LATENCY_MAX,
    G_LATENCY_SUM,
    G_NEXT_SEND,
    G_NOW,
    G_OLDEST,
    G_PLAYER_BUSY,
    G_RESPONSES,
    G_RETURN_HEAD,
    G_RETURN_TAIL,
    G_WITHHELD,
    MOST_MESSAGES,
    P_ALIGNED,
    P_ARBITER,
    P_ARBITER_QUEUE,
    P_ARRIVED,
    P_BANKS,
    P_CHANNEL,
    P_CHANNELS,
    P_MOST_ACTIVE,
    P_PENDING,
    P_PLAYER_CLOCK,
    P_PLAYER_QUEUE,
    P_RANKS,
    P_RELATIVE,
    P_REQUESTS,
    P_RING,
    P_SENT,
    P_TCK,
    Q_COUNT0,
    Q_ENTRIES,
    W_END_RESPONSE,
    W_REQUEST,
    WAKE_UPS,
)
from archgym.simulators.dram.native import inner


@inner
def _channel_of(P, request, where):
    if P[P_CHANNELS] == 1:
        return 0
    return (where[request] & BANK_MASK) // (P[P_BANKS] * P[P_RANKS])


@inner
def _ceil(time, period):
    return -(-time // period) * period


# -- the player ------------------------------------------------------------------------------------------------------


@inner
def next_arrival(P, S, request, times):
    """When the player's next request arrives: not before its time stamp, sent at an edge of its clock after now."""
    now, clock = S[G_NOW], P[P_PLAYER_CLOCK]
    S[G_NEXT_SEND] = request + 1
    if request == 0:
        edge = now
    elif P[P_ALIGNED] == 1 and clock == P[P_TCK]:
        edge = now + clock
    else:
        edge = now + clock - now % clock
    stamp = times[request] * clock
    sent = edge + stamp if P[P_RELATIVE] == 1 else max(edge, stamp)
    S[P[P_SENT] + (request & (P[P_RING] - 1))] = sent
    return sent if clock == P[P_TCK] else _ceil(sent, P[P_TCK])


@inner
def _send_next(P, S, times):
    request = S[G_NEXT_SEND]
    if request < P[P_REQUESTS]:
        arrival = next_arrival(P, S, request, times)
        send(P, S, P[P_ARBITER_QUEUE], E_ARBITER, arrival, BEGIN_REQUEST, request)


@inner
def receive(P, S, request, latencies):
    """A response has arrived at the player; when it tells the arbiter that it took it."""
    now, slot = S[G_NOW], P[P_SENT] + (request & (P[P_RING] - 1))
    latency = now - S[slot]
    S[slot] = -1
    latencies[request] = latency
    S[G_LATENCY_SUM] += latency
    S[G_LATENCY_MAX] = max(S[G_LATENCY_MAX], latency)
    S[G_RESPONSES] += 1
    S[G_END] = now
    oldest, sent = S[G_OLDEST], S[G_NEXT_SEND]
    while oldest < sent and S[P[P_SENT] + (oldest & (P[P_RING] - 1))] < 0:
        oldest += 1
    S[G_OLDEST] = oldest
    return now if P[P_ALIGNED] == 1 else _ceil(now, P[P_TCK])


@inner
def run_player(P, S, times, latencies):
    if S[G_NEXT_SEND] == 0:
        _send_next(P, S, times)
        return
    queue = P[P_PLAYER_QUEUE]
    parity = S[G_DELTA] & 1
    for k in range(S[queue + Q_COUNT0 + parity]):
        message = S[queue + Q_ENTRIES + parity * MOST_MESSAGES + k]
        _player_message(P, S, message, times, latencies)
    S[queue + Q_COUNT0 + parity] = 0
    message = take_timed(S, queue)
    while message >= 0:
        _player_message(P, S, message, times, latencies)
        message = take_timed(S, queue)
    listen_again(P, S, queue, E_PLAYER)


@inner
def _player_message(P, S, message, times, latencies):
    if message >> REQUEST_BITS == END_REQUEST:
        _send_next(P, S, times)
    else:
        request = message & ((1 << REQUEST_BITS) - 1)
        time = receive(P, S, request, latencies)
        send(P, S, P[P_ARBITER_QUEUE], E_ARBITER, time, END_RESPONSE, request)


# -- the arbiter -----------------------------------------------------------------------------------------------------


@inner
def _offer(P, S, number, request, time):
    """Hand a request to a controller; it sees it at once and is woken in the next delta cycle."""
    channel = P[P_CHANNEL] + number * C_SIZE
    S[channel + C_OFFERED] = request
    S[channel + C_OFFER_FROM] = time
    notify(P, S, E_FIRST + number * WAKE_UPS + W_REQUEST, time)


@inner
def _queue_request(P, S, number, request):
    channel = P[P_CHANNEL] + number * C_SIZE
    tail = S[channel + C_PENDING_TAIL]
    S[P[P_PENDING] + number * P[P_RING] + (tail & (P[P_RING] - 1))] = request
    S[channel + C_PENDING_TAIL] = tail + 1


@inner
def _offer_next(P, S, number, time):
    """Offer the oldest waiting request; False if there is none."""
    channel = P[P_CHANNEL] + number * C_SIZE
    head = S[channel + C_PENDING_HEAD]
    if head == S[channel + C_PENDING_TAIL]:
        return False
    S[channel + C_PENDING_HEAD] = head + 1
    _offer(P, S, number, S[P[P_PENDING] + number * P[P_RING] + (head & (P[P_RING] - 1))], time)
    return True


@inner
def _acknowledge(P, S, request, where):
    """Fifo and Reorder: tell the player that its request is accepted, and queue it for its channel."""
    number = _channel_of(P, request, where)
    channel = P[P_CHANNEL] + number * C_SIZE
    send(P, S, P[P_PLAYER_QUEUE], E_PLAYER, S[G_NOW], END_REQUEST, request)
    _queue_request(P, S, number, request)
    if S[channel + C_ARBITER_BUSY] == 0:
        S[channel + C_ARBITER_BUSY] = 1
        just_now = S[channel + C_LAST_END_REQUEST] == S[G_NOW]
        _offer_next(P, S, number, S[G_NOW] + (P[P_TCK] if just_now else 0))


@inner
def _begin_request(P, S, request, where):
    number = _channel_of(P, request, where)
    channel = P[P_CHANNEL] + number * C_SIZE
    if P[P_ARBITER] == ARBITER_SIMPLE:
        if S[channel + C_ARBITER_BUSY] == 1:
            _queue_request(P, S, number, request)
        else:
            S[channel + C_ARBITER_BUSY] = 1
            _offer(P, S, number, request, S[G_NOW])
    elif S[G_ACTIVE] < P[P_MOST_ACTIVE]:
        S[G_ACTIVE] += 1
        _acknowledge(P, S, request, where)
    else:
        S[G_WITHHELD] = request


@inner
def _end_request(P, S, request, where):
    """A controller has accepted a request; the next one follows a clock later."""
    number = _channel_of(P, request, where)
    channel = P[P_CHANNEL] + number * C_SIZE
    if P[P_ARBITER] == ARBITER_SIMPLE:
        send(P, S, P[P_PLAYER_QUEUE], E_PLAYER, S[G_NOW], END_REQUEST, request)
    S[channel + C_LAST_END_REQUEST] = S[G_NOW]
    if not _offer_next(P, S, number, S[G_NOW] + P[P_TCK]):
        S[channel + C_ARBITER_BUSY] = 0


@inner
def _to_player(P, S, request, time):
    send(P, S, P[P_PLAYER_QUEUE], E_PLAYER, time, BEGIN_RESPONSE, request)


@inner
def _release(P, S, request, where):
    """Tell the controller that its response was taken."""
    number = _channel_of(P, request, where)
    S[P[P_CHANNEL] + number * C_SIZE + C_RESPONSE_END] = S[G_NOW]
    notify_delta(P, S, E_FIRST + number * WAKE_UPS + W_END_RESPONSE)


@inner
def _queue_response(P, S, request):
    ring = P[P_RING] - 1
    if P[P_ARBITER] == ARBITER_REORDER:
        S[P[P_ARRIVED] + (request & ring)] = request + 1
    else:
        S[P[P_ARRIVED] + (S[G_RETURN_TAIL] & ring)] = request + 1
        S[G_RETURN_TAIL] += 1


@inner
def _return_next(P, S, time):
    """Send the response that is next in line to the player; False if it is not there."""
    head = S[G_RETURN_HEAD]
    slot = P[P_ARRIVED] + (head & (P[P_RING] - 1))
    if S[slot] == 0:
        return False
    request = S[slot] - 1
    S[slot] = 0
    S[G_RETURN_HEAD] = head + 1
    _to_player(P, S, request, time)
    return True


@inner
def _begin_response(P, S, request, where):
    if P[P_ARBITER] == ARBITER_SIMPLE:
        if S[G_PLAYER_BUSY] == 1:
            _queue_response(P, S, request)
        else:
            S[G_PLAYER_BUSY] = 1
            _to_player(P, S, request, S[G_NOW])
        return
    _release(P, S, request, where)
    _queue_response(P, S, request)
    if S[G_PLAYER_BUSY] == 0:
        just_now = S[G_LAST_END_RESPONSE] == S[G_NOW]
        if _return_next(P, S, S[G_NOW] + (P[P_TCK] if just_now else 0)):
            S[G_PLAYER_BUSY] = 1


@inner
def _end_response(P, S, request, where):
    """The player has taken a response: a withheld request inherits its place, the next response follows."""
    if P[P_ARBITER] == ARBITER_SIMPLE:
        _release(P, S, request, where)
    else:
        S[G_LAST_END_RESPONSE] = S[G_NOW]
        if S[G_WITHHELD] >= 0:
            request = S[G_WITHHELD]
            S[G_WITHHELD] = -1
            _acknowledge(P, S, request, where)
        else:
            S[G_ACTIVE] -= 1
    if not _return_next(P, S, S[G_NOW] + P[P_TCK]):
        S[G_PLAYER_BUSY] = 0


@inner
def _arbiter_message(P, S, message, where):
    kind, request = message >> REQUEST_BITS, message & ((1 << REQUEST_BITS) - 1)
    if kind == BEGIN_REQUEST:
        _begin_request(P, S, request, where)
    elif kind == END_REQUEST:
        _end_request(P, S, request, where)
    elif kind == BEGIN_RESPONSE:
        _begin_response(P, S, request, where)
    else:
        _end_response(P, S, request, where)


@inner
def run_arbiter(P, S, where):
    queue = P[P_ARBITER_QUEUE]
    parity = S[G_DELTA] & 1
    for k in range(S[queue + Q_COUNT0 + parity]):
        _arbiter_message(P, S, S[queue + Q_ENTRIES + parity * MOST_MESSAGES + k], where)
    S[queue + Q_COUNT0 + parity] = 0
    message = take_timed(S, queue)
    while message >= 0:
        _arbiter_message(P, S, message, where)
        message = take_timed(S, queue)
    listen_again(P, S, queue, E_ARBITER)
