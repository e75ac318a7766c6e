"""Parallel and turn-based environments beyond the laws: splits, observations, states, refusals."""

import numpy as np
import pytest

from archgym.envs import parallel_env, turn_env
from archgym.envs.split import split_parameters
from archgym.errors import ConfigError, DesignError, UnknownNameError
from archgym.testing import check_parallel_env, check_turn_env
from tests import toy

OWN = {"left": ["width", "policy"], "right": ["buffer", "depth", "prefetch", "mapping", "voltage"]}


def test_splits():
    assert list(split_parameters(toy.SPACE, "parameter")) == list(toy.SPACE.names)
    assert split_parameters(toy.SPACE, "group") == {
        "scheduling": ("policy", "depth"),
        "buffers": ("buffer", "prefetch"),
        "layout": ("mapping", "width"),
        "voltage": ("voltage",),
    }
    assert split_parameters(toy.SPACE, OWN)["left"] == ("width", "policy")


@pytest.mark.parametrize(
    ("split", "kind", "words"),
    [
        ("groups", UnknownNameError, "did you mean 'group'"),
        ({"all": ["policy"]}, ConfigError, "no agent has buffer, depth"),
        ({**OWN, "third": ["policy"]}, ConfigError, "'policy' is given to 'left' and 'third'"),
        ({**OWN, "idle": []}, ConfigError, "agent 'idle' has no parameter"),
        ({**OWN, "third": ["polcy"]}, UnknownNameError, "did you mean 'policy'"),
    ],
)
def test_bad_splits_are_named(split, kind, words):
    with pytest.raises(kind, match=words):
        parallel_env(toy.ID, split)


def test_a_split_of_your_own_keeps_the_laws():
    check_parallel_env(toy.ID, OWN)
    check_turn_env(toy.ID, OWN)


def test_an_agent_acts_on_its_own_parameters_in_its_own_order():
    env = parallel_env(toy.ID, OWN)
    env.reset()
    assert env.action_space("left").nvec.tolist() == [8, 6]
    infos = env.step({"left": [3, 5], "right": [0, 1, 1, 4, 7]})[4]
    expected = toy.SPACE.row([5, 0, 1, 1, 4, 7, 3])
    assert infos["left"]["design"] == infos["right"]["design"] == expected
    assert infos["left"]["design"] is not infos["right"]["design"]


def test_observations_have_one_shape_and_show_own_choices():
    env = parallel_env(toy.ID, "group")
    seen, _ = env.reset()
    assert len({observation.shape for observation in seen.values()}) == 1
    base = env.team.observer.size
    design = toy.SPACE.encode({"policy": "timed", "depth": 3, "buffer": 128})[0]
    row = dict(zip(toy.SPACE.names, design, strict=True))
    actions = {agent: np.array([row[name] for name in names]) for agent, names in env.team.members.items()}
    seen = env.step(actions)[0]
    assert seen["scheduling"][base:].tolist() == [0, 0, 0, 1, 0, 0, 0.375]
    assert seen["buffers"][base:].tolist() == [1.0, 1, 0, 0, 0, 0, 0]


def test_others_choices_are_seen_only_if_asked_for():
    plain, open_ = parallel_env(toy.ID), parallel_env(toy.ID, observe_others=True)
    first, second = plain.reset()[0], open_.reset()[0]
    whole = open_.team.encoder(toy.SPACE.default[None])[0]
    for agent in plain.possible_agents:
        assert np.array_equal(second[agent][: len(first[agent])], first[agent])
        assert np.array_equal(second[agent][len(first[agent]) :], whole)
    assert np.array_equal(open_.state()[-len(whole) :], whole)


def test_earlier_choices_are_seen_in_turn():
    env = turn_env(toy.ID)
    env.reset()
    width = env.team.encoder.size
    counts = []
    for level in toy.SPACE.default:
        counts.append(np.count_nonzero(env.observe(env.agent_selection)[-width:]))
        env.step(level)
    assert counts == [0, 1, 2, 3, 4, 5, 6]
    assert env.rewards == dict.fromkeys(toy.SPACE.names, 0.5)


@pytest.mark.parametrize("action", [6, -1, 0.5, [1, 2], "x"])
def test_illegal_actions_name_agent_and_parameter(action):
    actions = dict(zip(toy.SPACE.names, toy.SPACE.default.tolist(), strict=True)) | {"policy": action}
    env = parallel_env(toy.ID)
    env.reset()
    with pytest.raises(DesignError, match="agent 'policy'"):
        env.step(actions)
    turn = turn_env(toy.ID)
    turn.reset()
    with pytest.raises(DesignError, match="agent 'policy'"):
        turn.step(action)


def test_settings_and_rendering_are_those_of_the_design_environment():
    env = parallel_env(toy.ID, workload="heavy", objective="fast", render_mode="ansi")
    env.reset()
    assert env.render().startswith("ToyEnv-v0 | workload heavy | objective fast")
    turn = turn_env(toy.ID, workload="heavy", objective="fast", render_mode="ansi")
    turn.reset()
    assert turn.render() == env.render()
    with pytest.raises(ConfigError, match="render_mode"):
        parallel_env(toy.ID, render_mode="human")
