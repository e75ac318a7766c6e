"""Simulated time of the plain twin: delta cycles, events and mailboxes, with SystemC's order in an instant."""

from __future__ import annotations

NEVER = 1 << 62


class SimulatedTime:
    """Delta cycles and timed notifications as SystemC has them, with its order of notifications of one instant."""

    def __init__(self):
        self.time = self.delta = 0
        self.runnable, self.notified, self.timed = [], [], [None]

    def insert(self, time, token, event):
        """Into a binary heap, entries from place 1 on; the order in which equal times leave it is part of the model."""
        heap = self.timed
        heap.append((time, token, event))
        here = len(heap) - 1
        while here > 1 and heap[here][0] < heap[here // 2][0]:
            heap[here], heap[here // 2] = heap[here // 2], heap[here]
            here //= 2

    def extract(self):
        heap = self.timed
        first, heap[1] = heap[1], heap[-1]
        heap.pop()
        here = 1
        while True:
            earliest = here
            for child in (2 * here, 2 * here + 1):
                if child < len(heap) and heap[child][0] < heap[earliest][0]:
                    earliest = child
            if earliest == here:
                return first
            heap[here], heap[earliest] = heap[earliest], heap[here]
            here = earliest

    def run(self, finished, progress, patience):
        """Until ``finished``; False if nothing more can happen, or no response has come for ``patience`` ps."""
        seen, since, cycles = 0, 0, 0
        while True:
            while self.runnable:
                processes, self.runnable = self.runnable, []
                for process in processes:
                    process()
                self.delta += 1
                cycles += 1
                if finished():
                    return True
                if cycles > 1000:
                    return False
                events, self.notified = self.notified, []
                for event in reversed(events):
                    event.trigger()
            if progress() != seen:
                seen, since = progress(), self.time
            if len(self.timed) == 1 or self.time - since > patience:
                return False
            self.time, cycles = self.timed[1][0], 0
            while len(self.timed) > 1 and self.timed[1][0] == self.time:
                _, token, event = self.extract()
                if event.token is token:
                    event.trigger()


class Event:
    """Wakes a process; of two notifications the earlier stays, the other is dropped."""

    def __init__(self, heap, process):
        self.heap, self.process = heap, process
        self.time, self.token = NEVER, None

    def notify(self, delay):
        heap = self.heap
        if self.time == -1 or (delay > 0 and self.time <= heap.time + delay):
            return
        if delay == 0:
            self.time, self.token = -1, None
            heap.notified.append(self)
        else:
            self.time, self.token = heap.time + delay, object()
            heap.insert(self.time, self.token, self)

    def trigger(self):
        self.time, self.token = NEVER, None
        if self.process not in self.heap.runnable:
            self.heap.runnable.append(self.process)


class Mailbox:
    """Delivers calls: without delay in the next delta cycle, else at their time; in order of arrival."""

    def __init__(self, heap):
        self.heap, self.event = heap, Event(heap, self.deliver)
        self.next, self.timed = ([], []), []

    def at(self, delay, action, *arguments):
        if delay == 0:
            self.next[1 - self.heap.delta % 2].append((action, arguments))
        else:
            due = self.heap.time + delay
            later = [n for n, entry in enumerate(self.timed) if entry[0] > due]
            self.timed.insert(later[0] if later else len(self.timed), (due, action, arguments))
        self.event.notify(delay)

    def deliver(self):
        now = self.next[self.heap.delta % 2]
        while now:
            action, arguments = now.pop(0)
            action(*arguments)
        while self.timed and self.timed[0][0] == self.heap.time:
            _, action, arguments = self.timed.pop(0)
            action(*arguments)
        if self.timed:
            self.event.notify(self.timed[0][0] - self.heap.time)
