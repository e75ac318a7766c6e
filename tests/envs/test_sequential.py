"""The sequential environment beyond the laws: masks, what is shown of choices, learners that use masks."""

import gymnasium
import numpy as np
import pytest

from archgym.envs import SequentialEnv
from archgym.errors import DesignError
from archgym.testing.separable import awkward_spaces, separable_problem
from tests import toy

ID = "ToySequentialEnv-v0"


def test_choices_appear_one_by_one_and_vanish_with_the_next_design():
    env = SequentialEnv(toy.ID, horizon=2)
    shown, info = env.reset()
    choices = slice(-env._encoder.size, None)
    assert not shown[choices].any()
    assert info["parameter"] == "policy"
    seen = [np.count_nonzero(env.step(level)[0][choices]) for level in toy.SPACE.default]
    assert seen == [1, 2, 3, 4, 5, 6, 0]


def test_the_turn_is_shown():
    env = SequentialEnv(toy.ID)
    shown, _ = env.reset()
    start = env._observer.size
    turns = [shown[start : start + 7].argmax()]
    for level in toy.SPACE.default:
        shown = env.step(level)[0]
        turns.append(shown[start : start + 7].argmax())
    assert turns == [0, 1, 2, 3, 4, 5, 6, 0]


@pytest.mark.parametrize("action", [-1, 8, 6, 1.0, "a", [0, 1]])
def test_masked_and_meaningless_actions_are_refused_and_change_nothing(action):
    env = SequentialEnv(toy.ID)
    before, _ = env.reset()
    with pytest.raises(DesignError, match=r"parameter 'policy': action .* is masked; allowed: 0 to 5"):
        env.step(action)
    assert env.step(5)[4]["parameter"] == "buffer"
    assert np.array_equal(env.reset()[0], before)


def test_samples_and_gymnasium_masks_agree():
    env = gymnasium.make(ID)
    _, info = env.reset()
    for parameter in toy.SPACE.parameters:
        drawn = {int(env.action_space.sample()) for _ in range(200)}
        assert drawn == set(range(len(parameter.levels)))
        assert env.action_space.contains(env.action_space.sample(info["action_mask"]))
        info = env.step(0)[4]


@pytest.mark.parametrize("space", awkward_spaces(), ids=lambda space: space.name)
def test_spaces_of_every_shape(space):
    env = SequentialEnv(separable_problem(space))
    env.reset(seed=0)
    env.action_space.seed(0)
    for _ in range(2 * len(space)):
        shown, reward, _, _, info = env.step(env.action_space.sample())
        assert shown in env.observation_space
    assert reward == separable_problem(space).evaluate(space.encode(info["design"])).reward[0]


def test_rendering_shows_the_last_complete_design():
    env = gymnasium.make(ID, render_mode="ansi")
    env.reset()
    start = env.render()
    env.step(5)
    assert env.render() == start
    for _ in range(6):
        env.step(0)
    assert "eager" not in start
    assert "lazy" in env.render()


def test_maskable_ppo_learns_on_it():
    contrib = pytest.importorskip("sb3_contrib")
    env = gymnasium.make(ID)
    model = contrib.MaskablePPO("MlpPolicy", env, n_steps=70, batch_size=70, n_epochs=1, seed=0)
    model.learn(140)
    shown, _ = env.reset()
    for parameter in toy.SPACE.parameters:
        action, _ = model.predict(shown, action_masks=env.get_wrapper_attr("action_masks")(), deterministic=True)
        assert 0 <= int(action) < len(parameter.levels)
        shown = env.step(int(action))[0]
