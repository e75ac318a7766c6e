"""Variation of designs: what a child may inherit, what a mutation may change, and which parents count as distinct."""

import numpy as np
import pytest

from archgym.agents.moves import Moves, bred, distinct
from archgym.space import Space, choice, grid

SPACE = Space(
    "varied",
    (
        grid("one", 3, 3, help="cannot change"),
        choice("kind", "a", "b", "c", help="unordered"),
        grid("size", 0, 7, help="ordered"),
        choice("flag", False, True, help="two levels"),
    ),
)


def children(parents, crossover, rate, near=0.5, count=4000):
    moves = Moves(SPACE)
    draws = np.random.default_rng(3).random((count, 6 + 4 * len(SPACE)))
    return bred(np.array(parents), moves.sizes, moves.ordered, moves.movable, crossover, rate, near, draws)


def test_without_a_mutation_rate_exactly_one_parameter_changes_and_any_level_is_reached():
    parent = np.array([0, 1, 4, 0])
    found = children([parent], crossover=0.0, rate=0.0)
    assert ((found != parent).sum(axis=1) == 1).all()
    assert not found[:, 0].any()
    for column, size in enumerate(SPACE.sizes):
        assert set(found[:, column]) == set(range(size))


@pytest.mark.parametrize("here", [0, 3, 7])
def test_an_ordered_parameter_that_moves_near_moves_by_one_level_and_stays_inside(here):
    found = children([[0, 1, here, 0]], crossover=0.0, rate=1.0, near=1.0)
    assert (np.abs(found[:, 2] - here) == 1).all()
    assert found.min() >= 0
    assert (found < np.array(SPACE.sizes)).all()


def test_a_child_of_two_has_something_of_both_and_better_parents_have_more_children():
    parents = [[0, 0, 1, 0], [0, 2, 6, 1]]
    crossed = children(parents, crossover=1.0, rate=0.0)
    assert len({(row[1], row[2]) for row in crossed} & {(0, 6), (2, 1)}) == 2
    alone = children(parents, crossover=0.0, rate=0.0)
    of_first = ((alone != np.array(parents[0])).sum(axis=1) == 1).mean()
    assert of_first == pytest.approx(0.75, abs=0.03)  # the better of two drawn from two


def test_designs_kept_as_parents_differ_from_each_other_and_the_first_is_kept():
    designs = np.array([[0, 0, 0], [0, 0, 1], [1, 1, 0], [1, 1, 1], [2, 2, 2]])
    assert distinct(designs, 2, 5).tolist() == [0, 2, 4]
    assert distinct(designs, 1, 5).tolist() == [0, 1, 2, 3, 4]
    assert distinct(designs, 3, 5).tolist() == [0, 3, 4]
    assert distinct(designs, 2, 2).tolist() == [0, 2]
