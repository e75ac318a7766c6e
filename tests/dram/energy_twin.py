"""Counts and durations of the energy model, by an analysis of a rank's whole command list after the run."""

from __future__ import annotations

from collections import Counter

from archgym.simulators.dram import commands as c
from archgym.simulators.dram import layout as l

Command = tuple[int, int, int, int]  # clock cycle, command, rank, bank

COMPLETION = {c.RD: "read", c.RDA: "read", c.WR: "write", c.WRA: "write"}
COMPLETION |= {c.ACT: "activate", c.PRE: "precharge", c.PREA: "precharge"}


def with_auto_precharges(energy: dict[str, int], commands: list[Command]) -> list[Command]:
    """The list with the precharges inside RDA and WRA at their times; before what else happens then."""
    found, opened = [], {}
    for cycle, command, rank, bank in commands:
        found.append((cycle, 1, command, rank, bank))
        if command == c.ACT:
            opened[bank] = cycle
        elif command in (c.RDA, c.WRA):
            delay = energy["read_to_precharge" if command == c.RDA else "write_to_precharge"]
            found.append((max(cycle + delay, opened[bank] + energy["activate"]), 0, c.PRE, rank, bank))
    return [(cycle, *rest) for cycle, _, *rest in sorted(found, key=lambda entry: entry[:2])]


def counters(energy: dict[str, int], commands: list[Command], rank: int) -> list[int]:
    """Counts, and durations in clock cycles, in the order of `layout.A_COUNTERS`."""
    commands = with_auto_precharges(energy, commands)
    end = commands[-1][0] - 1 + energy.get(f"{COMPLETION.get(commands[-1][1], 'no')}_completion", 0)
    total, open_banks = Counter(), set()
    since_active = last_precharge = since_down = 0
    state, saved = "normal", set()
    whole, active = energy["refresh"], energy["refresh"] - energy["refresh_precharged"]

    def leave_self_refresh(now: int, exits: bool) -> None:
        slept = now - since_down
        parts = [min(slept, active), min(max(slept - active, 0), whole - active)]
        total[l.A_SELF_ACTIVE] += parts[0]
        total[l.A_SELF_PRECHARGED] += parts[1]
        total[l.A_SELF] += max(0, slept - whole)
        if exits:
            total[l.A_EXIT_ACTIVE] += active - parts[0]
            total[l.A_EXIT_PRECHARGED] += whole - active - parts[1]

    for now, command, _, bank in (entry for entry in commands if entry[2] == rank):
        idle = max(0, now - last_precharge)
        busy = max(0, now - since_active)
        if command in (c.RD, c.RDA, c.WR, c.WRA):
            total[l.A_READS if command in (c.RD, c.RDA) else l.A_WRITES] += 1
        elif command == c.ACT and bank not in open_banks:
            total[l.A_ACTS] += 1
            if not open_banks:
                total[l.A_PRECHARGED_TIME] += idle
                since_active = now
            open_banks.add(bank)
        elif command == c.PRE and bank in open_banks:
            total[l.A_PRES] += 1
            open_banks.remove(bank)
            if not open_banks:
                total[l.A_ACTIVE_TIME] += busy
                last_precharge = now
        elif command == c.PREA and open_banks:
            total[l.A_PRES] += len(open_banks)
            total[l.A_ACTIVE_TIME] += busy
            last_precharge = now
            open_banks.clear()
        elif command == c.REFA:
            total[l.A_REFS] += 1
            total[l.A_PRECHARGED_TIME] += idle
            total[l.A_ACTIVE_TIME] += active
            since_active, last_precharge = now, now + active
            open_banks.clear()
        elif command == c.PDEA:
            total[l.A_ACTIVE_TIME] += busy
            since_down, state, saved = now, "active down", set(open_banks)
        elif command in (c.PDEP, c.SREFEN):
            total[l.A_PRECHARGED_TIME] += idle
            since_down, state = now, "precharged down" if command == c.PDEP else "self refresh"
        elif command == c.PDXA:
            total[l.A_ACTIVE_DOWN] += now - since_down
            since_active, state, open_banks = now, "normal", saved
        elif command == c.PDXP:
            total[l.A_PRECHARGED_DOWN] += now - since_down
            last_precharge, state = now, "normal"
        elif command == c.SREFEX:
            leave_self_refresh(now, exits=True)
            last_precharge, state = now + max(0, whole - (now - since_down)), "normal"
    if state == "self refresh":
        leave_self_refresh(end, exits=False)
    elif state == "normal" and open_banks:
        total[l.A_ACTIVE_TIME] += max(0, end - since_active)
    elif state == "normal":
        total[l.A_PRECHARGED_TIME] += max(0, end - last_precharge)
    else:
        total[l.A_ACTIVE_DOWN if state == "active down" else l.A_PRECHARGED_DOWN] += max(0, end - since_down)
    return [total[name] for name in l.A_COUNTERS]
