"""The controller model written slowly and plainly: events, objects, full histories, a command list.

It follows the rules of ``ASSUMPTIONS.md`` one by one and shares no code with the kernel except the tables of a
device. An instant is split into delta cycles: a message without delay is handled in the next delta cycle.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from archgym.simulators.dram import commands as c
from tests.dram.twin_banks import BankMachine, Checker, Scheduler
from tests.dram.twin_events import NEVER, Event, SimulatedTime
from tests.dram.twin_front import Player, Queued, Request, Simple
from tests.dram.twin_managers import AllBankRefresh, NoPowerDown, NoRefresh, PerBankRefresh, SameBankRefresh, Staggered


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
        self.responses = []
        self.events = {name: Event(heap, self.run) for name in ("request", "end of response", "data", "self")}
        self.commands, self.counts, self.cas_seen = [], [0] * c.COUNT, {}

    def offer(self, request, delay):
        self.offered, self.waiting_from = request, self.heap.time + delay
        self.events["request"].notify(delay)

    def end_response(self, delay):
        self.response_end = self.heap.time + delay
        self.events["end of response"].notify(delay)

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
            self.events["data"].notify(head.data_end - self.heap.time)
            return None
        self.responses.remove(head)
        self.next_response_id += 1
        return head

    def send_response(self, delay):
        head = self.next_response()
        if head:
            self.outstanding, self.response_end = head, NEVER
            self.arbiter.mail.at(delay, self.arbiter.begin_response, head)

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
        self.arbiter.mail.at(0, self.arbiter.end_request, request)

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
            self.events["data"].notify(head.data_end - self.heap.time)

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
            self.events["self"].notify(max(0, min(later) - now))


@dataclass
class Result:
    finished: bool
    total_time_ps: int
    latencies_ps: list
    commands: list = field(default_factory=list)
    hits: int = 0
    misses: int = 0
    conflicts: int = 0


def simulate(device, places, addresses, times, writes, p, clock_ps=None, relative=False, patience=1 << 40):
    """Run the twin; ``places`` holds (channel, rank, bank within the channel, row) of each request.

    It gives up when no response has come for ``patience`` ps, which must be longer than any pause of the trace.
    """
    heap = SimulatedTime()
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
        heap.runnable.append(controller.run)
    heap.runnable.append(player.send_next)
    finished = heap.run(lambda: player.responses == len(requests), lambda: player.responses, patience)
    outcomes = [sum(controller.cas_seen.get(k, 0) for controller in controllers) for k in range(3)]
    return Result(finished, player.end, player.latencies, [x.commands for x in controllers], *outcomes)
