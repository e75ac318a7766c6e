"""Which settings cannot make a difference, so that of many designs alike only one needs to be simulated.

Each rule follows from what the controller does, not from results:

- Without refresh, how many refreshes may be postponed or pulled in is never asked.
- The Simple arbiter lets requests through one by one; `MaxActiveTransactions` is not asked.
- Behind the other arbiters at most `MaxActiveTransactions` requests are in flight. Where the request buffer is at
  least as large, the one that arrives finds at most one less there, so it never waits for space, whatever the
  buffer's size counts (a bank's requests, a direction's or all).
- In a trace without writes a buffer for each direction is one for all, and the scheduler that prefers the last
  direction (`FrFcfsGrp`) prefers no request: it is `FrFcfs`.
- In a system of one channel whose responses leave in the order of the requests, an arbiter that restores that order
  finds nothing to do.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from archgym.simulators.dram.settings import BY_NAME
from archgym.space import Designs, Level, Space


def representatives(space: Space, designs: Designs, channels: int, reads_only: bool) -> Designs:
    """For each design, shape (B, D), the one that stands for it and all others with the same results.

    Args:
        space: of memory controllers; settings that it leaves out have their defaults.
        channels: of the memory, where the space does not say.
        reads_only: whether the trace holds no write.
    """
    found = designs.copy()

    def value(name: str) -> NDArray[np.object_]:
        if name not in space.names:
            default: Level = BY_NAME[name].default if name in BY_NAME else channels
            return np.full(len(found), default, dtype=object)
        return np.array(space[name].levels, dtype=object)[found[:, space.names.index(name)]]

    def settle(name: str, where: NDArray[np.bool_], alike: Iterable[Level] | None = None) -> None:
        """Give ``name`` the first of the levels alike (all, if none are given) in some rows."""
        if name in space.names:
            column, levels = space.names.index(name), space[name].levels
            places = range(len(levels)) if alike is None else [k for k, x in enumerate(levels) if x in set(alike)]
            if places:
                found[where & np.isin(found[:, column], places), column] = places[0]

    everywhere = np.ones(len(found), dtype=bool)
    no_refresh = value("RefreshPolicy") == "NoRefresh"
    settle("RefreshMaxPostponed", no_refresh)
    settle("RefreshMaxPulledin", no_refresh)
    simple = value("Arbiter") == "Simple"
    settle("MaxActiveTransactions", simple)
    active, size = value("MaxActiveTransactions").astype(np.int64), value("RequestBufferSize").astype(np.int64)
    roomy = ~simple & (size >= active)
    settle("SchedulerBuffer", roomy)
    sizes = space["RequestBufferSize"].levels if "RequestBufferSize" in space.names else ()
    for most in np.unique(active[roomy]):
        settle("RequestBufferSize", roomy & (active == most), [x for x in sizes if int(x) >= most])
    if reads_only:
        settle("SchedulerBuffer", everywhere, ("ReadWrite", "Shared"))
        settle("Scheduler", everywhere, ("FrFcfsGrp", "FrFcfs"))
    in_order = (value("Channels").astype(np.int64) == 1) & (value("RespQueue") == "Reorder")
    settle("Arbiter", in_order, ("Fifo", "Reorder"))
    return found
