"""The coordination graph's model against plain NumPy, how its agents settle, and games that need pairs."""

import itertools

import numpy as np
import pytest

from archgym.agents import payoffs
from archgym.agents.coordination import CoordinationGraph
from archgym.agents.gaussian import JITTER
from archgym.agents.random import RandomSearch
from archgym.agents.team_model import TeamModel
from archgym.errors import ConfigError
from archgym.metrics import Metrics
from archgym.problem import Evaluation
from archgym.space import Space, choice, grid

SPACE = Space(
    "mixed",
    (
        grid("a", 0, 5, group="first"),
        choice("b", *"wxyz", group="first"),
        grid("c", 0, 2, group="second"),
        choice("d", False, True, group="second"),
    ),
)
ALL = np.array(list(itertools.product(*(range(size) for size in SPACE.sizes))))
WEIGHTS, RATIO, NOISE = np.array([0.5, 0.9, 0.2, 0.4]), 1.3, 0.05
PAIRS = {
    "all": list(itertools.combinations(range(4), 2)),
    "group": [(0, 1), (2, 3)],
    "none": [],
}


def covariance(first, second, edges):
    """The kernel as its definition reads."""
    terms = []
    for column, (size, ordered) in enumerate(zip(SPACE.sizes, SPACE.ordered, strict=True)):
        apart = np.abs(first[:, None, column] - second[None, :, column])
        like = np.exp(-2.0 * apart / (size - 1)) if ordered else (apart == 0).astype(float)
        terms.append(WEIGHTS[column] * like)
    return sum(terms) + RATIO * sum((terms[i] * terms[j] for i, j in PAIRS[edges]), np.zeros_like(terms[0]))


@pytest.fixture(params=list(PAIRS))
def known(request):
    """A model that was told 15 outputs, the designs and outputs, and its edges."""
    rng = np.random.default_rng(4)
    designs, outputs = rng.permutation(ALL)[:15], rng.normal(size=15)
    model = TeamModel(SPACE, 40, request.param, 2.0)
    model.parameters = np.log(np.array([*WEIGHTS, RATIO, NOISE]))
    model.add(designs)
    model.learn(outputs)
    return model, designs, outputs, request.param


def posterior(designs, outputs, edges):
    inverse = np.linalg.inv(covariance(designs, designs, edges) + (NOISE + JITTER) * np.eye(len(designs)))
    towards = covariance(ALL, designs, edges)
    return towards @ inverse @ outputs, covariance(ALL, ALL, edges) - towards @ inverse @ towards.T


def test_expected_worth_is_the_posterior_mean(known):
    model, designs, outputs, edges = known
    mean, _ = posterior(designs, outputs, edges)
    np.testing.assert_allclose(payoffs.worth(ALL + model.offsets, *model.expected()), mean, atol=1e-9)


def test_draws_have_the_posterior_mean_and_covariance(known):
    model, designs, outputs, edges = known
    mean, spread = posterior(designs, outputs, edges)
    rng = np.random.default_rng(0)
    drawn = np.array([payoffs.worth(ALL + model.offsets, *model.draw(rng, 1.0)) for _ in range(4000)])
    np.testing.assert_allclose(drawn.mean(axis=0), mean, atol=0.12)
    np.testing.assert_allclose(np.cov(drawn.T), spread, atol=0.25)
    np.testing.assert_allclose(payoffs.worth(ALL + model.offsets, *model.draw(rng, 0.0)), mean, atol=1e-9)


def test_only_pairs_have_payoffs(known):
    model, _, _, edges = known
    _, pairs = model.draw(np.random.default_rng(1), 0.7)
    np.testing.assert_allclose(pairs, pairs.T)
    for i, j in itertools.combinations_with_replacement(range(4), 2):
        block = pairs[np.ix_(model.owner == i, model.owner == j)]
        assert block.any() == ((i, j) in PAIRS[edges])


def test_evidence_is_the_density_and_its_slope(known):
    model, designs, outputs, edges = known
    places = np.ascontiguousarray((designs + model.offsets).T)

    def evidence(parameters):
        return payoffs.evidence(
            parameters, places, outputs, model._likeness, model.offsets, model._hoods, edges != "none", model._mean,
            model._spread,
        )  # fmt: skip

    here = np.log(np.array([*WEIGHTS, RATIO, NOISE]))
    value, slope, left_out = evidence(here)
    matrix = covariance(designs, designs, edges) + (NOISE + JITTER) * np.eye(15)
    inverse = np.linalg.inv(matrix)
    prior = 0.5 * (((here - model._mean) / model._spread) ** 2).sum()
    assert value == pytest.approx(-0.5 * outputs @ inverse @ outputs - 0.5 * np.linalg.slogdet(matrix)[1] - prior)
    np.testing.assert_allclose(left_out, outputs - inverse @ outputs / np.diag(inverse))
    steps = 1e-5 * np.eye(6)
    numeric = [(evidence(here + step)[0] - evidence(here - step)[0]) / 2e-5 for step in steps]
    np.testing.assert_allclose(slope, numeric, atol=1e-6)


def test_agents_settle_where_none_gains(known):
    model = known[0]
    utilities, pairs = model.draw(np.random.default_rng(2), 1.0)
    before = ALL + model.offsets
    after = before.copy()
    payoffs.settle(after, utilities, pairs, model.owner, 100)
    worth = payoffs.worth(after, utilities, pairs)
    assert (worth >= payoffs.worth(before, utilities, pairs) - 1e-9).all()
    for places, value in zip(after, worth, strict=True):
        alone = utilities + sum(pairs[place] for place in places)
        assert (alone - alone[places][model.owner]).max() < 1e-8
        assert value == pytest.approx(alone[places].sum() - 0.5 * sum(pairs[i, j] for i in places for j in places))


def play(reward, space=SPACE, budget=60, seed=0, agent=CoordinationGraph, **settings):
    """The agent after ``budget`` designs, and its best reward."""
    player = agent(space, seed, agent.Hyperparameters.parse(settings))
    seen = []
    for _ in range(budget):
        designs = space.check(player.ask(1))
        rewards = np.asarray(reward(designs), dtype=np.float64)
        metrics = Metrics({"cost": -rewards}, np.ones(1, dtype=bool), ("",))
        player.tell(Evaluation(space.fingerprint, designs, metrics, rewards, -rewards[:, None], ("cost",)))
        seen.append(rewards[0])
    return player, max(seen)


WIDE = Space("wide", tuple(choice(f"p{k}", *"abcd", group=f"g{k // 2}") for k in range(12)))
GOAL = np.array([0, 3, 1, 2, 2, 1, 0, 3, 3, 0, 1, 2])


def test_a_separable_game_needs_few_designs():
    """16.8 million designs; a utility for each level is all there is to know."""

    def matches(designs):
        return (designs == GOAL).mean(axis=1)

    for seed in range(3):
        assert play(matches, WIDE, 80, seed, edges="none")[1] == 1.0
        assert play(matches, WIDE, 80, seed, agent=RandomSearch)[1] < 0.8


def test_agents_that_must_agree_need_payoffs():
    """Six pairs must each make a sum that is a multiple of four: alone, no level is better than another."""

    def agreement(designs):
        return ((designs[:, ::2] + designs[:, 1::2]) % 4 == 0).mean(axis=1)

    best = {edges: [play(agreement, WIDE, 50, seed, edges=edges)[1] for seed in range(5)] for edges in PAIRS}
    assert min(best["group"]) == 1.0  # the pairs are told
    assert min(best["all"]) == 1.0  # the pairs are found
    assert np.mean(best["none"]) < 0.9


def test_credits_say_who_earned_it_and_add_up():
    def only_b(designs):
        return 1.0 * (designs[:, 1] == 2)

    player, _ = play(only_b, budget=50)
    design = np.array([3, 2, 1, 0])
    credits = player.credits(design)
    assert max(credits, key=credits.__getitem__) == "b"
    expected = payoffs.worth(design[None] + player._model.offsets, *player._model.expected())
    assert sum(credits.values()) == pytest.approx(float(expected[0]))


def test_a_space_with_too_many_levels_is_refused():
    with pytest.raises(ConfigError, match="10000 levels of space 'huge' are too many"):
        CoordinationGraph(Space("huge", tuple(grid(f"p{k}", 1, 2000) for k in range(5))))
