"""The controller model written slowly and plainly: an event heap, objects, full histories, a command list.

It follows the rules of ``ASSUMPTIONS.md`` one by one and shares no code with the kernel except the tables of a
device. An instant is split into delta cycles: a message without delay is handled in the next delta cycle.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field

from archgym.simulators.dram import commands as c
from archgym.simulators.dram.device import Device

NEVER = 1 << 62
ARBITER, CONTROLLER = 0, 1  # within a delta cycle the arbiter and the player come before the controllers


@dataclass
class Request:
    number: int
    channel: int
    rank: int
    bank: int  # within the channel
    row: int
    address: int
    is_write: bool
    sent: int = 0
    channel_id: int = 0
    thread_id: int = 0
    data_end: int = 0
    opened: int = 0  # 1: its activation found the bank precharged, 2: it had to close another row first


class Heap:
    def __init__(self):
        self.entries, self.count = [], 0
        self.time = self.delta = 0

    def at(self, delay, action, *arguments, priority=ARBITER):
        key = (self.time, self.delta + 1) if delay == 0 else (self.time + delay, 0)
        self.count += 1
        heapq.heappush(self.entries, (*key, priority, self.count, action, arguments))

    def run(self, finished):
        last = None
        while self.entries:
            if last is not None and self.entries[0][:2] > last:
                return True
            self.time, self.delta, _, _, action, arguments = heapq.heappop(self.entries)
            action(*arguments)
            if last is None and finished():
                last = (self.time, self.delta)
            if self.delta > 1000:
                return False
        return last is not None


class Player:
    """Sends one request at a time; its next one after the previous is accepted, at the next edge of its clock."""

    def __init__(self, heap, trace_times, requests, clock_ps, relative):
        self.heap, self.times, self.requests = heap, trace_times, requests
        self.clock, self.relative = clock_ps, relative
        self.next, self.latencies, self.end = 0, [0] * len(requests), 0
        self.responses = 0

    def send_next(self):
        if self.next == len(self.requests):
            return
        now, request = self.heap.time, self.requests[self.next]
        edge = now if self.next == 0 else now + self.clock - now % self.clock
        stamp = self.times[self.next] * self.clock
        request.sent = edge + stamp if self.relative else max(edge, stamp)
        self.next += 1
        period = self.arbiter.tCK
        arrival = -(-request.sent // period) * period
        self.heap.at(arrival - now, self.arbiter.begin_request, request)

    def end_request(self, request):
        self.send_next()

    def begin_response(self, request):
        self.latencies[request.number] = self.heap.time - request.sent
        self.responses += 1
        self.end = self.heap.time
        period = self.arbiter.tCK
        self.heap.at(-self.heap.time % period, self.arbiter.end_response, request)


class Arbiter:
    def __init__(self, heap, player, controllers, tCK):
        self.heap, self.player, self.controllers, self.tCK = heap, player, controllers, tCK
        self.channel_busy = [False] * len(controllers)
        self.requests = [[] for _ in controllers]
        self.next_channel_id = [1] * len(controllers)
        self.player_busy, self.responses = False, []

    def give_ids(self, request):
        request.channel_id = self.next_channel_id[request.channel]
        self.next_channel_id[request.channel] += 1
        self.next_thread_id = request.thread_id = getattr(self, "next_thread_id", 0) + 1

    def to_controller(self, request, delay):
        self.controllers[request.channel].offer(request, delay)

    def to_player(self, request, delay):
        self.heap.at(delay, self.player.begin_response, request)


class Simple(Arbiter):
    def begin_request(self, request):
        self.give_ids(request)
        if self.channel_busy[request.channel]:
            self.requests[request.channel].append(request)
        else:
            self.channel_busy[request.channel] = True
            self.to_controller(request, 0)

    def end_request(self, request):
        self.heap.at(0, self.player.end_request, request)
        if self.requests[request.channel]:
            self.to_controller(self.requests[request.channel].pop(0), self.tCK)
        else:
            self.channel_busy[request.channel] = False

    def begin_response(self, request):
        if self.player_busy:
            self.responses.append(request)
        else:
            self.player_busy = True
            self.to_player(request, 0)

    def end_response(self, request):
        self.controllers[request.channel].end_response(0)
        if self.responses:
            self.to_player(self.responses.pop(0), self.tCK)
        else:
            self.player_busy = False


class Queued(Arbiter):
    """Fifo and Reorder: requests are acknowledged at once up to a number in flight, responses taken at once."""

    def __init__(self, heap, player, controllers, tCK, most, reorder):
        super().__init__(heap, player, controllers, tCK)
        self.most, self.reorder, self.active, self.withheld = most, reorder, 0, None
        self.last_end_request, self.last_end_response = [-1] * len(controllers), -1
        self.next_return = 1

    def accept(self, request):
        self.give_ids(request)
        self.heap.at(0, self.player.end_request, request)
        self.heap.at(0, self.arbitrate_request, request)

    def begin_request(self, request):
        if self.active < self.most:
            self.active += 1
            self.accept(request)
        else:
            self.withheld = request

    def arbitrate_request(self, request):
        self.requests[request.channel].append(request)
        if not self.channel_busy[request.channel]:
            self.channel_busy[request.channel] = True
            just_now = self.last_end_request[request.channel] == self.heap.time
            self.to_controller(self.requests[request.channel].pop(0), self.tCK if just_now else 0)

    def end_request(self, request):
        self.last_end_request[request.channel] = self.heap.time
        if self.requests[request.channel]:
            self.to_controller(self.requests[request.channel].pop(0), self.tCK)
        else:
            self.channel_busy[request.channel] = False

    def begin_response(self, request):
        self.controllers[request.channel].end_response(0)
        self.heap.at(0, self.arbitrate_response, request)

    def next_response(self):
        if self.reorder:
            due = [r for r in self.responses if r.thread_id == self.next_return]
            if not due:
                return None
            self.next_return += 1
            self.responses.remove(due[0])
            return due[0]
        return self.responses.pop(0) if self.responses else None

    def arbitrate_response(self, request):
        self.responses.append(request)
        if not self.player_busy:
            chosen = self.next_response()
            if chosen:
                self.player_busy = True
                self.to_player(chosen, self.tCK if self.last_end_response == self.heap.time else 0)

    def end_response(self, request):
        self.last_end_response = self.heap.time
        if self.withheld:
            request, self.withheld = self.withheld, None
            self.accept(request)
        else:
            self.active -= 1
        chosen = self.next_response()
        if chosen:
            self.to_player(chosen, self.tCK)
        else:
            self.player_busy = False


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


class Controller:
    def __init__(self, device, p, heap):
        self.device, self.p, self.heap = device, p, heap
        self.checker, self.scheduler = Checker(device, heap), Scheduler(p, device.banks_per_channel)
        self.machines = [BankMachine(number, self) for number in range(device.banks_per_channel)]
        self.power = [
            Staggered(self, rank) if p["PowerDownPolicy"] == "Staggered" else NoPowerDown()
            for rank in range(device.ranks)
        ]
        kinds = {"AllBank": (AllBankRefresh, 0), "PerBank": (PerBankRefresh, 1), "SameBank": (SameBankRefresh, 2)}
        self.refresh = []
        for rank in range(device.ranks):
            machines = self.machines[rank * device.banks : (rank + 1) * device.banks]
            if p["RefreshPolicy"] == "NoRefresh":
                self.refresh.append(NoRefresh())
            else:
                kind, place = kinds[p["RefreshPolicy"]]
                interval = int(device.timing.refresh_interval[place])
                limits = (p["RefreshMaxPostponed"], p["RefreshMaxPulledin"])
                self.refresh.append(kind(self, rank, interval, *limits, machines))
        self.waiting, self.waiting_from = [0] * device.ranks, NEVER
        self.offered = self.outstanding = None
        self.response_end, self.in_flight, self.next_response_id, self.next_cas = -1, 0, 1, 1
        self.responses, self.pending, self.scheduled = [], {}, set()
        self.commands, self.counts, self.cas_seen = [], [0] * c.COUNT, {}

    # named wake-ups: each holds one pending notification, the earlier of two wins
    def wake(self, name, delay):
        key = (self.heap.time, self.heap.delta + 1) if delay == 0 else (self.heap.time + delay, 0)
        if key < self.pending.get(name, (NEVER, 0)):
            self.pending[name] = key
            if key not in self.scheduled:
                self.scheduled.add(key)
                self.heap.at(delay, self.run_if_woken, priority=CONTROLLER)

    def run_if_woken(self):
        key = (self.heap.time, self.heap.delta)
        self.scheduled.discard(key)
        woken = [name for name, when in self.pending.items() if when == key]
        for name in woken:
            del self.pending[name]
        if woken:
            self.run()

    def offer(self, request, delay):
        self.offered, self.waiting_from = request, self.heap.time + delay
        self.wake("request", delay)

    def end_response(self, delay):
        self.response_end = self.heap.time + delay
        self.wake("end of response", delay)

    def next_response(self):
        if not self.responses:
            return None
        if self.p["RespQueue"] == "Fifo":
            head = self.responses[0]
        else:
            head = min(self.responses, key=lambda r: r.channel_id)
            if head.channel_id != self.next_response_id:
                return None
        if head.data_end > self.heap.time:
            self.wake("data", head.data_end - self.heap.time)
            return None
        self.responses.remove(head)
        self.next_response_id += 1
        return head

    def send_response(self, delay):
        head = self.next_response()
        if head:
            self.outstanding, self.response_end = head, NEVER
            self.heap.at(delay, self.arbiter.begin_response, head)

    def manage_responses(self):
        now, tCK = self.heap.time, self.device.tCK_ps
        if self.outstanding:
            if self.response_end == now:
                self.outstanding = None
                self.in_flight -= 1
                if self.in_flight:
                    self.send_response(tCK)
        else:
            self.send_response(tCK if self.response_end == now else 0)

    def manage_requests(self):
        if self.offered is None or self.waiting_from > self.heap.time or not self.scheduler.has_space():
            return
        request, self.offered = self.offered, None
        self.in_flight += 1
        if self.waiting[request.rank] == 0:
            self.power[request.rank].leave()
        self.waiting[request.rank] += 1
        self.scheduler.store(request)
        self.machines[request.bank].evaluate()
        self.heap.at(0, self.arbiter.end_request, request)

    def candidates(self):
        """(time, length, id, command, rank, banks, machine) of every command that wants to be issued."""
        now, found = self.heap.time, []
        for rank in range(self.device.ranks):
            power, refresh = self.power[rank], self.refresh[rank]
            if power.command != c.NONE:
                found.append((power.time, 1 << 62, power.command, rank, [], None))
                continue
            if refresh.command != c.NONE:
                found.append((max(refresh.time, now), 0, refresh.command, rank, refresh.banks, None))
            for m in self.machines[rank * self.device.banks : (rank + 1) * self.device.banks]:
                if m.command != c.NONE:
                    found.append((max(m.time, now), m.current.channel_id, m.command, rank, [m.number], m))
        return found

    def select(self, found):
        cycles, tCK = self.device.timing.bus_cycles, self.device.tCK_ps
        cas = (c.RD, c.WR, c.RDA, c.WRA)
        if self.p["CmdMux"] == "Strict":
            found = [f for f in found if f[2] not in cas or f[1] == self.next_cas]
        by_end = lambda f: (f[0] + int(cycles[f[2]]) * tCK, f[1])  # noqa: E731
        if self.device.timing.buses == 2:
            row, column = [f for f in found if f[2] not in cas], [f for f in found if f[2] in cas]
            found = [min(part, key=by_end) for part in (row, column) if part]
            best = min(found, key=lambda f: f[:2], default=None)
        else:
            best = min(found, key=by_end, default=None)
        return best if best and best[0] == self.heap.time else None

    def issue(self, chosen):
        _, _, command, rank, banks, machine = chosen
        per_rank = self.device.banks
        all_banks = range(rank * per_rank, (rank + 1) * per_rank)
        is_rank_command = command not in (c.ACT, c.PRE, c.RD, c.WR, c.RDA, c.WRA, c.REFB, c.PRESB, c.REFSB)
        request = machine.current if machine else None
        if machine:
            self.count_row_outcome(machine, command, request)
        for bank in all_banks if is_rank_command else banks:
            self.machines[bank].update(command)
        self.refresh[rank].update(command)
        self.power[rank].update(command)
        self.checker.insert(command, rank, [] if is_rank_command else banks)
        self.commands.append((self.heap.time // self.device.tCK_ps, command, rank, banks[0] if banks else 0))
        self.counts[command] += 1
        if command in (c.RD, c.WR, c.RDA, c.WRA):
            self.next_cas += 1
            self.scheduler.remove(request)
            self.manage_requests()
            end = int(self.device.timing.data_end[int(request.is_write)]) * self.device.tCK_ps
            request.data_end = self.heap.time + end
            self.responses.append(request)
            self.arm_data()
            self.waiting[rank] -= 1
        if self.waiting[rank] == 0:
            self.power[rank].enter()

    def arm_data(self):
        if self.p["RespQueue"] == "Fifo":
            head = self.responses[0]
        else:
            head = min(self.responses, key=lambda r: r.channel_id)
            if head.channel_id != self.next_response_id:
                return
        if head.data_end > self.heap.time:
            self.wake("data", head.data_end - self.heap.time)

    def count_row_outcome(self, machine, command, request):
        if command == c.PRE:
            machine.opening = 2
        elif command == c.ACT:
            machine.opening = max(getattr(machine, "opening", 0), 1)
        else:
            outcome = getattr(machine, "opening", 0)
            self.cas_seen[outcome] = self.cas_seen.get(outcome, 0) + 1
            machine.opening = 0

    def run(self):
        now = self.heap.time
        self.manage_responses()
        self.manage_requests()
        for manager in (*self.refresh, *self.power):
            manager.evaluate()
        found = self.candidates()
        chosen = self.select(found)
        if chosen:
            self.issue(chosen)
        blocked = bool(found) and not chosen
        times = [machine.evaluate() for machine in self.machines]
        times += [manager.evaluate() for manager in (*self.refresh, *self.power)]
        later = [time for time in times if time < NEVER and not (time == now and blocked)]
        if later:
            self.wake("self", max(0, min(later) - now))


@dataclass
class Result:
    finished: bool
    total_time_ps: int
    latencies_ps: list
    commands: list = field(default_factory=list)
    hits: int = 0
    misses: int = 0
    conflicts: int = 0


def simulate(device, places, addresses, times, writes, p, clock_ps=None, relative=False):
    """Run the twin; ``places`` holds (channel, rank, bank within the channel, row) of each request."""
    heap = Heap()
    controllers = [Controller(device, p, heap) for _ in range(device.channels)]
    requests = [Request(i, *places[i], int(addresses[i]), bool(writes[i])) for i in range(len(places))]
    player = Player(heap, [int(t) for t in times], requests, clock_ps or device.tCK_ps, relative)
    if p["Arbiter"] == "Simple":
        arbiter = Simple(heap, player, controllers, device.tCK_ps)
    else:
        arbiter = Queued(
            heap, player, controllers, device.tCK_ps, p["MaxActiveTransactions"], p["Arbiter"] == "Reorder"
        )
    player.arbiter = arbiter
    for controller in controllers:
        controller.arbiter = arbiter
        controller.run()
    player.send_next()
    finished = heap.run(lambda: player.responses == len(requests))
    outcomes = [sum(controller.cas_seen.get(k, 0) for controller in controllers) for k in range(3)]
    return Result(finished, player.end, player.latencies, [x.commands for x in controllers], *outcomes)
