"""Searching with several evaluations in flight: for simulators that take seconds or hours a design.

The agent is asked ahead of what it has been told, always by the same number of designs, and is told results in the
order it asked for them. So all workers stay busy, and the search still does not depend on which program ends first.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from archgym.agents.base import Agent
from archgym.errors import ConfigError
from archgym.problem import Evaluation
from archgym.simulators.batch import end_early

if TYPE_CHECKING:
    from archgym.rollout import Evaluator


def run_ahead(agent: Agent, evaluator: Evaluator, ahead: int, workers: int) -> None:
    """Search until the budget is used up, with ``ahead`` designs asked for and not yet told, ``workers`` at work.

    The agent is one that `check_can_ask_ahead` lets pass.
    """
    agent.begin(evaluator.remaining)
    flying: deque[Future[Evaluation]] = deque()
    pool = ThreadPoolExecutor(workers)
    try:
        while evaluator.remaining:
            while len(flying) < min(ahead, evaluator.remaining):
                design = evaluator.space.check(agent.ask(1))
                flying.append(pool.submit(evaluator.evaluate, design, evaluator.used + len(flying)))
            evaluation = flying.popleft().result()
            evaluator.record(evaluation)
            agent.tell(evaluation)
    finally:
        end_early(flying, evaluator.stop)
        pool.shutdown()


def check_can_ask_ahead(agent: type[Agent]) -> None:
    """Refuse an agent that runs a loop of its own.

    Raises:
        ConfigError: naming it.
    """
    if agent.run is not Agent.run:
        raise ConfigError(f"ahead: agent {agent.name!r} runs a loop of its own and cannot be asked ahead; allowed: 0")
