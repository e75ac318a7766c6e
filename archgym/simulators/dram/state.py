"""The state vector as a whole: its first values, and moving it to a layout with more room."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from archgym.simulators.dram import commands as c
from archgym.simulators.dram import layout as l
from archgym.simulators.dram.device import Device
from archgym.simulators.dram.layout import Layout

Vector = NDArray[np.int64]


def initial_state(layout: Layout, parameters: Vector, device: Device) -> Vector:
    """The state before the first delta cycle; writes the layout's places into ``parameters``."""
    state = np.zeros(layout.fill(parameters), dtype=np.int64)
    state[l.G_WITHHELD] = state[l.G_LAST_END_RESPONSE] = -1
    for field in (l.P_GROUP, l.P_BANK_LAST, l.P_GROUP_LAST):
        start = parameters[field]
        state[start : start + layout.blocks()[field]] = l.LONG_AGO
    state[parameters[l.P_SENT] : parameters[l.P_SENT] + layout.sizes.ring] = -1
    tCK, interval = int(parameters[l.P_TCK]), int(parameters[l.P_INTERVAL])
    first_bus = l.LONG_AGO
    if device.timing.first_command_ps_before_edge:
        first_bus = tCK - device.timing.first_command_ps_before_edge
    dues = [_first_due(rank, device.ranks, interval, tCK) if interval else l.NEVER for rank in range(device.ranks)]
    channels = view(state, parameters, l.P_CHANNEL, layout.channels, l.C_SIZE)
    for field in (
        l.C_OFFERED,
        l.C_OUTSTANDING,
        l.C_RESPONSE_END,
        l.C_LAST_END_REQUEST,
        l.C_LAST_COMMAND,
        l.C_LAST_AUTO,
    ):
        channels[:, field] = -1
    for field in (l.C_NEXT_ID, l.C_NEXT_CAS, l.C_RESPONSE_HEAD, l.C_RESPONSE_TAIL):
        channels[:, field] = 1
    channels[:, l.C_LAST_BANK] = np.arange(layout.channels) * layout.banks_a_channel
    channels[:, l.C_ROW_BUS] = channels[:, l.C_COLUMN_BUS] = first_bus
    channels[:, l.C_DUE] = min(dues)
    channels[:, l.C_FREE] = -1
    ranks = view(state, parameters, l.P_RANK, layout.channels * layout.ranks, l.R_SIZE)
    ranks[:, l.R_READY : l.R_READY + c.BANK_COMMANDS] = l.LONG_AGO
    ranks[:, l.R_LAST : l.R_LAST + c.COUNT] = l.LONG_AGO
    ranks[:, l.R_WINDOW : l.R_WINDOW + 4] = l.LONG_AGO
    ranks[:, l.R_DUE] = dues * layout.channels
    ranks[:, l.R_COMMAND] = ranks[:, l.D_COMMAND] = -1
    ranks[:, l.R_TIME] = ranks[:, l.D_TIME] = l.NEVER
    ranks[:, l.R_REMAINING] = (1 << int(parameters[l.P_SETS])) - 1
    ranks[:, l.D_IDLE] = ranks[:, l.D_ENTRY] = 1
    banks = view(state, parameters, l.P_BANK, layout.channels * layout.banks_a_channel, l.B_SIZE)
    for field in (l.B_ROW, l.B_CURRENT, l.B_COMMAND, l.B_HEAD, l.B_TAIL, l.B_PLACE):
        banks[:, field] = -1
    banks[:, l.B_READY :] = l.LONG_AGO
    point_banks(layout, parameters, state)
    add_nodes(dataclasses.replace(layout, nodes=0), layout, parameters, state)
    processes = [*range(l.E_FIRST, l.E_FIRST + layout.channels), l.E_PLAYER]
    start = parameters[l.P_RUNNABLE]
    state[start : start + len(processes)] = processes
    state[l.G_RUNNABLE] = len(processes)
    return state


def view(state: Vector, parameters: Vector, block: int, count: int, size: int) -> Vector:
    """A block of ``count`` records of ``size`` words, as rows."""
    start = int(parameters[block])
    return state[start : start + count * size].reshape(count, size)


def _first_due(rank: int, ranks: int, interval: int, tCK: int) -> int:
    """When a rank's first refresh is due: ranks are staggered in bit-reversed order."""
    bits = ranks.bit_length() - 1
    reverse = int(f"{rank:0{bits}b}"[::-1], 2) if bits else 0
    first = interval - reverse * (interval // ranks)
    return -(-first // tCK) * tCK


def point_banks(layout: Layout, parameters: Vector, state: Vector) -> None:
    """Write into each bank where its group's and rank's blocks are, and its channel's first bank."""
    numbers = np.arange(layout.channels * layout.banks_a_channel)
    banks = view(state, parameters, l.P_BANK, len(numbers), l.B_SIZE)
    per_group = layout.banks // layout.groups
    banks[:, l.B_GROUP] = parameters[l.P_GROUP] + numbers // per_group * c.BANK_COMMANDS
    banks[:, l.B_RANK] = parameters[l.P_RANK] + numbers // layout.banks * l.R_SIZE
    banks[:, l.B_RANK_NUMBER] = numbers // layout.banks
    banks[:, l.B_GROUP_LAST] = parameters[l.P_GROUP_LAST] + numbers // per_group * c.COUNT
    banks[:, l.B_FIRST] = numbers - numbers % layout.banks_a_channel


def add_nodes(old: Layout, new: Layout, parameters: Vector, state: Vector) -> None:
    """Chain the buffer entries that ``new`` has beyond ``old`` into the free lists.

    Entries are numbered over all channels, so a system of several channels keeps its old numbers.
    """
    extra = new.nodes - old.nodes
    if extra <= 0:
        return
    nodes = view(state, parameters, l.P_NODES, new.channels * new.nodes, l.N_SIZE)
    channels = view(state, parameters, l.P_CHANNEL, new.channels, l.C_SIZE)
    start = old.nodes * new.channels
    for channel in range(new.channels):
        numbers = np.arange(start, start + extra)
        nodes[numbers, l.N_NEXT] = [*numbers[1:], channels[channel, l.C_FREE]]
        channels[channel, l.C_FREE] = start
        start += extra


def move_rings(old_p: Vector, old: Vector, new_p: Vector, new: Vector) -> None:
    """Copy what is in the rings to where a longer ring has it."""
    size, longer = int(old_p[l.P_RING]), int(new_p[l.P_RING])

    def copy(block: int, first: int, last: int, width: int = 1, channel: int = 0) -> None:
        numbers = np.arange(first, last)
        for word in range(width):
            source = old_p[block] + width * (channel * size + numbers % size) + word
            new[new_p[block] + width * (channel * longer + numbers % longer) + word] = old[source]

    new[new_p[l.P_SENT] : new_p[l.P_SENT] + longer] = -1
    channels = int(old_p[l.P_CHANNELS])
    for block, length in ((l.P_ARRIVED, longer), (l.P_RESPONSES, 2 * channels * longer)):
        new[new_p[block] : new_p[block] + length] = 0  # what lay elsewhere in the shorter ring is not there any more
    copy(l.P_SENT, int(old[l.G_OLDEST]), int(old[l.G_NEXT_SEND]))
    head = int(old[l.G_RETURN_HEAD])
    copy(l.P_ARRIVED, head, head + size)
    for channel in range(channels):
        place = old_p[l.P_CHANNEL] + channel * l.C_SIZE
        head = int(old[place + l.C_RESPONSE_HEAD])
        copy(l.P_RESPONSES, head, head + size, 2, channel)
        copy(l.P_PENDING, int(old[place + l.C_PENDING_HEAD]), int(old[place + l.C_PENDING_TAIL]), 1, channel)


def wake_controllers(parameters: Vector, state: Vector) -> None:
    """Let every controller run once more now and choose anew for all its banks."""
    for channel in range(int(parameters[l.P_CHANNELS])):
        state[parameters[l.P_CHANNEL] + channel * l.C_SIZE + l.C_DIRTY] = 1
        event = l.E_FIRST + channel * l.WAKE_UPS + l.W_SELF
        place = parameters[l.P_EVENTS] + event * l.EV_SIZE
        if state[place + l.EV_KIND] != l.EV_DELTA:
            state[place + l.EV_KIND] = l.EV_DELTA
            state[place + l.EV_CODE] = 0
            state[parameters[l.P_DELTAS] + state[l.G_DELTAS]] = event
            state[l.G_DELTAS] += 1
