"""Names for problems: what ``gym.make`` ids, the command line and studies refer to.

A domain declares its families in a light module; nothing heavy is imported before a problem is made.
Third parties add families through the entry-point group ``archgym.families``.
"""

from __future__ import annotations

import importlib
import inspect
import os
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from archgym.errors import ConfigError, UnknownNameError, WorkloadError
from archgym.objective import ObjectiveRecipe
from archgym.problem import Problem
from archgym.simulators.base import Simulator
from archgym.workload import Workload, WorkloadSource

BUILT_IN: tuple[str, ...] = ("archgym.simulators.dram", "archgym.simulators.dnn", "archgym.simulators.soc")
ENTRY_POINTS = "archgym.families"


@dataclass(frozen=True)
class Family:
    """Problems that share a simulator.

    Attributes:
        id: gymnasium id of the whole-design environment, such as ``DRAMEnv-v0``.
        summary: one sentence.
        simulator: ``"module:callable"`` (or the callable itself); called with the options of `make_problem`, returns a `Simulator`.
        workloads: ``"module:object"`` (or the object itself), a `WorkloadSource`.
        objectives: recipes by name; the first is the default.
        workload: the default workload's name.
        assumptions: ``"package/file.md"``, what the simulator does and does not model.
        plane: two metrics, both to be minimised, that pictures of a search are drawn in.
        workload_sets_space: whether the space depends on the workload; if so the simulator callable is
            given the workload as its keyword ``workload``.
    """

    id: str
    summary: str
    simulator: str | Callable[..., Simulator]
    workloads: str | WorkloadSource
    objectives: Mapping[str, ObjectiveRecipe]
    workload: str
    assumptions: str = ""
    plane: tuple[str, str] | None = None
    workload_sets_space: bool = False

    @property
    def objective(self) -> str:
        return next(iter(self.objectives))

    def make_simulator(self, workload: Workload, **options: Any) -> Simulator:
        """The simulator for ``workload``, with the family's options.

        Raises:
            UnknownNameError: for an option the simulator does not have.
        """
        if self.workload_sets_space:
            options["workload"] = workload
        make = resolve(self.simulator)
        known = inspect.signature(make).parameters
        if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in known.values()):
            for name in options:
                if name not in known:
                    allowed = [other for other in known if other != "workload"] or ["none"]
                    raise UnknownNameError(f"option of {self.id}", name, allowed)
        return cast(Simulator, make(**options))

    def source(self) -> WorkloadSource:
        return cast(WorkloadSource, resolve(self.workloads))


_families: dict[str, Family] = {}
_loaded = False


def resolve(path: Any) -> Any:
    """The object at ``"module:name"``; anything but text is returned as it is."""
    if not isinstance(path, str):
        return path
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)


def register(family: Family) -> Family:
    """Add a family; its id must be new."""
    if family.id in _families and _families[family.id] != family:
        raise ConfigError(f"a problem family with id {family.id!r} is registered already")
    _families[family.id] = family
    return family


def families() -> dict[str, Family]:
    """All registered families by id, third parties' included."""
    global _loaded
    if not _loaded:
        for module in BUILT_IN:
            for declared in importlib.import_module(module).FAMILIES:
                register(declared)
        _loaded = True
        for entry in entry_points(group=ENTRY_POINTS):
            try:
                loaded = entry.load()
                for declared in loaded if isinstance(loaded, tuple | list) else (loaded,):
                    register(declared)
            except Exception as error:  # another package's fault must not take the others down
                warnings.warn(f"problem families {entry.name!r} ({entry.value}) are left out: {error!r}", stacklevel=2)
    return dict(_families)


def family(id: str) -> Family:
    """The family with this id; ``MODULE:ID`` imports the module that registers it first, as in ``gymnasium.make``.

    Raises:
        UnknownNameError: with the nearest id.
        ConfigError: if there is no such module.
    """
    module, separator, name = id.rpartition(":")
    if separator:
        import_user_module(module)
    known = families()
    if name not in known:
        raise UnknownNameError("problem", name, known)
    return known[name]


def import_user_module(name: str) -> ModuleType:
    """Import a module, those in the current directory included.

    Raises:
        ConfigError: if there is none of this name.
    """
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise ConfigError(f"{name}: there is no module {error.name!r}") from error


def make_problem(
    id: str,
    workload: str | Sequence[str] | Workload | None = None,
    objective: str | ObjectiveRecipe | None = None,
    simulator: Simulator | None = None,
    **options: Any,
) -> Problem:
    """A problem by name.

    Args:
        id: a family's id, such as ``"DRAMEnv-v0"``, or ``"my_module:MyEnv-v0"`` to import a module of yours first.
        workload: a shipped workload's name, a path, or a `Workload`; the family's default if omitted. Several names
            (a list, or one text with ``+`` between them) are run at once, where the family can do that.
        objective: one of the family's objective names, or a recipe of your own.
        simulator: stands in for the family's own simulator (a proxy, a table); must have the same space.
        options: passed to the family's simulator.

    Raises:
        UnknownNameError: for an id, workload, objective or option that does not exist.
        WorkloadError: if the workload cannot be read.
        ConfigError: for a simulator with another space.
    """
    chosen = family(id)
    work = workload if isinstance(workload, Workload) else chosen.source().load(_workload_name(workload, chosen))
    if objective is None or isinstance(objective, str):
        name = objective or chosen.objective
        if name not in chosen.objectives:
            raise UnknownNameError("objective", name, chosen.objectives)
        recipe = chosen.objectives[name]
    else:
        name, recipe = type(objective).__name__, objective
    own = chosen.make_simulator(work, **options)
    if simulator is not None and simulator.space.fingerprint != own.space.fingerprint:
        raise ConfigError(
            f"simulator {simulator.name!r} has space {simulator.space.fingerprint}, but {id} needs {own.space.fingerprint}"
        )
    return Problem(id, own if simulator is None else simulator, work, name, recipe)


def _workload_name(given: object, chosen: Family) -> str:
    """What to ask the family's source for.

    Raises:
        WorkloadError: if ``given`` is neither a name or path nor a list of them.
    """
    if given is None or given == "":
        return chosen.workload
    listed = given if isinstance(given, list | tuple) else (given,)
    parts = [os.fspath(part) for part in listed if isinstance(part, str | os.PathLike)]
    if not parts or len(parts) < len(listed):
        raise WorkloadError(
            f"{chosen.id}: workload {given!r} is not allowed; allowed: a shipped workload's name, a file, or a list of them"
        )
    return "+".join(parts)
