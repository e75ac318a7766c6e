"""Refresh and power-down managers of the plain twin, one a rank."""

from __future__ import annotations

from archgym.simulators.dram import commands as c
from tests.dram.twin_events import NEVER


class Refresh:
    """Common to all refresh policies: when one is due, postponing and pulling in."""

    def __init__(self, controller, rank, interval, most_postponed, most_pulled_in, machines):
        self.controller, self.rank, self.machines = controller, rank, machines
        self.tCK = controller.device.tCK_ps
        self.interval = interval * self.tCK
        bits = controller.device.ranks.bit_length() - 1
        reverse = int(f"{rank:0{bits}b}"[::-1], 2) if bits else 0
        first = self.interval - reverse * (self.interval // controller.device.ranks)
        self.due = -(-first // self.tCK) * self.tCK
        self.most_postponed, self.most_pulled_in = most_postponed, most_pulled_in
        self.balance, self.pulled_in, self.sleeping = 0, False, False
        self.command, self.time, self.banks = c.NONE, NEVER, []

    def evaluate(self):
        self.command, self.time = c.NONE, NEVER
        now = self.controller.heap.time
        if now < self.due:
            return self.due
        self.controller.power[self.rank].interrupt()
        if self.sleeping:
            return NEVER
        if now >= self.due + self.interval:
            self.due += self.interval
            self.pulled_in = False
        if not self.choose():
            self.due += self.interval
            return self.due
        self.time = self.controller.checker.earliest(
            self.command, self.rank, None if self.command in (c.PREA, c.REFA) else self.banks[0]
        )
        if self.command in (c.PRESB, c.REFSB):
            self.time = max(self.controller.checker.earliest(self.command, self.rank, b) for b in self.banks)
        return self.time

    def refreshed(self):
        if self.pulled_in:
            self.balance -= 1
        else:
            self.pulled_in = True
        if self.balance == -self.most_pulled_in:
            self.pulled_in = False
            self.due += self.interval

    def update(self, command):
        if command in (c.PDEA, c.PDEP):
            self.sleeping = True
        elif command == c.SREFEN:
            self.sleeping, self.due = True, NEVER
        elif command in (c.PDXA, c.PDXP):
            self.sleeping = False
        elif command == c.REFA and (self.sleeping or not isinstance(self, AllBankRefresh)):
            self.pulled_in, self.sleeping = False, False
            self.due = self.controller.heap.time + self.interval
        elif command in (c.REFA, c.REFB, c.REFSB):
            self.refreshed()


class NoRefresh:
    command, time, banks = c.NONE, NEVER, ()

    def evaluate(self):
        return NEVER

    def update(self, command):
        pass


class AllBankRefresh(Refresh):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.open = 0

    def choose(self):
        busy = any(m.current is not None for m in self.machines)
        if not self.pulled_in and self.balance == self.most_postponed:
            for machine in self.machines:
                machine.blocked = True
        elif busy:
            if not self.pulled_in:
                self.balance += 1
            self.pulled_in = False
            return False
        self.command = c.PREA if self.open > 0 and not self.pulled_in else c.REFA
        return True

    def update(self, command):
        if command == c.ACT:
            self.open += 1
        elif command in (c.PRE, c.RDA, c.WRA):
            self.open -= 1
        elif command == c.PREA:
            self.open = 0
        super().update(command)


class PerBankRefresh(Refresh):
    """Refreshes sets of banks in turn: one bank a set, or the same bank of every group."""

    refresh, precharge = c.REFB, c.PRE

    def __init__(self, controller, rank, interval, postponed, pulled_in, machines):
        self.sets = self.all_sets(controller.device, machines)
        count = len(self.sets)
        super().__init__(controller, rank, interval, postponed * count, pulled_in * count, machines)
        self.remaining, self.chosen, self.skip = list(self.sets), self.sets[0], False

    @staticmethod
    def all_sets(device, machines):
        return [[m] for m in machines]

    def choose(self):
        forced = not self.pulled_in and self.balance == self.most_postponed
        idle = [s for s in self.remaining if all(m.current is None for m in s)]
        all_busy = True
        if not (self.skip and not self.pulled_in):
            all_busy = not idle
            if not self.pulled_in or idle:
                self.chosen = idle[0] if idle else self.remaining[0]
        if all_busy and not forced:
            if not self.pulled_in:
                self.balance += 1
            self.pulled_in = False
            return False
        self.banks = [m.number for m in self.chosen]
        self.command = self.refresh
        if any(m.active for m in self.chosen):
            self.command = self.precharge
        elif forced:
            for machine in self.chosen:
                machine.blocked = True
            self.skip = True
        return True

    def update(self, command):
        if command == self.refresh:
            self.skip = False
            self.remaining.remove(self.chosen)
            self.remaining = self.remaining or list(self.sets)
        super().update(command)


class SameBankRefresh(PerBankRefresh):
    refresh, precharge = c.REFSB, c.PRESB

    @staticmethod
    def all_sets(device, machines):
        per_group = device.banks // device.groups
        return [[m for m in machines if m.number % per_group == bank] for bank in range(per_group)]


class NoPowerDown:
    command, time = c.NONE, NEVER

    def evaluate(self):
        return NEVER

    def update(self, command):
        pass

    enter = leave = interrupt = lambda self: None


class Staggered:
    def __init__(self, controller, rank):
        self.controller, self.rank = controller, rank
        self.idle = self.entry = True
        self.exit = self.self_refresh = False
        self.state, self.open = "idle", 0
        self.command, self.time = c.NONE, NEVER

    def enter(self):
        self.idle = True
        if self.state == "idle":
            self.entry = True

    def leave(self):
        self.idle = self.self_refresh = False
        self.interrupt()

    def interrupt(self):
        self.entry = False
        if self.state != "idle":
            self.exit = True

    def evaluate(self):
        self.command, self.time = c.NONE, NEVER
        exits = {"active": c.PDXA, "precharged": c.PDXP, "self refresh": c.SREFEX, "extra refresh": c.REFA}
        if self.exit:
            self.command = exits[self.state]
        elif self.entry:
            self.command = c.PDEA if self.open else c.PDEP
        elif self.self_refresh:
            self.command = c.SREFEN
        if self.command != c.NONE:
            self.time = self.controller.checker.earliest(self.command, self.rank)
        return self.time

    def update(self, command):
        if command == c.ACT:
            self.open += 1
        elif command == c.PRE:
            self.open -= 1
        elif command == c.PREA:
            self.open = 0
        elif command in (c.PDEA, c.PDEP, c.SREFEN):
            self.state = {c.PDEA: "active", c.PDEP: "precharged", c.SREFEN: "self refresh"}[command]
            self.entry = False
            self.self_refresh = self.self_refresh and command != c.SREFEN
        elif command in (c.PDXA, c.PDXP):
            self.state, self.exit = "idle", False
            if command == c.PDXP and self.idle:
                self.self_refresh = True
        elif command == c.SREFEX:
            self.state = "extra refresh"
        elif command == c.REFA and self.state == "extra refresh":
            self.state, self.exit = "idle", False
        elif command in (c.REFA, c.REFB, c.REFSB) and self.idle:
            self.entry = True
