# mypy: disallow-untyped-defs=False
"""The whole memory system in simulated time: trace player, arbiter, and one controller a channel.

`advance_system` runs until the trace is served or a number of responses has arrived; everything it knows is in the
state vector, so that it can go on from there.
"""

from __future__ import annotations

from archgym.simulators.dram.commands import ACT, PRE, PREA, RD, RDA, WR, WRA
from archgym.simulators.dram.controller import run_controller
from archgym.simulators.dram.direct import needs_room, run_instants, stalls
from archgym.simulators.dram.energy_counters import close_account
from archgym.simulators.dram.events import (
    advance,
    fire_deltas,
    notify_delta,
    send,
)
from archgym.simulators.dram.front import run_arbiter, run_player
from archgym.simulators.dram.handshake import ACCEPTED, AGAIN, RESPONDED
from archgym.simulators.dram.layout import (
    ARBITER_SIMPLE,
    BEGIN_RESPONSE,
    C_ACCEPTED,
    C_LAST_AUTO,
    C_LAST_COMMAND,
    C_LAST_COMMAND_TIME,
    C_OUTSTANDING,
    C_SIZE,
    DEADLOCK,
    E_ARBITER,
    E_FIRST,
    END_REQUEST,
    FINISHED,
    G_DELTA,
    G_DELTAS_AT_NOW,
    G_NOW,
    G_RESPONSES,
    G_RUNNABLE,
    GROW,
    P_ARBITER,
    P_ARBITER_QUEUE,
    P_CHANNEL,
    P_CHANNELS,
    P_RANKS,
    P_REQUESTS,
    P_RUNNABLE,
    P_STOP_AFTER,
    P_TCK,
    PAUSED,
    STALLED,
    W_SELF,
    WAKE_UPS,
)
from archgym.simulators.dram.native import constant, inner, pointer
from archgym.simulators.jit import jit

MOST_DELTAS = 100_000


@jit
def advance_system(parameters, timing, state, where, times, addresses, latencies):
    """Run from the state on; returns FINISHED, PAUSED, GROW (more room is needed), DEADLOCK or STALLED.

    Args:
        parameters, timing: settings with layout, and timing tables; int64 vectors, see `layout`.
        state: int64 vector, changed in place.
        where: (N,) packed bank, direction and row of each request.
        times: (N,) time stamps in player clocks.
        addresses: (N,) byte addresses (only equality matters).
        latencies: (N,) int64, the latency of each request that was answered is written here, in ps.
    """
    return _advance(
        constant(parameters),
        constant(timing),
        pointer(state),
        constant(where),
        constant(times),
        constant(addresses),
        pointer(latencies),
    )


@inner
def _run_controller(P, T, S, number, where, addresses):
    """Run a controller and pass on what it asks for."""
    said = run_controller(P, T, S, number, S[G_NOW], where, addresses)
    channel = P[P_CHANNEL] + number * C_SIZE
    if said & RESPONDED:
        send(P, S, P[P_ARBITER_QUEUE], E_ARBITER, S[G_NOW], BEGIN_RESPONSE, S[channel + C_OUTSTANDING])
    if said & ACCEPTED:
        send(P, S, P[P_ARBITER_QUEUE], E_ARBITER, S[G_NOW], END_REQUEST, S[channel + C_ACCEPTED])
    if said & AGAIN:
        notify_delta(P, S, E_FIRST + number * WAKE_UPS + W_SELF)


@inner
def _advance(P, T, S, where, times, addresses, latencies):
    simple = P[P_CHANNELS] == 1 and P[P_ARBITER] == ARBITER_SIMPLE
    while True:
        if S[G_RUNNABLE] == 0:
            fire_deltas(P, S)
            if S[G_RUNNABLE] == 0:
                if simple:
                    run_instants(P, T, S, where, times, addresses, latencies)
                if needs_room(P, S):
                    return GROW
                if stalls(P, S):
                    return STALLED
                if not advance(P, S):
                    return DEADLOCK
                S[G_DELTAS_AT_NOW] = 0
        runnable = P[P_RUNNABLE]
        for k in range(S[G_RUNNABLE]):
            process = S[runnable + k]
            if process == 0:
                run_arbiter(P, S, where)
            elif process == 1:
                run_player(P, S, times, latencies)
            else:
                _run_controller(P, T, S, process - E_FIRST, where, addresses)
        S[G_RUNNABLE] = 0
        S[G_DELTA] += 1
        S[G_DELTAS_AT_NOW] += 1
        if S[G_RESPONSES] == P[P_REQUESTS]:
            return FINISHED
        if S[G_RESPONSES] >= P[P_STOP_AFTER]:
            return PAUSED
        if S[G_DELTAS_AT_NOW] > MOST_DELTAS:
            return STALLED


@jit
def close_accounts(parameters, state, completion):
    """After the last response: complete the energy model's durations. ``completion`` is in ps by command."""
    P, S = constant(parameters), pointer(state)
    for number in range(P[P_CHANNELS]):
        channel = P[P_CHANNEL] + number * C_SIZE
        last, command = S[channel + C_LAST_COMMAND_TIME], S[channel + C_LAST_COMMAND]
        if command in (RDA, WRA):
            command -= RDA - RD
        if S[channel + C_LAST_AUTO] > last:
            last, command = S[channel + C_LAST_AUTO], PRE
        end = last - P[P_TCK]
        if command in (RD, WR, ACT, PRE, PREA):
            end += completion[command]
        for rank_number in range(number * P[P_RANKS], (number + 1) * P[P_RANKS]):
            close_account(P, S, rank_number, last, end)
