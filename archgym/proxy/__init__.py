"""Proxy cost models: learnt from a dataset, used as a simulator.

A proxy is files of plain numbers. It answers for the space and workloads of its data only, says how sure it is,
and marks designs that are far from what it was trained on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from archgym.proxy.active import active_learning
    from archgym.proxy.evaluate import evaluate_proxy
    from archgym.proxy.files import load_proxy, save_proxy
    from archgym.proxy.simulator import Proxy
    from archgym.proxy.train import train_proxy

#: public name -> module it is loaded from when first used
_HOMES = {
    "Proxy": "simulator",
    "active_learning": "active",
    "evaluate_proxy": "evaluate",
    "load_proxy": "files",
    "save_proxy": "files",
    "train_proxy": "train",
}

__all__ = ["Proxy", "active_learning", "evaluate_proxy", "load_proxy", "save_proxy", "train_proxy"]


def __getattr__(name: str) -> Any:
    import importlib

    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
