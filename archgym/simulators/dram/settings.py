"""Every setting of the memory controller, under DRAMSys's names: what it may be, its default, what it does.

The spaces of the environments and the command line are both made from this table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from archgym.errors import ConfigError, UnknownNameError, nearest


@dataclass(frozen=True)
class Setting:
    """One setting: a choice among names, or a whole number from ``low`` to ``high``."""

    name: str
    default: str | int
    group: str
    help: str
    choices: tuple[str, ...] = ()
    low: int = 0
    high: int = 0
    unit: str = ""
    aliases: tuple[tuple[str, str], ...] = ()

    def code(self, value: object) -> int:
        """The number the kernel uses for ``value``: the position of a choice, or the number itself.

        Raises:
            ConfigError: naming the setting, the value and what is allowed.
        """
        text = str(value).strip()
        if self.choices:
            known = {choice.lower(): number for number, choice in enumerate(self.choices)}
            meant = {alias.lower(): choice for alias, choice in self.aliases}.get(text.lower(), text)
            if meant.lower() in known:
                return known[meant.lower()]
            near = nearest(text, self.choices)
            hint = f"did you mean {near!r}? " if near else ""
            raise ConfigError(
                f"parameter {self.name!r}: value {text!r} is not allowed; {hint}allowed: {', '.join(self.choices)}"
            )
        try:
            number = float(text)
        except ValueError:
            number = float("nan")
        if not number.is_integer() or not self.low <= number <= self.high:
            raise ConfigError(
                f"parameter {self.name!r}: value {text!r} is not allowed; allowed: whole numbers from {self.low} to {self.high}"
            )
        return int(number)

    def value(self, code: int) -> str | int:
        """The inverse of `code`."""
        return self.choices[code] if self.choices else code


_MOST = 1 << 20

SETTINGS: tuple[Setting, ...] = (
    Setting("PagePolicy", "Open", "page policy", "when a row is closed", ("Open", "OpenAdaptive", "Closed", "ClosedAdaptive")),
    Setting("Scheduler", "FrFcfs", "scheduler", "which buffered request a bank serves next", ("Fifo", "FrFcfsGrp", "FrFcfs", "GrpFrFcfs", "GrpFrFcfsWm")),
    Setting("HighWatermark", 0, "scheduler", "GrpFrFcfsWm starts to write when more writes wait", low=0, high=_MOST, unit="requests"),
    Setting("LowWatermark", 0, "scheduler", "GrpFrFcfsWm stops to write when no more writes wait", low=0, high=_MOST, unit="requests"),
    Setting("SchedulerBuffer", "Bankwise", "buffers", "what the request buffer's size limits", ("Bankwise", "ReadWrite", "Shared")),
    Setting("RequestBufferSize", 8, "buffers", "size of the request buffer (of each bank if Bankwise)", low=1, high=_MOST, unit="requests"),
    Setting("CmdMux", "Oldest", "command bus", "which command goes first; Strict keeps reads and writes in order of arrival", ("Oldest", "Strict")),
    Setting("RespQueue", "Fifo", "responses", "order of responses: as data arrives, or as requests arrived", ("Fifo", "Reorder")),
    Setting("RefreshPolicy", "AllBank", "refresh", "what one refresh command covers; NoRefresh loses data and stands for a bound", ("NoRefresh", "AllBank", "PerBank", "SameBank"), aliases=(("Rankwise", "AllBank"), ("Bankwise", "PerBank"), ("Groupwise", "SameBank"))),
    Setting("RefreshMaxPostponed", 8, "refresh", "refreshes that may be postponed while requests wait", low=0, high=_MOST, unit="refreshes"),
    Setting("RefreshMaxPulledin", 8, "refresh", "refreshes that may be done ahead of time while idle", low=0, high=_MOST, unit="refreshes"),
    Setting("PowerDownPolicy", "NoPowerDown", "power-down", "whether an idle rank powers down", ("NoPowerDown", "Staggered")),
    Setting("Arbiter", "Simple", "arbitration", "how requests reach the controller and responses return", ("Simple", "Fifo", "Reorder")),
    Setting("MaxActiveTransactions", 128, "arbitration", "requests in flight; ignored by the Simple arbiter", low=1, high=_MOST, unit="requests"),
)  # fmt: skip

NAMES = tuple(setting.name for setting in SETTINGS)
BY_NAME: Mapping[str, Setting] = {setting.name: setting for setting in SETTINGS}


def setting(name: str) -> Setting:
    """The setting called ``name``.

    Raises:
        UnknownNameError: with the nearest name.
    """
    if name not in BY_NAME:
        raise UnknownNameError("parameter", name, NAMES)
    return BY_NAME[name]


def codes(values: Mapping[str, object]) -> tuple[int, ...]:
    """One design as the kernel's numbers, in the order of `SETTINGS`; missing settings take their defaults.

    Raises:
        UnknownNameError, ConfigError: for an unknown setting, or a value that is not allowed.
    """
    for name in values:
        setting(name)
    return tuple(entry.code(values.get(entry.name, entry.default)) for entry in SETTINGS)
