"""The shipped studies of proxies: `archgym proxy study NAME`.

Each asks one question, measures on held-out designs of the true simulator, and gives a table and a picture.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable

from archgym.errors import UnknownNameError
from archgym.proxy.studies.common import Outcome, Scale

#: name -> what it asks
NAMES = {
    "proxy-size": "How does the error fall with the number of simulated designs?",
    "proxy-diversity": "Do the mixed logs of many agents teach more than equally many of one agent?",
    "proxy-speed": "How long does a proxy take for a design, by size of the batch, and how long the simulator?",
    "proxy-transfer": "How many full simulations does training on short traces first save?",
    "proxy-search": "What do agents find on a proxy, checked on the simulator, for how many simulations?",
    "proxy-active": "How many simulations does choosing them by uncertainty save?",
}


def run_proxy_study(name: str, scale: Scale, tell: Callable[[str], None] = lambda line: None) -> Outcome:
    """Run a study.

    Args:
        scale: ``Scale.full()`` or ``Scale.small()``.
        tell: called with a line of progress now and then.

    Raises:
        UnknownNameError: for another name.
    """
    if name not in NAMES:
        raise UnknownNameError("proxy study", name, NAMES)
    module = importlib.import_module(f"archgym.proxy.studies.{name.removeprefix('proxy-')}")
    outcome: Outcome = module.run(scale, tell)
    return outcome


__all__ = ["NAMES", "Outcome", "Scale", "run_proxy_study"]
