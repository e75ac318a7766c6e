"""Energy from the kernel's counts and durations, by the currents of the device's rails.

The formulas are those of DRAMPower as DRAMSys 4.0 uses it: charge above standby for each command, and background by
state. There is no input/output or termination energy.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from archgym.simulators.dram import layout as l
from archgym.simulators.dram.device import Device, Rail

PARTS = ("activate", "precharge", "read", "write", "refresh", "background", "power_down")


def energy_parts_J(device: Device, counters: NDArray[np.int64]) -> dict[str, float]:
    """Energy of each part over all ranks and channels, in J; all NaN if the device has no currents.

    Args:
        device: currents, voltages, clock, number of chips.
        counters: (ranks over all channels, counters in the order of `layout.A_COUNTERS`), durations in ps.
    """
    if not device.has_energy or device.timing.energy is None:
        return dict.fromkeys(PARTS, float("nan"))
    total = {name: int(value) for name, value in zip(l.A_COUNTERS, counters.sum(axis=0), strict=True)}
    parts = dict.fromkeys(PARTS, 0.0)
    for rail in device.rails:
        for name, charge in _milliampere_cycles(rail, device, total).items():
            parts[name] += charge * rail.volts
    # mA · V · cycles · ns = pJ; the clock period here is not rounded to whole ps
    scale = device.devices * (1e3 / device.clock_MHz) * 1e-12
    return {name: value * scale for name, value in parts.items()}


def _milliampere_cycles(rail: Rail, device: Device, total: Mapping[int, int]) -> dict[str, float]:
    """Charge of each part on one rail, in mA times clock cycles."""
    mA, duration = rail.milliamps, device.timing.energy or {}
    burst = device.burst_length // device.data_rate

    def cycles(*durations: int) -> int:
        return sum(total[name] for name in durations) // device.tCK_ps

    refresh_excess = mA["idd5"] - mA["idd3n"]
    inside_self_refresh = cycles(l.A_SELF_ACTIVE, l.A_SELF_PRECHARGED, l.A_EXIT_ACTIVE, l.A_EXIT_PRECHARGED)
    return {
        "activate": total[l.A_ACTS] * duration["activate"] * (mA["idd0"] - mA["idd3n"]),
        "precharge": total[l.A_PRES] * duration["precharge"] * (mA["idd0"] - mA["idd2n"]),
        "read": total[l.A_READS] * burst * (mA["idd4r"] - mA["idd3n"]),
        "write": total[l.A_WRITES] * burst * (mA["idd4w"] - mA["idd3n"]),
        "refresh": total[l.A_REFS] * duration["refresh"] * refresh_excess
        + total[l.A_BANK_REFS] * duration["refresh_bank"] * _bank_refresh_current(rail, device),
        "background": cycles(l.A_ACTIVE_TIME, l.A_EXIT_ACTIVE) * mA["idd3n"]
        + cycles(l.A_PRECHARGED_TIME, l.A_EXIT_PRECHARGED) * mA["idd2n"],
        "power_down": cycles(l.A_ACTIVE_DOWN, l.A_SELF_ACTIVE) * mA["idd3p0"]
        + cycles(l.A_PRECHARGED_DOWN, l.A_SELF_PRECHARGED) * mA["idd2p0"]
        + cycles(l.A_SELF) * mA["idd6"]
        + inside_self_refresh * refresh_excess,
    }


def _bank_refresh_current(rail: Rail, device: Device) -> float:
    """Current of a refresh of one bank: given, or what one bank's activation draws above standby."""
    mA = rail.milliamps
    if mA.get("idd5b"):
        return mA["idd5b"]
    return mA["idd0"] - (mA["idd3n"] + mA["idd2n"] * (device.banks - 1)) / device.banks
