# mypy: disallow-untyped-defs=False
"""What a controller exchanges with the arbiter: it accepts requests and gives responses, one of each at a time."""

from __future__ import annotations

from archgym.simulators.dram.address_map import ROW_SHIFT
from archgym.simulators.dram.banks import evaluate_one, has_space, store
from archgym.simulators.dram.events import notify_timed, send_later
from archgym.simulators.dram.layout import (
    B_RANK,
    B_SIZE,
    BEGIN_RESPONSE,
    C_ACCEPTED,
    C_DIRTY,
    C_IN_FLIGHT,
    C_NEXT_ID,
    C_OFFER_FROM,
    C_OFFERED,
    C_OUTSTANDING,
    C_RESPONSE_END,
    C_RESPONSE_HEAD,
    C_WRITE_MODE,
    E_ARBITER,
    E_FIRST,
    GRP_FR_FCFS_WM,
    NEVER,
    P_ARBITER_QUEUE,
    P_BANK,
    P_POWER_DOWN,
    P_RESPONSES,
    P_RING,
    P_SCHEDULER,
    P_TCK,
    R_WAITING,
    W_DATA,
    WAKE_UPS,
)
from archgym.simulators.dram.managers import request_exit
from archgym.simulators.dram.native import inner

BANK_MASK = (1 << 16) - 1
RESPONDED, ACCEPTED, AGAIN = 1, 2, 4
"""What a run of a controller asks for in the next delta cycle: that the arbiter takes a response; that it hears of an
accepted request; that the controller runs again."""


@inner
def _response_place(P, S, channel, number):
    ring = P[P_RING]
    return P[P_RESPONSES] + 2 * (number * ring + (S[channel + C_RESPONSE_HEAD] & (ring - 1)))


@inner
def wake_for_data(P, S, channel, number, now):
    """Wake when the data of the response that is next in line ends, if that lies ahead."""
    place = _response_place(P, S, channel, number)
    end = S[place]
    if end > now:
        notify_timed(P, S, E_FIRST + number * WAKE_UPS + W_DATA, end)


@inner
def _start_response(P, S, channel, number, now, delay):
    """Give the response that is next in line, if its data have ended; whether it is for the next delta cycle."""
    place = _response_place(P, S, channel, number)
    end = S[place]
    if end == 0:
        return 0
    if end > now:
        notify_timed(P, S, E_FIRST + number * WAKE_UPS + W_DATA, end)
        return 0
    request = S[place + 1]
    S[place] = 0
    S[channel + C_RESPONSE_HEAD] += 1
    S[channel + C_OUTSTANDING] = request
    S[channel + C_RESPONSE_END] = NEVER
    if delay == 0:
        return RESPONDED
    send_later(P, S, P[P_ARBITER_QUEUE], E_ARBITER, now + delay, BEGIN_RESPONSE, request)
    return 0


@inner
def manage_responses(P, S, channel, number, now):
    """End a response that was taken, start the next; `RESPONDED` if the arbiter is to know of it now, else 0."""
    taken = S[channel + C_RESPONSE_END] == now
    if S[channel + C_OUTSTANDING] >= 0:
        if not taken:
            return 0
        S[channel + C_OUTSTANDING] = -1
        left = S[channel + C_IN_FLIGHT] - 1
        S[channel + C_IN_FLIGHT] = left
        if left == 0:
            return 0
    return _start_response(P, S, channel, number, now, P[P_TCK] if taken else 0)


@inner
def may_accept(P, S, channel, now):
    """Whether a request is offered and the scheduler has space for it."""
    return S[channel + C_OFFERED] >= 0 and S[channel + C_OFFER_FROM] <= now and has_space(P, S, channel)


@inner
def accept(P, T, S, channel, now, where, addresses):
    """Take the offered request into the scheduler."""
    request = S[channel + C_OFFERED]
    place = where[request]
    bank_number = place & BANK_MASK
    rank = S[P[P_BANK] + bank_number * B_SIZE + B_RANK]
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
    S[channel + C_ACCEPTED] = request
