# mypy: disallow-untyped-defs=False
"""Counts and durations for the energy model, kept while commands issue; they equal an analysis of the whole list.

An auto-precharge takes effect later than its command and is merged in by time. A rank's banks are bits of a mask.
Quirks of the reference's analysis (DRAMPower) are kept: durations that would be negative count as 0, power-down entry
saves which banks were open and its exit restores them, a refresh counts as active until its last tRP.
"""

from __future__ import annotations

from archgym.simulators.dram.commands import (
    ACT,
    PDEA,
    PDEP,
    PDXA,
    PDXP,
    PRE,
    PREA,
    RDA,
    REFA,
    REFB,
    SREFEN,
)
from archgym.simulators.dram.layout import (
    A_ACTIVE,
    A_ACTIVE_DOWN,
    A_ACTIVE_TIME,
    A_ACTS,
    A_AUTO_COUNT,
    A_BANK_REFS,
    A_EXIT_ACTIVE,
    A_EXIT_PRECHARGED,
    A_FIRST_ACTIVE,
    A_LAST_PRECHARGE,
    A_MODE,
    A_POWER_DOWN_SINCE,
    A_PRECHARGED_DOWN,
    A_PRECHARGED_TIME,
    A_PRES,
    A_REFS,
    A_SAVED,
    A_SELF,
    A_SELF_ACTIVE,
    A_SELF_PRECHARGED,
    A_SELF_SINCE,
    B_LAST_ACT,
    B_RANK,
    B_RANK_NUMBER,
    B_SIZE,
    C_LAST_AUTO,
    MODE_ACTIVE_DOWN,
    MODE_NORMAL,
    MODE_PRECHARGED_DOWN,
    MODE_SELF_REFRESH,
    P_AUTO,
    P_BANK,
    P_BANKS,
    P_RANK,
    P_RAS,
    P_READ_PRECHARGE,
    P_REFRESH_ACTIVE,
    P_REFRESH_CYCLES,
    P_WRITE_PRECHARGE,
    R_SIZE,
)
from archgym.simulators.dram.native import apart, inner


@inner
def _precharge(S, rank, bit, time):
    active = S[rank + A_ACTIVE]
    if active & bit:
        S[rank + A_PRES] += 1
        if active == bit:
            S[rank + A_ACTIVE_TIME] += max(0, time - S[rank + A_FIRST_ACTIVE])
            S[rank + A_LAST_PRECHARGE] = time
        S[rank + A_ACTIVE] = active & ~bit


@inner
def add_auto_precharge(P, S, channel, bank, command, now):
    """Note when the precharge inside RDA or WRA happens, sorted by time."""
    delay = P[P_READ_PRECHARGE] if command == RDA else P[P_WRITE_PRECHARGE]
    time = max(now + delay, S[bank + B_LAST_ACT] + P[P_RAS])
    rank = S[bank + B_RANK]
    autos = P[P_AUTO] + S[bank + B_RANK_NUMBER] * 2 * P[P_BANKS]
    here = S[rank + A_AUTO_COUNT]
    S[rank + A_AUTO_COUNT] = here + 1
    while here > 0 and S[autos + 2 * here - 2] > time:
        S[autos + 2 * here] = S[autos + 2 * here - 2]
        S[autos + 2 * here + 1] = S[autos + 2 * here - 1]
        here -= 1
    S[autos + 2 * here] = time
    S[autos + 2 * here + 1] = (bank - P[P_BANK]) // B_SIZE
    S[channel + C_LAST_AUTO] = max(S[channel + C_LAST_AUTO], time)


@inner
def flush_auto_precharges(P, S, rank_number, now):
    """Let the precharges happen whose time has come."""
    rank = P[P_RANK] + rank_number * R_SIZE
    autos = P[P_AUTO] + rank_number * 2 * P[P_BANKS]
    count, done = S[rank + A_AUTO_COUNT], 0
    while done < count and S[autos + 2 * done] <= now:
        bit = 1 << (S[autos + 2 * done + 1] - rank_number * P[P_BANKS])
        _precharge(S, rank, bit, S[autos + 2 * done])
        done += 1
    if done > 0:
        for k in range(2 * (count - done)):
            S[autos + k] = S[autos + k + 2 * done]
        S[rank + A_AUTO_COUNT] = count - done


@inner
def _leave_self_refresh(P, S, rank, now):
    """Split the refresh inside self refresh; what is left of it is billed at standby current."""
    active, whole = P[P_REFRESH_ACTIVE], P[P_REFRESH_CYCLES]
    duration = now - S[rank + A_SELF_SINCE]
    in_active = min(duration, active)
    in_precharged = min(max(duration - active, 0), whole - active)
    S[rank + A_SELF_ACTIVE] += in_active
    S[rank + A_SELF_PRECHARGED] += in_precharged
    S[rank + A_EXIT_ACTIVE] += active - in_active
    S[rank + A_EXIT_PRECHARGED] += whole - active - in_precharged
    S[rank + A_SELF] += max(0, duration - whole)
    S[rank + A_LAST_PRECHARGE] = now + max(0, whole - duration)
    S[rank + A_MODE] = MODE_NORMAL


@inner
def account(P, S, rank_number, bank_number, command, now):
    """Follow one issued command that is not a read or write."""
    rank = P[P_RANK] + rank_number * R_SIZE
    flush_auto_precharges(P, S, rank_number, now)
    if command == ACT:
        S[P[P_BANK] + bank_number * B_SIZE + B_LAST_ACT] = now
        bit = 1 << (bank_number - rank_number * P[P_BANKS])
        active = S[rank + A_ACTIVE]
        if active & bit == 0:
            S[rank + A_ACTS] += 1
            if active == 0:
                S[rank + A_FIRST_ACTIVE] = now
                S[rank + A_PRECHARGED_TIME] += max(0, now - S[rank + A_LAST_PRECHARGE])
            S[rank + A_ACTIVE] = active | bit
    elif command == PRE:
        _precharge(S, rank, 1 << (bank_number - rank_number * P[P_BANKS]), now)
    else:
        _account_of_rank(P, S, rank, rank_number, bank_number, command, now)


@apart
def _account_of_rank(P, S, rank, rank_number, bank_number, command, now):
    if command == PREA:
        active = S[rank + A_ACTIVE]
        if active != 0:
            S[rank + A_ACTIVE_TIME] += max(0, now - S[rank + A_FIRST_ACTIVE])
            S[rank + A_LAST_PRECHARGE] = now
            while active != 0:
                S[rank + A_PRES] += 1
                active &= active - 1
            S[rank + A_ACTIVE] = 0
    elif command == REFA:
        S[rank + A_REFS] += 1
        S[rank + A_FIRST_ACTIVE] = now
        S[rank + A_PRECHARGED_TIME] += max(0, now - S[rank + A_LAST_PRECHARGE])
        S[rank + A_LAST_PRECHARGE] = now + P[P_REFRESH_ACTIVE]
        S[rank + A_ACTIVE_TIME] += P[P_REFRESH_ACTIVE]
        S[rank + A_ACTIVE] = 0
    elif command == REFB:
        if S[rank + A_ACTIVE] & (1 << (bank_number - rank_number * P[P_BANKS])) == 0:
            S[rank + A_BANK_REFS] += 1
    elif command == PDEA:
        S[rank + A_SAVED] = S[rank + A_ACTIVE]
        S[rank + A_POWER_DOWN_SINCE] = now
        S[rank + A_ACTIVE_TIME] += max(0, now - S[rank + A_FIRST_ACTIVE])
        S[rank + A_MODE] = MODE_ACTIVE_DOWN
    elif command == PDEP:
        S[rank + A_POWER_DOWN_SINCE] = now
        S[rank + A_PRECHARGED_TIME] += max(0, now - S[rank + A_LAST_PRECHARGE])
        S[rank + A_MODE] = MODE_PRECHARGED_DOWN
    elif command == PDXA:
        S[rank + A_ACTIVE_DOWN] += max(0, now - S[rank + A_POWER_DOWN_SINCE])
        S[rank + A_MODE] = MODE_NORMAL
        S[rank + A_ACTIVE] = S[rank + A_SAVED]
        S[rank + A_FIRST_ACTIVE] = now
    elif command == PDXP:
        S[rank + A_PRECHARGED_DOWN] += max(0, now - S[rank + A_POWER_DOWN_SINCE])
        S[rank + A_MODE] = MODE_NORMAL
        S[rank + A_LAST_PRECHARGE] = now
    elif command == SREFEN:
        S[rank + A_SELF_SINCE] = now
        S[rank + A_PRECHARGED_TIME] += max(0, now - S[rank + A_LAST_PRECHARGE])
        S[rank + A_MODE] = MODE_SELF_REFRESH
    else:
        _leave_self_refresh(P, S, rank, now)


@inner
def close_account(P, S, rank_number, last, end):
    """Bring the durations of a rank up to ``end``, the completion of the channel's last command at ``last``."""
    rank = P[P_RANK] + rank_number * R_SIZE
    flush_auto_precharges(P, S, rank_number, last)
    mode = S[rank + A_MODE]
    if mode == MODE_NORMAL:
        if S[rank + A_ACTIVE] != 0:
            S[rank + A_ACTIVE_TIME] += max(0, end - S[rank + A_FIRST_ACTIVE])
        else:
            S[rank + A_PRECHARGED_TIME] += max(0, end - S[rank + A_LAST_PRECHARGE])
    elif mode == MODE_ACTIVE_DOWN:
        S[rank + A_ACTIVE_DOWN] += max(0, end - S[rank + A_POWER_DOWN_SINCE])
    elif mode == MODE_PRECHARGED_DOWN:
        S[rank + A_PRECHARGED_DOWN] += max(0, end - S[rank + A_POWER_DOWN_SINCE])
    else:
        active, whole = P[P_REFRESH_ACTIVE], P[P_REFRESH_CYCLES]
        duration = end - S[rank + A_SELF_SINCE]
        S[rank + A_SELF_ACTIVE] += min(duration, active)
        S[rank + A_SELF_PRECHARGED] += min(max(duration - active, 0), whole - active)
        S[rank + A_SELF] += max(0, duration - whole)
