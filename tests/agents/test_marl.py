"""Multi-agent learners on games whose optimum is known, and what they keep and refuse."""

import numpy as np
import pytest

from archgym.agents.marl import BanditTeam, CounterfactualPPO, MultiAgentPPO, joint_heads
from archgym.agents.random import RandomSearch
from archgym.errors import ConfigError, DesignError
from archgym.metrics import Metrics
from archgym.problem import Evaluation
from archgym.space import Space, choice, ordinal

pytest.importorskip("torch")

SEPARABLE = Space(
    "separable", tuple(ordinal(f"p{k}", tuple(range(6)), default=0, group=f"g{k // 3}") for k in range(8))
)
BEST = np.array([5, 0, 2, 3, 1, 4, 5, 2])
PAIR = Space("pair", (choice("left", "a", "b", "c", group="both"), choice("right", "a", "b", "c", group="both")))
#: The climbing game of Claus and Boutilier: the best pair is next to the worst ones.
CLIMBING = np.array([[11.0, -30.0, 0.0], [-30.0, 7.0, 6.0], [0.0, 0.0, 5.0]])
#: Both must choose alike, and which does not matter.
AGREE = np.eye(3)

TEAMS = [
    (MultiAgentPPO, {}),
    (MultiAgentPPO, {"critic": "own"}),
    (MultiAgentPPO, {"shared": True}),
    (MultiAgentPPO, {"shared": True, "critic": "own", "hidden": 16, "learning_rate": 0.03}),
    (MultiAgentPPO, {"hidden": 16, "learning_rate": 0.03}),
    (CounterfactualPPO, {}),
    (CounterfactualPPO, {"shared": True}),
    (BanditTeam, {}),
]
VARIANTS = pytest.mark.parametrize(("kind", "settings"), TEAMS, ids=lambda v: getattr(v, "name", str(v)))


def separable(designs):
    return 1.0 - np.abs(designs - BEST).mean(axis=1) / 5.0


def game(payoff):
    return lambda designs: payoff[designs[:, 0], designs[:, 1]]


def judged(space, designs, rewards):
    metrics = Metrics({"cost": -rewards}, np.ones(len(designs), dtype=bool), ("",) * len(designs))
    return Evaluation(space.fingerprint, designs, metrics, rewards, -rewards[:, None], ("cost",))


def play(agent, reward, budget):
    """Let ``agent`` learn; all rewards in order."""
    seen = []
    while len(seen) < budget:
        designs = agent.space.check(agent.ask(agent.batch_size))
        rewards = np.asarray(reward(designs), dtype=np.float64)
        agent.tell(judged(agent.space, designs, rewards))
        seen.extend(rewards.tolist())
    return np.array(seen)


def made(kind, space=SEPARABLE, seed=0, **settings):
    """A team that plays as its policies say; designs are asked for again."""
    if kind is not BanditTeam:
        settings = {"explore": 0.0, "fresh": False, **settings}
    return kind(space, seed, kind.Hyperparameters.parse(settings))


@VARIANTS
def test_a_separable_game_is_learned(kind, settings):
    at_the_end = play(made(kind, **settings), separable, 960)[-96:].mean()
    assert at_the_end > (0.8 if kind is BanditTeam else 0.9)
    assert at_the_end > play(RandomSearch(SEPARABLE), separable, 96).mean() + 0.2


@VARIANTS
def test_a_team_learns_to_agree(kind, settings):
    agreed = [play(made(kind, PAIR, seed, **settings), game(AGREE), 480)[-48:].mean() > 0.9 for seed in range(3)]
    assert sum(agreed) >= 2  # by chance a third of all pairs agree


@pytest.mark.parametrize("kind", [MultiAgentPPO, CounterfactualPPO, BanditTeam])
def test_deciding_together_wins_where_mistakes_are_punished(kind):
    together = [play(made(kind, PAIR, seed, split="group"), game(CLIMBING), 480)[-48:].mean() for seed in range(3)]
    assert np.median(together) > 8.0  # above 7, the best that is safe to try alone


def policies(agent):
    """Probability of each level, shape (agents, levels)."""
    import torch

    return agent.learner.logits(torch.ones(1, len(agent.heads), 1)).exp().detach().numpy()[0]


def test_a_counterfactual_knows_who_earned_the_reward():
    """Agent 3 decides everything: what others might have done instead is known to change nearly nothing."""
    import torch

    agent = made(CounterfactualPPO, learning_rate=1e-5)  # policies stay uniform, so everyone's choices vary
    play(agent, lambda designs: (designs[:, 3] == 4).astype(float), 1280)
    worth = agent.learner.model.alternatives(torch.ones(400, 1), torch.from_numpy(agent.ask(400))).numpy()
    spread = np.ptp(worth, axis=2).mean(axis=0)
    assert spread.argmax() == 3
    assert (worth[:, 3].argmax(axis=1) == 4).all()
    assert np.delete(spread, 3).max() < 0.3 * spread[3]


def test_alternatives_are_the_returns_of_the_joint_actions_they_make():
    import torch

    from archgym.agents.credit import CreditModel, action_features

    space = Space("mixed", (ordinal("a", (1, 2, 3)), choice("b", "x", "y"), ordinal("c", (1, 2, 3, 4))))
    heads = joint_heads(space, "parameter")
    model = CreditModel(space.sizes, action_features(space, heads), 2, 8, 0.01, torch.Generator().manual_seed(0))
    rng = np.random.default_rng(0)
    states, actions = torch.from_numpy(rng.random((50, 2), np.float32)), torch.from_numpy(space.sample(rng, 50))
    model.fit(states, actions, actions[:, 0] + 2.0 * actions[:, 1] * states[:, 0], 300)
    table = model.alternatives(states, actions)
    rows = torch.arange(50)
    for agent, size in enumerate(space.sizes):
        for level in range(int(size)):
            other = actions.clone()
            other[:, agent] = level
            made_so = model.alternatives(states, other)
            for whose in range(3):  # the joint action itself, found among anyone's alternatives
                assert torch.allclose(table[:, agent, level], made_so[rows, whose, other[:, whose]], atol=1e-5)
    assert (table[:, 1, 2:] == 0).all()


@pytest.mark.parametrize("kind", [MultiAgentPPO, CounterfactualPPO])
def test_a_search_repeats_no_design_and_learns_a_decision(kind):
    agent = kind(SEPARABLE, 1)
    seen = []
    play(agent, lambda designs: (seen.extend(map(tuple, designs)), separable(designs))[1], 640)
    assert len(set(seen)) > 0.97 * len(seen)
    assert separable(agent.decide()[None])[0] > 0.9


@VARIANTS
def test_equal_seeds_give_equal_runs(kind, settings):
    first, again, other = (play(made(kind, seed=seed, **settings), separable, 160) for seed in (3, 3, 4))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_making_and_training_a_team_leaves_global_random_state_alone():
    import torch

    torch.manual_seed(1)
    expected = torch.rand(1).item()
    torch.manual_seed(1)
    threads = torch.get_num_threads()
    play(made(CounterfactualPPO), separable, 48)
    assert torch.rand(1).item() == expected
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize("kind", [MultiAgentPPO, CounterfactualPPO])
def test_equal_rewards_teach_nothing(kind):
    agent = made(kind, entropy=0.0)
    play(agent, lambda designs: np.full(len(designs), 0.3), 15 * 16)
    assert np.allclose(policies(agent), 1 / 6, atol=0.01)


def test_a_counterfactual_learns_after_batches_without_any_difference():
    """As where every first design is infeasible."""
    agent = made(CounterfactualPPO)
    play(agent, lambda designs: np.zeros(len(designs)), 64)
    assert play(agent, separable, 960)[-96:].mean() > 0.9


@pytest.mark.parametrize("scale", [1e-6, 1e6])
@pytest.mark.parametrize("kind", [MultiAgentPPO, CounterfactualPPO, BanditTeam])
def test_the_unit_of_the_reward_does_not_matter(kind, scale):
    seen = play(made(kind), lambda designs: scale * separable(designs), 960)
    assert seen[-96:].mean() > 0.8 * scale


@pytest.mark.parametrize(("kind", "settings"), TEAMS[:-1], ids=lambda v: getattr(v, "name", str(v)))
def test_what_was_learned_is_kept(tmp_path, kind, settings):
    file = "team"
    agent = made(kind, **settings)
    play(agent, separable, 480)
    agent.save(tmp_path / file)
    resumed = made(kind, seed=9, **settings)
    resumed.load(tmp_path / file)
    for name, array in agent.learner.arrays().items():
        assert np.array_equal(array, resumed.learner.arrays()[name]), name
    assert separable(resumed.ask(200)).mean() == pytest.approx(separable(agent.ask(200)).mean(), abs=0.05)
    assert play(resumed, separable, 160)[-96:].mean() > separable(agent.ask(200)).mean() - 0.05


def test_another_space_is_refused(tmp_path):
    agent = made(MultiAgentPPO)
    agent.save(tmp_path / "team.npz")
    other = Space("separable", SEPARABLE.parameters[::-1])
    with pytest.raises(ConfigError, match="learned on space"):
        made(MultiAgentPPO, other).load(tmp_path / "team.npz")
    with pytest.raises(DesignError, match="belongs to space"):
        agent.tell(judged(other, other.default[None], np.ones(1)))


@pytest.mark.parametrize(
    "settings", [{"critic": "own"}, {"shared": True}, {"hidden": 8}, {"split": "group"}], ids=lambda s: str(s)
)
def test_other_settings_are_refused_and_nothing_changes(tmp_path, settings):
    agent = made(MultiAgentPPO)
    play(agent, separable, 64)
    agent.save(tmp_path / "team.npz")
    other = made(MultiAgentPPO, **settings)
    before = other.learner.arrays()
    with pytest.raises(ConfigError, match="other settings"):
        other.load(tmp_path / "team.npz")
    assert all(np.array_equal(array, other.learner.arrays()[name]) for name, array in before.items())
    counterfactual = made(CounterfactualPPO)
    with pytest.raises(ConfigError, match="other settings"):
        counterfactual.load(tmp_path / "team.npz")


def test_files_that_hold_no_team_are_refused(tmp_path):
    for name, content in (("missing", None), ("text", b"not a team"), ("empty", b"")):
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(ConfigError, match=name):
            made(MultiAgentPPO).load(tmp_path / name)
    np.savez(tmp_path / "arrays.npz", something=np.ones(3))
    with pytest.raises(ConfigError, match=r"arrays\.npz"):
        made(MultiAgentPPO).load(tmp_path / "arrays.npz")


def test_joint_heads_part_the_columns_of_a_space():
    assert [head.tolist() for head in joint_heads(SEPARABLE, "parameter")] == [[k] for k in range(8)]
    assert [head.tolist() for head in joint_heads(SEPARABLE, "group")] == [[0, 1, 2], [3, 4, 5], [6, 7]]


def test_joint_heads_cut_a_subsystem_with_too_many_joint_choices():
    wide = Space("wide", tuple(ordinal(f"p{k}", tuple(range(20)), group="all") for k in range(5)))
    assert [head.tolist() for head in joint_heads(wide, "group")] == [[0, 1], [2, 3], [4]]
    huge = Space("huge", (ordinal("one", tuple(range(600)), group="all"), ordinal("two", (1, 2), group="all")))
    assert [head.tolist() for head in joint_heads(huge, "group")] == [[0], [1]]


@pytest.mark.parametrize("kind", [MultiAgentPPO, BanditTeam])
def test_interleaved_subsystems_reach_every_design(kind):
    space = Space(
        "interleaved",
        (choice("a", 1, 2, group="x"), choice("b", 1, 2, 3, group="y"), choice("c", 1, 2, 3, 4, group="x")),
    )
    assert [head.tolist() for head in joint_heads(space, "group")] == [[0, 2], [1]]
    assert len(np.unique(made(kind, space, split="group").ask(1000), axis=0)) == 24
