"""``archgym check MODULE:OBJECT``: do the laws hold for your space, simulator, problem, agent or environment?"""

from __future__ import annotations

import argparse
import traceback
from collections.abc import Callable
from functools import partial
from typing import Any

from archgym.errors import ArchGymError, ConfigError

HELP = "run the laws on your own simulator, agent or environment, and say in words what fails"
EPILOG = """\
examples:
  archgym check my_package:FAMILY           a problem family, its simulator on every workload, its environments
  archgym check my_module:my_function       a function declared with @simulator
  archgym check my_package:SPACE            a space
  archgym check my_package.agents:MyAgent   an agent class
  archgym check DRAMEnv-v0                  a registered problem
"""

Check = tuple[str, Callable[[], object]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("object", metavar="MODULE:OBJECT", help="what to check, or the id of a registered problem")
    parser.add_argument("--workload", help="check a problem on this workload only (default: all that it ships)")
    parser.add_argument("--trace", action="store_true", help="show where in the code a law failed")


def run(options: argparse.Namespace) -> int:
    failures = 0
    for title, check in checks(load(options.object), options.workload):
        try:
            check()
            print(f"ok      {title}")
        except Exception as error:  # a user's object may fail in any way; every way is a finding
            failures += 1
            kind = "" if isinstance(error, AssertionError | ArchGymError) else f"{type(error).__name__}: "
            print(f"FAILED  {title}\n        {kind}{error}")
            if options.trace:
                traceback.print_exc()
    print(f"{failures} failed" if failures else "all laws hold")
    return 1 if failures else 0


def load(name: str) -> Any:
    """The object at ``MODULE:OBJECT`` (modules of the current directory included), or the registered family.

    Raises:
        ConfigError: if there is no such module or object.
    """
    from archgym.registry import family, import_user_module

    module, separator, attribute = name.partition(":")
    if not separator:
        return family(name)
    found = import_user_module(module)
    if not hasattr(found, attribute):
        raise ConfigError(f"{name}: module {module!r} has no {attribute!r}")
    return getattr(found, attribute)


def checks(subject: Any, workload: str | None = None) -> list[Check]:
    """Titles and calls of the laws that apply to ``subject``.

    Raises:
        ConfigError: if it is none of the things that have laws.
    """
    from archgym import testing
    from archgym.agents.base import Agent
    from archgym.custom import declared_family
    from archgym.problem import Problem
    from archgym.registry import Family
    from archgym.space import Space

    if isinstance(subject, Space):
        return [(f"space {subject.name}", lambda: testing.check_space(subject))]
    if isinstance(subject, type) and issubclass(subject, Agent):
        return [
            (f"hyperparameters of agent {subject.name}", lambda: testing.check_hyperparameters(subject)),
            (f"agent {subject.name}", lambda: testing.check_agent(subject)),
        ]
    if isinstance(subject, Problem):
        return _problem_checks(subject)
    if isinstance(subject, Family):
        return _family_checks(subject, workload)
    declared = declared_family(subject)
    if declared is not None:
        return _family_checks(declared, workload)
    raise ConfigError(
        f"{subject!r} is a {type(subject).__name__}; allowed: a Space, a Family, a Problem, an Agent class, "
        "a function declared by archgym.custom.simulator (register a simulator as a family to check it: archgym.custom.register_simulator)"
    )


def _problem_checks(problem: Any) -> list[Check]:
    from archgym import testing

    return [
        (
            f"{problem.id} on {problem.workload.name}: space, simulator, objective",
            lambda: testing.check_problem(problem),
        )
    ]


def _family_checks(family: Any, workload: str | None) -> list[Check]:
    from archgym import testing
    from archgym.envs.registration import register_family, sequential_id
    from archgym.registry import families, make_problem, register

    if family.id not in families():
        register(family)
    register_family(family)
    found: list[Check] = []
    for name in (workload,) if workload else family.source().names():
        found += _problem_checks(make_problem(family.id, name))
        for objective in list(family.objectives)[1:]:
            problem = make_problem(family.id, name, objective)
            found.append((f"{family.id} on {name}: objective {objective}", partial(testing.check_evaluation, problem)))
    settings = {"workload": workload} if workload else {}
    title = f"{family.id}: environments ({family.id}, {sequential_id(family.id)}, multi-agent)"
    return [*found, (title, lambda: testing.check_env(family.id, **settings))]
