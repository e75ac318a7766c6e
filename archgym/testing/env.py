"""The laws of a family's environments: they follow the interfaces and are views of one and the same evaluation."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import pickle
import warnings
from collections.abc import Iterator
from typing import Any

import gymnasium
import numpy as np
from gymnasium.envs.registration import EnvSpec
from gymnasium.utils.env_checker import check_env as gymnasium_check
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from pettingzoo.test import api_test, parallel_api_test, parallel_seed_test, seed_test

from archgym.envs.design import design_env
from archgym.envs.parallel import parallel_env
from archgym.envs.registration import sequential_id
from archgym.envs.split import Split
from archgym.envs.turn import turn_env
from archgym.errors import ArchGymError, ConfigError, DesignError
from archgym.problem import Problem
from archgym.registry import make_problem
from archgym.space import Designs
from archgym.testing.law import law, refused, same

#: Advice of PettingZoo's tests that does not apply: agents are named after hardware, and groups choose several levels.
_ADVICE = ("We recommend agents to be named", "Action space for each agent probably should be")


def check_env(id: str, **settings: Any) -> None:
    """Check every environment of a registered family: whole-design, vector, sequential, parallel and turn-based.

    Args:
        id: the family's id.
        settings: as for `gymnasium.make` (workload, objective, options of the simulator).

    Raises:
        LawViolation: naming the law and a case.
    """
    check_design_env(id, **settings)
    check_vector_env(id, **settings)
    check_sequential_env(id, **settings)
    for split in ("parameter", "group"):
        check_parallel_env(id, split, **settings)
        check_turn_env(id, split, **settings)


@contextlib.contextmanager
def _strictly(what: str) -> Iterator[None]:
    """Warnings and failures of other packages' checkers as violations; what they print is dropped."""
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("error")
            for advice in _ADVICE:
                warnings.filterwarnings("ignore", advice)
            yield
    except Exception as error:
        law(False, f"{what}: {type(error).__name__}: {error}")


def _designs(problem: Problem, count: int) -> Designs:
    drawn = problem.space.sample(np.random.default_rng(7), count)
    return np.concatenate([problem.space.default[None], drawn])


def _check_gymnasium(env: gymnasium.Env[Any, Any]) -> None:
    pictures = importlib.util.find_spec("matplotlib") is not None
    with _strictly(f"{env}: Gymnasium's checker"):
        gymnasium_check(env.unwrapped, skip_render_check=not pictures)


def check_design_env(id: str, **settings: Any) -> None:
    """Check the whole-design environment.

    Raises:
        LawViolation: naming the law and a case.
    """
    problem = make_problem(id, **settings)
    env = gymnasium.make(id, **settings)
    _check_gymnasium(env)
    _check_episode(problem, gymnasium.make(id, horizon=3, **settings), 3)
    _check_episode(problem, env, 1)
    with contextlib.suppress(ValueError):  # a spec with objects in it is not JSON, and Gymnasium says so
        spec = EnvSpec.from_json(env.spec.to_json())  # type: ignore[union-attr]
        again = gymnasium.make(spec)
        law(same(again.reset()[0], env.reset()[0]), f"{id}: an environment made from its spec starts differently")
    if all(isinstance(value, bool | int | float | str) for value in settings.values()):
        json.loads(env.spec.to_json())  # type: ignore[union-attr]
    restored = pickle.loads(pickle.dumps(env))
    env.reset(seed=0)
    restored.reset(seed=0)
    law(same(env.step(problem.space.default), restored.step(problem.space.default)), f"{id}: pickling changes a step")
    beyond = problem.space.sizes
    refused(DesignError, lambda: env.unwrapped.step(beyond), f"{id}: an illegal action", problem.space.names[0])
    refused(ArchGymError, lambda: gymnasium.make(id, horizon=0, **settings), f"{id}: horizon 0", "horizon")
    refused(ArchGymError, lambda: design_env(id, render_mode="smell", **settings), f"{id}: a render mode", "smell")


def _check_episode(problem: Problem, env: gymnasium.Env[Any, Any], horizon: int) -> None:
    """Steps are evaluations, in any order; only time ends an episode, and it truncates."""
    for _ in range(2):
        start, info = env.reset(seed=1)
        law(start in env.observation_space, f"{env}: the first observation is outside the space")
        law(info["feasible"], f"{env}: an episode does not start from a feasible design")
        for step, design in enumerate(_designs(problem, horizon - 1)):
            shown, reward, terminated, truncated, info = env.step(design)
            expected = problem.evaluate(design)
            law(shown in env.observation_space, f"{env}: an observation is outside the space: {shown}")
            law(
                shown.dtype == np.float32 and same(reward, float(expected.reward[0])),
                f"{env}: reward {reward} is wrong",
            )
            law(terminated is False, f"{env}: an episode must end by truncation, never by termination")
            law(truncated is (step == horizon - 1), f"{env}: truncated is {truncated} at step {step + 1} of {horizon}")
            _check_info(problem, env, design, info)


def _check_info(problem: Problem, env: object, design: Any, info: dict[str, Any]) -> None:
    metrics = problem.evaluate(design).metrics
    known = {name: value for name, value in metrics.row(0).items() if np.isfinite(value)}
    law(same(info["metrics"], known), f"{env}: info tells metrics {info['metrics']}, not {known}")
    law(info["design"] == problem.space.row(design), f"{env}: info tells design {info['design']}")
    law(info["feasible"] is bool(metrics.feasible[0]), f"{env}: info tells feasible {info['feasible']}")
    law(info["reason"] == metrics.reasons[0], f"{env}: info tells reason {info['reason']!r}")


def check_vector_env(id: str, num_envs: int = 5, **settings: Any) -> None:
    """Check that the vector environment equals Gymnasium's own vector of scalar ones, bit for bit.

    Raises:
        LawViolation: naming the law and a case.
    """
    problem = make_problem(id, **settings)
    for horizon in (1, 3):
        kwargs = {"horizon": horizon, **settings}
        ours = gymnasium.make_vec(id, num_envs=num_envs, vectorization_mode="vector_entry_point", **kwargs)
        theirs = SyncVectorEnv(
            [lambda kwargs=kwargs: gymnasium.make(id, **kwargs)] * num_envs,  # type: ignore[misc]
            autoreset_mode=AutoresetMode.SAME_STEP,
        )
        mode = ours.metadata["autoreset_mode"]
        law(
            mode is AutoresetMode.SAME_STEP, f"{id}: the vector environment must state autoreset mode SAME_STEP: {mode}"
        )
        law(
            ours.single_observation_space == theirs.single_observation_space,
            f"{id}: the vector form shows other things",
        )
        law(ours.action_space == theirs.action_space, f"{id}: the vector form takes other actions")
        law(same(ours.reset(seed=2), theirs.reset(seed=2)), f"{id}: the vector form starts differently")
        rng = np.random.default_rng(3)
        for step in range(2 * horizon + 1):
            designs = problem.space.sample(rng, num_envs)
            left, right = ours.step(designs), theirs.step(designs)
            for name, mine, yours in zip(
                ("observations", "rewards", "terminated", "truncated", "infos"), left, right, strict=True
            ):
                law(
                    same(mine, yours), f"{id}: the vector form differs in {name} at step {step + 1}: {mine} and {yours}"
                )
        law(ours.observation_space.contains(left[0]), f"{id}: vector observations are outside the space")
    wrong = np.zeros((num_envs + 1, len(problem.space)), dtype=np.int64)
    refused(ConfigError, lambda: ours.step(wrong), f"{id}: one action too many", str(num_envs))


def check_sequential_env(id: str, **settings: Any) -> None:
    """Check that choosing parameter by parameter ends in the evaluation of the design chosen.

    Raises:
        LawViolation: naming the law and a case.
    """
    problem = make_problem(id, **settings)
    own = sequential_id(id)
    env = gymnasium.make(own, horizon=2, **settings)
    _check_gymnasium(env)
    bare: Any = env.unwrapped
    for _ in range(2):
        shown, info = env.reset(seed=1)
        for number, design in enumerate(_designs(problem, 1)):
            for turn, (parameter, level) in enumerate(zip(problem.space.parameters, design, strict=True)):
                mask = bare.action_masks()
                law(same(info["action_mask"].astype(bool), mask), f"{own}: info and action_masks() differ")
                law(int(mask.sum()) == len(parameter.levels), f"{own}: the mask has not {parameter.name}'s levels")
                law(
                    info["parameter"] == parameter.name,
                    f"{own}: {info['parameter']!r} is in turn, not {parameter.name!r}",
                )
                law(mask[env.action_space.sample()], f"{own}: a sampled action is masked")
                shown, reward, terminated, truncated, info = env.step(level)
                law(shown in env.observation_space, f"{own}: an observation is outside the space")
                last = turn == len(problem.space) - 1
                law(
                    terminated is False and truncated is (last and number == 1),
                    f"{own}: an episode ends at a wrong step",
                )
                expected = float(problem.evaluate(design).reward[0]) if last else 0.0
                law(same(reward, expected), f"{own}: reward {reward} instead of {expected} at {parameter.name}")
            _check_info(problem, env, design, info)
    env.reset()
    beyond = len(problem.space.parameters[0].levels)
    refused(DesignError, lambda: bare.step(beyond), f"{own}: a masked action", problem.space.names[0], "masked")


def _joint_actions(env: Any, problem: Problem, design: Any) -> dict[str, Any]:
    row = dict(zip(problem.space.names, design, strict=True))
    actions = {}
    for agent, names in env.team.members.items():
        levels = np.array([row[name] for name in names])
        actions[agent] = levels[0] if env.team.split == "parameter" else levels
    return actions


def check_parallel_env(id: str, split: Split = "parameter", **settings: Any) -> None:
    """Check the form in which all agents act at once.

    Raises:
        LawViolation: naming the law and a case.
    """
    problem = make_problem(id, **settings)

    def made(**more: Any) -> Any:
        return parallel_env(id, split, **{**settings, **more})

    for horizon in (1, 4):
        with _strictly(f"{id}, split {split}: PettingZoo's tests of the parallel environment"):
            parallel_api_test(made(horizon=horizon, observe_others=True), num_cycles=12)
            parallel_seed_test(lambda horizon=horizon: made(horizon=horizon), num_cycles=12)
    single = gymnasium.make(id, horizon=2, **settings)
    env = made(horizon=2, observe_others=True)
    observations, _ = env.reset(seed=0)
    single.reset(seed=0)
    for step, design in enumerate(_designs(problem, 1)):
        observations, rewards, terminated, truncated, infos = env.step(_joint_actions(env, problem, design))
        shown, reward, _, over, info = single.step(design)
        for agent in env.possible_agents:
            law(
                observations[agent] in env.observation_space(agent), f"{id}: {agent}'s observation is outside its space"
            )
            law(same(observations[agent][: len(shown)], shown), f"{id}: {agent} sees other metrics than a single agent")
            law(same(rewards[agent], reward), f"{id}: {agent} gets {rewards[agent]}, a single agent {reward}")
            law(
                terminated[agent] is False and truncated[agent] is over,
                f"{id}: {agent}'s episode ends at step {step + 1}",
            )
            law(same(infos[agent], info), f"{id}: {agent} is told other things than a single agent")
        law(env.state() in env.state_space, f"{id}: the state is outside its space")
    law(env.agents == [], f"{id}: agents live on after the episode")
    refused(ConfigError, lambda: env.step({}), f"{id}: a step after the end", "reset")
    env.reset()
    refused(ConfigError, lambda: env.step({}), f"{id}: a missing action", env.possible_agents[0])


def check_turn_env(id: str, split: Split = "parameter", **settings: Any) -> None:
    """Check the form in which agents act in turn.

    Raises:
        LawViolation: naming the law and a case.
    """
    problem = make_problem(id, **settings)
    for horizon in (1, 4):
        with _strictly(f"{id}, split {split}: PettingZoo's tests of the turn-based environment"):
            api_test(turn_env(id, split, horizon=horizon, **settings), num_cycles=12)
            seed_test(lambda horizon=horizon: turn_env(id, split, horizon=horizon, **settings), num_cycles=4)
    env = turn_env(id, split, horizon=2, **settings)
    env.reset(seed=0)
    for design in _designs(problem, 1):
        actions = _joint_actions(env, problem, design)
        for agent in env.possible_agents:
            law(env.agent_selection == agent, f"{id}: {env.agent_selection} is in turn, not {agent}")
            shown = env.observe(agent)
            law(shown in env.observation_space(agent), f"{id}: {agent}'s observation is outside its space")
            env.step(actions[agent])
        expected = float(problem.evaluate(design).reward[0])
        for agent in env.possible_agents:
            law(same(env.rewards[agent], expected), f"{id}: {agent} gets {env.rewards[agent]} instead of {expected}")
        law(env.state() in env.state_space, f"{id}: the state is outside its space")
    law(all(env.truncations.values()), f"{id}: the episode is not truncated after its rounds")
