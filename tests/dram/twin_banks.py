"""Timing history, scheduler and bank machines of the plain twin."""

from __future__ import annotations

from archgym.simulators.dram import commands as c
from archgym.simulators.dram.device import Device
from tests.dram.twin_events import NEVER


class Checker:
    """When a command may be issued: the history of every command per bank, group, rank and channel."""

    def __init__(self, device: Device, heap):
        self.device, self.timing, self.heap, self.tCK = device, device.timing, heap, device.tCK_ps
        self.bank, self.group, self.rank = {}, {}, {}
        self.bus = dict.fromkeys(("row", "column"), -NEVER if device.timing.buses == 1 else -1)
        self.window = [[] for _ in range(device.ranks)]
        self.round = [0] * device.ranks

    def buses(self, command):
        if self.timing.buses == 1:
            return "row"
        return "column" if command in (c.RD, c.WR, c.RDA, c.WRA) else "row"

    def earliest(self, command, rank, bank=None):
        t, tCK, limit = self.timing, self.tCK, -(1 << 40)
        times = [self.heap.time, self.bus[self.buses(command)] + tCK]
        for previous in range(c.COUNT):
            if bank is not None:
                if t.after_bank[previous, command] > limit and (previous, bank) in self.bank:
                    times.append(self.bank[previous, bank] + int(t.after_bank[previous, command]) * tCK)
                group = (previous, self.group_of(bank))
                if t.after_group[previous, command] > limit and group in self.group:
                    times.append(self.group[group] + int(t.after_group[previous, command]) * tCK)
            for other in range(self.device.ranks):
                table = t.after_rank if other == rank else t.after_other_rank
                if table[previous, command] > limit and (previous, other) in self.rank:
                    times.append(self.rank[previous, other] + int(table[previous, command]) * tCK)
        if t.window[command] > limit and len(self.window[rank]) == 4:
            times.append(self.window[rank][0] + int(t.window[command]) * tCK)
        if command == c.REFB and t.round_delay[0] > limit and (c.REFB, rank) in self.rank:
            delay = t.round_delay[1] if self.round[rank] == 0 else t.round_delay[0]
            times.append(self.rank[c.REFB, rank] + delay * tCK)
        return max(times)

    def group_of(self, bank):
        return bank // (self.device.banks // self.device.groups)

    def insert(self, command, rank, banks):
        now = self.heap.time
        for bank in banks:
            self.bank[command, bank] = now
            self.group[command, self.group_of(bank)] = now
        self.rank[command, rank] = now
        occupied = now + (int(self.timing.bus_cycles[command]) - 1) * self.tCK
        self.bus[self.buses(command)] = occupied
        if self.timing.window_counts[command]:
            self.window[rank] = [*self.window[rank], occupied][-4:]
        if command == c.REFB:
            self.round[rank] = (self.round[rank] + 1) % self.device.banks


class Scheduler:
    def __init__(self, p, banks):
        self.p, self.queues = p, [[] for _ in range(banks)]
        self.last_bank, self.last_is_write, self.write_mode = 0, False, False

    def counts(self):
        waiting = [r for queue in self.queues for r in queue]
        writes = sum(r.is_write for r in waiting)
        return len(waiting) - writes, writes

    def has_space(self):
        reads, writes = self.counts()
        size = self.p["RequestBufferSize"]
        match self.p["SchedulerBuffer"]:
            case "Shared":
                return reads + writes < size
            case "ReadWrite":
                return reads < size and writes < size
        return len(self.queues[self.last_bank]) < size

    def switch(self):
        reads, writes = self.counts()
        if self.write_mode:
            if writes <= self.p["LowWatermark"] and reads:
                self.write_mode = False
        elif writes > self.p["HighWatermark"] or not reads:
            self.write_mode = True

    def store(self, request):
        self.queues[request.bank].append(request)
        self.last_bank = request.bank
        self.switch()

    def remove(self, request):
        self.queues[request.bank].remove(request)
        self.last_is_write = request.is_write
        self.switch()

    def group(self, bank, is_write):
        """The requests among which the policy looks (and looks for further ones of the same direction)."""
        queue = self.queues[bank]
        return queue if not self.p["Scheduler"].startswith("Grp") else [r for r in queue if r.is_write == is_write]

    def next(self, machine):
        queue, policy = self.queues[machine.number], self.p["Scheduler"]
        if policy == "GrpFrFcfs":
            queue = self.group(machine.number, self.last_is_write) or self.group(machine.number, not self.last_is_write)
        elif policy == "GrpFrFcfsWm":
            queue = self.group(machine.number, self.write_mode)
        if not queue:
            return None
        if policy == "Fifo" or not machine.active:
            return queue[0]
        hits = [r for r in queue if r.row == machine.row]
        if policy == "FrFcfsGrp":
            for position, hit in enumerate(hits):
                older = hits[:position]
                if hit.is_write == self.last_is_write and all(r.address != hit.address for r in older):
                    return hit
        return hits[0] if hits else queue[0]

    def further(self, machine, request):
        return len(self.group(machine.number, request.is_write)) >= 2

    def further_hit(self, machine, request):
        queue = self.group(machine.number, request.is_write)
        if self.p["Scheduler"] == "Fifo":
            return len(queue) >= 2 and queue[1].row == machine.row
        return sum(r.row == machine.row for r in queue) >= 2


class BankMachine:
    def __init__(self, number, controller):
        self.number, self.controller = number, controller
        self.rank = number // controller.device.banks
        self.active, self.row, self.current = False, -1, None
        self.sleeping = self.blocked = self.keep = False
        self.command, self.time = c.NONE, NEVER

    def evaluate(self):
        self.command, self.time = c.NONE, NEVER
        if self.sleeping or self.blocked:
            return NEVER
        scheduler, policy = self.controller.scheduler, self.controller.p["PagePolicy"]
        offered = scheduler.next(self)
        if offered is None:
            if not self.keep:
                self.current = None
            return NEVER
        if not self.keep or offered.row == self.row:
            self.current = offered
        request = self.current
        if not self.active:
            self.command = c.ACT
        elif request.row != self.row:
            self.command = c.PRE
        else:
            match policy:
                case "Open":
                    close = False
                case "Closed":
                    close = True
                case "OpenAdaptive":
                    close = scheduler.further(self, request) and not scheduler.further_hit(self, request)
                case "ClosedAdaptive":
                    close = not scheduler.further_hit(self, request)
            self.command = [[c.RD, c.WR], [c.RDA, c.WRA]][close][request.is_write]
        self.time = self.controller.checker.earliest(self.command, self.rank, self.number)
        return self.time

    def update(self, command):
        if command == c.ACT:
            self.active, self.row, self.keep = True, self.current.row, True
        elif command in (c.PRE, c.PREA, c.PRESB):
            self.active, self.keep = False, False
        elif command in (c.RD, c.WR):
            self.current, self.keep = None, False
        elif command in (c.RDA, c.WRA):
            self.active, self.current, self.keep = False, None, False
        elif command in (c.PDEA, c.PDEP, c.SREFEN):
            self.sleeping = True
        elif command in (c.REFA, c.REFB, c.REFSB):
            self.sleeping = self.blocked = False
        elif command in (c.PDXA, c.PDXP):
            self.sleeping = False
