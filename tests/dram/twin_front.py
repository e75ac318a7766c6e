"""What stands before the controllers in the plain twin: requests, trace player, arbiters."""

from __future__ import annotations

from dataclasses import dataclass

from tests.dram.twin_events import Mailbox


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


class Player:
    """Sends one request at a time; its next one after the previous is accepted, at the next edge of its clock."""

    def __init__(self, heap, trace_times, requests, clock_ps, relative):
        self.heap, self.times, self.requests = heap, trace_times, requests
        self.clock, self.relative = clock_ps, relative
        self.next, self.latencies, self.end = 0, [0] * len(requests), 0
        self.responses, self.mail = 0, Mailbox(heap)

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
        self.arbiter.mail.at(arrival - now, self.arbiter.begin_request, request)

    def end_request(self, request):
        self.send_next()

    def begin_response(self, request):
        self.latencies[request.number] = self.heap.time - request.sent
        self.responses += 1
        self.end = self.heap.time
        period = self.arbiter.tCK
        self.arbiter.mail.at(-self.heap.time % period, self.arbiter.end_response, request)


class Arbiter:
    def __init__(self, heap, player, controllers, tCK):
        self.heap, self.player, self.controllers, self.tCK = heap, player, controllers, tCK
        self.mail = Mailbox(heap)
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
        self.player.mail.at(delay, self.player.begin_response, request)


class Simple(Arbiter):
    def begin_request(self, request):
        self.give_ids(request)
        if self.channel_busy[request.channel]:
            self.requests[request.channel].append(request)
        else:
            self.channel_busy[request.channel] = True
            self.to_controller(request, 0)

    def end_request(self, request):
        self.player.mail.at(0, self.player.end_request, request)
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
        self.player.mail.at(0, self.player.end_request, request)
        self.arbitrate_request(request)

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
        self.arbitrate_response(request)

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
