"""The mapping operators: what each changes, what it leaves, and that orders are permutations."""

import itertools

import numpy as np
import pytest

from archgym.agents.gamma import GammaAlgorithm, MappingMoves, decode_order, encode_order
from archgym.agents.genetic import GeneticAlgorithm
from archgym.space import Space, choice, grid
from archgym.testing.toy import toy_problem

LEVELS = ("inner", "middle", "outer")
SPACE = Space(
    "mapping",
    (
        *(choice(f"P.{n}", *LEVELS, group="tiling") for n in range(3)),
        *(choice(f"K.{n}", *LEVELS, group="tiling") for n in range(2)),
        *(grid(f"{level}.order.{d}", 0, n, group="order") for level in LEVELS[:2] for n, d in enumerate("QKC", 1)),
        choice("inner.keep.weights", True, False, group="bypass"),
    ),
)
TILING, ORDER = slice(0, 5), slice(5, 11)


@pytest.fixture
def moves():
    return MappingMoves(SPACE, 0.5, 1.0, (1.0, 1.0, 1.0))


def test_an_order_is_coded_by_the_loops_inside_and_every_code_is_an_order():
    seen = set()
    for codes in itertools.product(range(2), range(3), range(4)):
        loops = decode_order(list(codes))
        assert sorted(loops) == [0, 1, 2, 3]
        for loop, inside in enumerate(codes, 1):
            assert sum(other < loop for other in loops[: loops.index(loop)]) == inside
        assert encode_order(loops) == list(codes)
        seen.add(tuple(loops))
    assert len(seen) == 24


def test_operators_stay_legal_and_change_only_their_own_part(moves):
    rng = np.random.default_rng(0)
    for design in SPACE.sample(rng, 300):
        reordered, regrouped, grown = design.copy(), design.copy(), design.copy()
        moves.reorder(rng, reordered)
        assert np.array_equal(reordered[TILING], design[TILING])
        assert (reordered[ORDER] != design[ORDER]).any()
        moves.regroup(rng, regrouped)
        assert np.array_equal(np.sort(regrouped[TILING]), np.sort(design[TILING]))
        assert np.array_equal(regrouped[5:], design[5:])
        moves.grow(rng, grown)
        changed = np.flatnonzero(grown != design)
        assert len({SPACE.names[c].split(".")[0] for c in changed}) <= 1
        assert len(set(grown[changed])) <= 1
        SPACE.check(np.stack([reordered, regrouped, grown]))


def test_crossover_takes_blocks_whole(moves):
    rng = np.random.default_rng(1)
    zeros, ones = np.zeros((200, len(SPACE)), dtype=np.int64), np.ones((200, len(SPACE)), dtype=np.int64)
    children = moves.mate(rng, zeros, ones)
    for block in (slice(0, 3), slice(3, 5), slice(5, 8), slice(8, 11)):
        assert (np.ptp(children[:, block], axis=1) == 0).all()
    assert len(np.unique(children, axis=0)) == 2**5


def test_elsewhere_it_mutates_as_the_genetic_algorithm_does():
    space = toy_problem().space
    domain = MappingMoves(space, 0.5, 1.0, (1.0, 1.0, 1.0))
    plain = GeneticAlgorithm(space, 0)._moves
    designs = space.sample(np.random.default_rng(2), 50)
    one, other = np.random.default_rng(3), np.random.default_rng(3)
    one.random(50)
    assert np.array_equal(domain.mutate(other, designs, 0.2), plain.mutate(one, designs, 0.2))


def test_the_shipped_mapping_spaces_have_the_parts():
    from archgym import make_problem

    space = make_problem("DNNMappingEnv-v0").space
    agent = GammaAlgorithm(space, 0)
    assert len(agent._moves.orders) == 3
    assert sum(map(len, agent._moves.dimensions)) == sum(p.group == "tiling" for p in space.parameters)
