"""The design spaces of the DRAM environments.

`SPACE` is ArchGym's, on the value grid of its reinforcement-learning agents (Krishnan et al., ISCA 2023);
`FULL_SPACE` adds what ArchGym fixes: the device, how addresses map onto it, ranks, channels, power-down.
"""

from __future__ import annotations

from archgym.simulators.dram.settings import BY_NAME
from archgym.space import Parameter, Space, choice, ordinal


def _choice(name: str, *levels: str) -> Parameter:
    entry = BY_NAME[name]
    aliases = {alias: meant for alias, meant in entry.aliases if meant in levels}
    return choice(name, *levels, default=entry.default, help=entry.help, group=entry.group, aliases=aliases)


def _sizes(name: str, levels: tuple[int, ...], default: int | None = None) -> Parameter:
    entry = BY_NAME[name]
    chosen = entry.default if default is None else default
    return ordinal(name, levels, default=chosen, unit=entry.unit, help=entry.help, group=entry.group)


_POWERS = (1, 2, 4, 8, 16, 32, 64, 128)

SPACE = Space(
    "ArchGym memory controller",
    (
        _choice("PagePolicy", "Open", "OpenAdaptive", "Closed", "ClosedAdaptive"),
        _choice("Scheduler", "Fifo", "FrFcfsGrp", "FrFcfs"),
        _choice("SchedulerBuffer", "Bankwise", "ReadWrite", "Shared"),
        _sizes("RequestBufferSize", _POWERS),
        _choice("RespQueue", "Fifo", "Reorder"),
        _choice("RefreshPolicy", "NoRefresh", "AllBank"),
        _sizes("RefreshMaxPostponed", (1, 2, 4, 8)),
        _sizes("RefreshMaxPulledin", (1, 2, 4, 8)),
        _choice("Arbiter", "Simple", "Fifo", "Reorder"),
        _sizes("MaxActiveTransactions", _POWERS),
    ),
)

FULL_SPACE = Space(
    "memory controller and memory",
    (
        choice("Device", "ddr3-1600", "ddr4-2400", "ddr4-3200", help="memory device and speed grade", group="memory"),
        choice(
            "AddressMap",
            "rbc",
            "brc",
            "rcb",
            "rbc-xor",
            help="which address bits select row, bank and column",
            group="memory",
        ),
        ordinal("Ranks", (1, 2, 4), help="ranks of a channel", group="memory"),
        ordinal("Channels", (1, 2), help="independent channels", group="memory"),
        _choice("PagePolicy", "Open", "OpenAdaptive", "Closed", "ClosedAdaptive"),
        _choice("Scheduler", "Fifo", "FrFcfsGrp", "FrFcfs", "GrpFrFcfs", "GrpFrFcfsWm"),
        _sizes("HighWatermark", (0, 4, 8, 16, 32)),
        _sizes("LowWatermark", (0, 2, 4, 8, 16)),
        _choice("SchedulerBuffer", "Bankwise", "ReadWrite", "Shared"),
        _sizes("RequestBufferSize", _POWERS),
        _choice("CmdMux", "Oldest", "Strict"),
        _choice("RespQueue", "Fifo", "Reorder"),
        _choice("RefreshPolicy", "NoRefresh", "AllBank"),
        _sizes("RefreshMaxPostponed", (0, 1, 2, 4, 8)),
        _sizes("RefreshMaxPulledin", (0, 1, 2, 4, 8)),
        _choice("PowerDownPolicy", "NoPowerDown", "Staggered"),
        _choice("Arbiter", "Simple", "Fifo", "Reorder"),
        _sizes("MaxActiveTransactions", _POWERS),
    ),
)
