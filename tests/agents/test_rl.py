"""Reinforcement-learning agents beyond the laws: views of a design, private randomness, policies that are kept and carried over."""

import numpy as np
import pytest

from archgym.agents import make_agent
from archgym.errors import ConfigError
from archgym.rollout import Evaluator, run_search
from archgym.space import Space, choice, grid, powers
from archgym.testing.toy import toy_problem

torch = pytest.importorskip("torch")
pytest.importorskip("stable_baselines3")
pytest.importorskip("sb3_contrib")

from archgym.agents.rl_views import ContinuousView, SequentialView, WholeView  # noqa: E402

SPACE = Space("uneven", (choice("three", "a", "b", "c"), powers("eight", 1, 128), grid("five", 0, 4)))
NAMES = ("ppo", "maskable_ppo", "a2c", "dqn", "sac", "td3")


def views():
    rng = np.random.default_rng(0)
    return [
        WholeView(SPACE),
        ContinuousView(SPACE),
        SequentialView(SPACE, True, rng),
        SequentialView(SPACE, False, rng),
    ]


@pytest.mark.parametrize("number", range(4))
def test_the_actions_of_a_design_make_it_again(number):
    view = views()[number]
    designs = SPACE.enumerate()
    made = view.blank(len(designs))
    for step in range(view.steps):
        actions = view.actions(designs, step)
        assert all(view.action_space.contains(np.asarray(action)) for action in actions)
        view.place(made, step, actions)
    assert np.array_equal(made, designs)


def test_every_level_is_an_equal_bin_of_the_unit_cube():
    view, count = ContinuousView(SPACE), 8 * 3 * 5 * 4
    side = (2 * np.arange(count) + 1) / count - 1
    made = view.blank(count)
    view.place(made, 0, np.repeat(side[:, None], 3, axis=1))
    for column, size in enumerate(SPACE.sizes):
        assert np.bincount(made[:, column]).tolist() == [count // size] * size


def test_every_action_of_the_unmasked_sequence_is_a_level_and_bins_differ_by_one_at_most():
    view = SequentialView(SPACE, False, np.random.default_rng(0))
    every = np.arange(view.action_space.n)
    for step, size in enumerate(SPACE.sizes):
        made = view.blank(len(every))
        view.place(made, step, every)
        counts = np.bincount(made[:, step], minlength=size)
        assert len(counts) == size
        assert counts.min() >= 1
        assert counts.max() - counts.min() <= 1


def test_the_sequence_shows_earlier_choices_and_hides_later_ones():
    view = SequentialView(SPACE, True, np.random.default_rng(0))
    designs = SPACE.enumerate()
    for step in range(view.steps):
        shown = view.observe(designs, step)
        seen = {tuple(row) for row in shown}
        assert len(seen) == int(np.prod(SPACE.sizes[:step]))
        assert all(view.observation_space.contains(row) for row in shown)


@pytest.mark.parametrize("name", NAMES)
def test_a_search_leaves_the_global_random_state_and_threads_alone_and_is_not_moved_by_them(name):
    problem = toy_problem()

    def search():
        return run_search(problem, name, 40, seed=2).designs

    first = search()
    torch.manual_seed(9)
    np.random.seed(9)  # noqa: NPY002
    before = torch.get_rng_state(), np.random.get_state()[1].copy(), torch.get_num_threads()  # noqa: NPY002
    assert np.array_equal(search(), first)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002
    assert torch.get_num_threads() == before[2]


@pytest.mark.parametrize("name", ["maskable_ppo", "sac"])
def test_agents_that_take_turns_do_not_disturb_each_other(name):
    problem = toy_problem()
    alone = run_search(problem, name, 32, seed=5, batch_size=8).designs
    agents = [make_agent(name, problem.space, 5) for _ in range(2)]
    asked = [[], []]
    for _ in range(4):
        for agent, designs in zip(agents, asked, strict=True):
            designs.append(agent.ask(8))
            agent.tell(problem.evaluate(designs[-1]))
    assert np.array_equal(np.concatenate(asked[0]), alone)
    assert np.array_equal(np.concatenate(asked[1]), alone)


def test_a_batch_is_one_call_and_every_evaluation_is_logged(tmp_path):
    sizes = []
    run = run_search(
        toy_problem(),
        "maskable_ppo",
        50,
        directory=tmp_path,
        progress=lambda used, best, evaluation: sizes.append(len(evaluation)),
    )
    assert sizes == [16, 16, 16, 2]
    assert len(run) == 50


@pytest.mark.parametrize("name", NAMES)
def test_a_policy_is_kept_and_gone_on_with(name, tmp_path):
    problem = toy_problem()
    agent = make_agent(name, problem.space, 1)
    agent.run(Evaluator(problem, 48))
    agent.save(tmp_path / "policy")
    assert [path.name for path in tmp_path.iterdir()] == ["policy"]
    other = make_agent(name, problem.space, 2)
    untaught = other.decide()
    other.load(tmp_path / "policy")
    assert np.array_equal(other.decide(), agent.decide())
    assert problem.space.check(untaught).shape == (1, len(problem.space))
    other.run(Evaluator(problem, 8))


def test_a_policy_learned_on_one_workload_starts_better_on_another(tmp_path):
    learned, fresh = toy_problem(workload="light"), toy_problem(workload="heavy")
    agent = make_agent("maskable_ppo", learned.space, 1)
    agent.run(Evaluator(learned, 160))
    agent.save(tmp_path / "policy")

    def first_rewards(taught):
        new = make_agent("maskable_ppo", fresh.space, 3)
        if taught:
            new.load(tmp_path / "policy")
        return fresh.evaluate(new.ask(16)).reward

    assert first_rewards(True).mean() > first_rewards(False).max()


def test_files_that_do_not_fit_are_refused(tmp_path):
    space = toy_problem().space
    path = tmp_path / "policy"
    make_agent("a2c", space).save(path)
    with pytest.raises(ConfigError, match="of agent 'a2c', not of 'ppo'"):
        make_agent("ppo", space).load(path)
    with pytest.raises(ConfigError, match="learned on space"):
        make_agent("a2c", SPACE).load(path)
    with pytest.raises(ConfigError, match="other settings"):
        make_agent("a2c", space, hyperparameters={"hidden": 8}).load(path)
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(ConfigError, match="no file of a policy"):
        make_agent("a2c", space).load(path)
    with pytest.raises(ConfigError, match="no file of a policy"):
        make_agent("a2c", space).load(tmp_path / "missing")


def test_a_space_of_one_design_is_searched():
    fixed = Space("one design", (choice("fixed", "here"),))
    for name in NAMES:
        assert make_agent(name, fixed).ask(3).tolist() == [[0], [0], [0]]


@pytest.mark.parametrize("name", ["ppo", "a2c", "maskable_ppo"])
def test_learning_from_designs_that_the_policy_would_never_draw_keeps_it_sound(name):
    """Told designs may be most unlikely; that they become likelier by more than a float can say must not spoil it."""
    import torch

    space = Space("wide", tuple(grid(f"p{k}", 0, 7) for k in range(20)))
    agent = make_agent(name, space, 0, {"batch_size": 4, "learning_rate": 0.5, "recall": 0.0})
    with torch.no_grad():
        agent.learner.model.policy.action_net.bias[:] = torch.tensor([60.0, *[-60.0] * 7]).repeat(
            len(agent.learner.model.policy.action_net.bias) // 8
        )
    rng = np.random.default_rng(0)
    for _ in range(10):
        agent.learner.learn(space.sample(rng, 4), rng.normal(size=4))
    assert all(np.isfinite(value).all() for value in agent.learner.arrays().values())
    space.check(agent.ask(3))


def test_the_distribution_of_designs_is_the_librarys_in_one_tensor():
    import torch
    from stable_baselines3.common.distributions import MultiCategoricalDistribution

    from archgym.agents.rl_policy import DesignDistribution

    sizes, generator = [3, 1, 7, 2, 5], torch.Generator().manual_seed(0)
    logits = 3.0 * torch.randn(40, sum(sizes), generator=generator)
    designs = torch.stack([torch.randint(size, (40,), generator=generator) for size in sizes], dim=1)
    found = []
    for kind in (MultiCategoricalDistribution, DesignDistribution):
        given = logits.clone().requires_grad_()
        made = kind(sizes).proba_distribution(given)
        chances, entropy = made.log_prob(designs), made.entropy()
        (chances.sum() + (entropy**2).sum()).backward()
        found.append((chances.detach(), entropy.detach(), given.grad, made.mode()))
    for theirs, ours in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs)
    made = DesignDistribution(sizes).proba_distribution(logits[:1].expand(20_000, -1))
    drawn = made.sample()
    start = 0
    for column, size in enumerate(sizes):
        share = torch.bincount(drawn[:, column], minlength=size) / len(drawn)
        wanted = logits[0, start : start + size].softmax(0)
        torch.testing.assert_close(share, wanted, atol=0.02, rtol=0.0)
        start += size
