"""The whole-design and vector environments beyond the laws: what is shown, told, drawn and refused."""

import pickle

import gymnasium
import numpy as np
import pytest

from archgym.envs import DesignEnv, VectorDesignEnv
from archgym.envs.observation import ChoiceEncoder, Observer
from archgym.errors import ConfigError, DesignError, UnknownNameError
from archgym.metrics import Metrics
from archgym.objective import Minimise
from archgym.space import Space, choice, grid
from archgym.testing.separable import SeparableSimulator, awkward_spaces, separable_problem
from archgym.testing.toy import ToySimulator, toy_problem
from tests import toy

INFEASIBLE = np.array([0, 7, 0, 0, 0, 0, 7])


def test_the_default_design_is_shown_as_one_half_everywhere():
    env = gymnasium.make(toy.ID)
    start, info = env.reset()
    count = len(toy.problem().metrics)
    assert start[:count] == pytest.approx(0.5)
    assert (start[count], start[-1]) == (1.0, 0.0)
    assert info["design"] == toy.SPACE.row(toy.SPACE.default)
    shown, reward, _, truncated, _ = env.step(toy.SPACE.default)
    assert shown[:-1] == pytest.approx(start[:-1])
    assert (reward, truncated, shown[-1]) == (0.5, True, 1.0)


def test_a_metric_twice_the_default_is_shown_as_two_thirds():
    problem = toy_problem()
    reference = np.array(list(problem.reference.values()))
    columns = {
        name: np.array([2.0, 0.5, 0.0, -1.0, np.nan, np.inf]) * value for name, value in problem.reference.items()
    }
    shown = Observer(problem).relative(Metrics(columns, np.ones(6, dtype=bool), ("",) * 6))
    assert (reference > 0).all()
    assert shown[:, 0] == pytest.approx([2 / 3, 1 / 3, 0.0, 0.0, 0.0, 0.0])


@pytest.mark.parametrize("reference", [0.0, -2.0])
def test_a_metric_whose_default_is_not_positive_is_shown_by_its_distance(reference):
    observer = Observer(toy_problem())
    observer.__dict__["reference"] = np.full(len(observer.names), reference)
    values = np.array([-1e9, reference - 1, reference, reference + 1, 1e9, np.nan])
    shown = observer.relative(Metrics(dict.fromkeys(observer.names, values), np.ones(6, dtype=bool), ("",) * 6))[:, 0]
    assert (np.diff(shown[:5]) > 0).all()
    assert shown[2] == 0.5
    assert (shown[5], shown.min() >= 0, shown.max() <= 1) == (0.0, True, True)


def test_infeasible_designs_are_data():
    env = gymnasium.make(toy.ID)
    env.reset()
    shown, reward, terminated, truncated, info = env.step(INFEASIBLE)
    assert not shown[: len(toy.problem().metrics) + 1].any()
    assert (reward, terminated, truncated) == (0.0, False, True)
    assert info["metrics"] == {}
    assert info["feasible"] is False
    assert info["reason"] == "16384 wires do not fit; at most 4096 do"


def test_settings_choose_the_problem():
    env = gymnasium.make(toy.ID, workload="heavy", objective="fast")
    assert env.unwrapped.problem.workload.name == "heavy"
    assert env.unwrapped.problem.objective_name == "fast"
    stand_in = gymnasium.make(toy.ID, simulator=ToySimulator(name="stand-in"), objective=Minimise(("energy_J",)))
    assert stand_in.unwrapped.problem.simulator.name == "stand-in"
    assert stand_in.reset()[0].shape == env.reset()[0].shape


@pytest.mark.parametrize(
    ("settings", "kind", "words"),
    [
        ({"workload": "lite"}, UnknownNameError, "did you mean 'light'"),
        ({"objective": "fst"}, UnknownNameError, "did you mean 'fast'"),
        ({"horizon": 0}, ConfigError, "horizon: 0 is not allowed"),
        ({"horizon": 1.5}, ConfigError, "horizon: 1.5"),
        ({"horizon": True}, ConfigError, "horizon: True"),
        ({"spped": 3}, UnknownNameError, "spped"),
    ],
)
def test_bad_settings_are_named(settings, kind, words):
    with pytest.raises(kind, match=words):
        gymnasium.make(toy.ID, **settings)


def test_a_finished_problem_takes_no_settings():
    assert DesignEnv(toy_problem()).reset()[0].shape == (9,)
    with pytest.raises(ConfigError, match="workload: not allowed beside a Problem"):
        DesignEnv(toy_problem(), workload="heavy")


@pytest.mark.parametrize(
    ("action", "words"),
    [
        (toy.SPACE.sizes, "row 0: parameter 'policy'"),
        (toy.SPACE.default[None], r"one design of shape \(7,\)"),
        (toy.SPACE.default[:3], "shape"),
        (3, "one design of shape"),
        (toy.SPACE.default + 0.25, "whole level numbers"),
    ],
)
def test_illegal_actions_are_refused(action, words):
    env = DesignEnv(toy.ID)
    env.reset()
    with pytest.raises(DesignError, match=words):
        env.step(action)


def test_a_longer_horizon_shows_how_much_of_the_episode_is_over():
    env = gymnasium.make(toy.ID, horizon=4)
    env.reset()
    fractions = [env.step(toy.SPACE.default)[0][-1] for _ in range(4)]
    assert fractions == [0.25, 0.5, 0.75, 1.0]


@pytest.mark.parametrize("space", awkward_spaces(), ids=lambda space: space.name)
def test_spaces_of_every_shape(space):
    env = DesignEnv(separable_problem(space))
    env.reset()
    for design in (space.default, space.sizes - 1):
        shown = env.step(design)[0]
        assert shown in env.observation_space
    many = VectorDesignEnv(separable_problem(space), num_envs=3)
    many.reset()
    assert many.step(np.tile(space.default, (3, 1)))[1].tolist() == [0.5] * 3


def test_the_text_compares_with_the_default_design():
    env = gymnasium.make(toy.ID, render_mode="ansi")
    env.reset()
    design = toy.SPACE.encode({"voltage": 0.6, "buffer": 16})[0]
    env.step(design)
    text = env.render()
    assert "ToyEnv-v0 | workload light | objective efficient" in text
    lines = {line.split()[0]: line for line in text.splitlines() if line}
    assert lines["buffer"].split() == ["buffer", "(entries)", "16", "8", "changed"]
    assert lines["depth"].split() == ["depth", "2", "2"]
    assert lines["energy_J"].endswith("% better")
    assert lines["total_time_s"].endswith("% worse")
    assert "+" not in lines["energy_J"]
    env.step(INFEASIBLE)
    assert "infeasible: 16384 wires do not fit" in env.render()


def test_pictures_show_the_design():
    pytest.importorskip("matplotlib")
    env = gymnasium.make(toy.ID, render_mode="rgb_array")
    env.reset()
    pictures = [env.render()]
    for design in (toy.SPACE.sizes - 1, INFEASIBLE, toy.SPACE.default):
        env.step(design)
        pictures.append(env.render())
    assert all(picture.dtype == np.uint8 and picture.ndim == 3 and picture.shape[2] == 3 for picture in pictures)
    assert not np.array_equal(pictures[0], pictures[1])
    assert not np.array_equal(pictures[1], pictures[2])
    assert np.array_equal(pictures[0], pictures[3])
    large = DesignEnv(separable_problem(awkward_spaces()[-1]), render_mode="rgb_array")
    large.reset()
    assert large.render().shape[0] < 1400


def test_without_a_render_mode_nothing_is_drawn():
    env = DesignEnv(toy.ID)
    env.reset()
    assert env.render() is None
    assert VectorDesignEnv(toy.ID, num_envs=2).render() is None


def test_choices_are_encoded_by_their_kind():
    encoder = ChoiceEncoder(Space("s", (choice("c", "x", "y", "z"), grid("g", 0, 3))))
    encoded = encoder(np.array([[1, 3], [-1, -1], [2, 0], [0, -1]]))
    assert encoded.tolist() == [[0, 1, 0, 1], [0, 0, 0, 0], [0, 0, 1, 0.25], [1, 0, 0, 0]]


def test_the_vector_form_makes_one_simulator_call_a_step():
    calls = []

    class Counting(ToySimulator):
        def __call__(self, designs, workload):
            calls.append(len(designs))
            return super().__call__(designs, workload)

    env = VectorDesignEnv(toy.ID, num_envs=64, simulator=Counting())
    env.reset()
    calls.clear()
    for _ in range(3):
        env.step(env.action_space.sample())
    assert calls == [64, 64, 64]


def test_rows_may_be_reset_apart():
    env = VectorDesignEnv(toy.ID, num_envs=4, horizon=3)
    env.reset()
    actions = np.tile(toy.SPACE.default, (4, 1))
    env.step(actions)
    shown, info = env.reset(options={"reset_mask": np.array([True, False, False, True])})
    assert shown[:, -1] == pytest.approx([0.0, 1 / 3, 1 / 3, 0.0])
    assert info["_feasible"].tolist() == [True, False, False, True]
    ends = [env.step(actions)[3].tolist() for _ in range(3)]
    assert ends == [[False] * 4, [False, True, True, False], [True, False, False, True]]
    with pytest.raises(ConfigError, match="reset_mask"):
        env.reset(options={"reset_mask": np.zeros(4, dtype=bool)})


def test_the_vector_form_of_a_mixed_batch_tells_both_ends_and_starts():
    env = VectorDesignEnv(toy.ID, num_envs=3, horizon=2)
    env.reset()
    actions = np.stack([toy.SPACE.default, INFEASIBLE, toy.SPACE.default])
    env.step(actions)
    env.reset(options={"reset_mask": np.array([True, False, False])})
    _, rewards, _, truncated, info = env.step(actions)
    assert rewards.tolist() == [0.5, 0.0, 0.5]
    assert truncated.tolist() == [False, True, True]
    assert info["_final_info"].tolist() == [False, True, True]
    assert info["final_info"]["reason"].tolist() == [None, "16384 wires do not fit; at most 4096 do", ""]
    assert info["final_info"]["metrics"]["_energy_J"].tolist() == [False, False, True]
    assert info["feasible"].tolist() == [True, True, True]


@pytest.mark.parametrize("num_envs", [0, -1, 2.5, True])
def test_the_number_of_environments_is_checked(num_envs):
    with pytest.raises(ConfigError, match="num_envs"):
        VectorDesignEnv(toy.ID, num_envs=num_envs)


def test_a_spec_of_a_made_environment_makes_a_vector():
    spec = gymnasium.make(toy.ID, horizon=2).spec
    vector = gymnasium.make_vec(pickle.loads(pickle.dumps(spec)), num_envs=3)
    assert isinstance(vector, VectorDesignEnv)
    vector.reset()
    ends = [vector.step(vector.action_space.sample())[3].all() for _ in range(4)]
    assert ends == [False, True, False, True]


def test_an_env_with_objects_in_its_settings_can_be_pickled():
    env = gymnasium.make(toy.ID, simulator=ToySimulator(name="own"))
    env.reset(seed=3)
    copy = pickle.loads(pickle.dumps(env))
    assert copy.step(toy.SPACE.default)[1] == env.step(toy.SPACE.default)[1]
    assert copy.unwrapped.problem.simulator.name == "own"
    assert isinstance(SeparableSimulator(toy.SPACE), SeparableSimulator)
