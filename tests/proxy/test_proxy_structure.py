"""Rules of inert parameters hold on the whole space, are found where they are, and nowhere else."""

import numpy as np
import pytest

from archgym.errors import ModelFileError
from archgym.proxy.memory import Memory
from archgym.proxy.structure import Structure
from archgym.space import Space, choice, grid
from tests.dataset.toy import SPACE, ToySimulator, ToyWorkloads


def learn(space, designs, target):
    return Structure.learn(space, designs, target, np.zeros(len(designs), dtype=np.int64))


@pytest.fixture(scope="module")
def toy():
    """Every feasible design of the toy, its time, and what 600 of them teach."""
    every = SPACE.enumerate()
    found = ToySimulator()(every, ToyWorkloads().load("mixed"))
    every, time = every[found.feasible], found["total_time_s"][found.feasible]
    some = np.random.default_rng(0).permutation(len(every))[:600]
    return every, time, some, learn(SPACE, every[some], time[some])


def test_the_toys_inert_parameters_are_found(toy):
    lines = toy[3].describe()
    assert any(line.startswith("in_flight makes no difference when arbiter is simple") for line in lines)
    assert any(line.startswith("postponed makes no difference when refresh is False") for line in lines)


def test_designs_of_one_canonical_form_behave_the_same_wherever_they_are(toy):
    every, time, some, structure = toy
    forms = structure.canonical(every)
    _, form = np.unique(forms, axis=0, return_inverse=True)
    least, most = np.full(form.max() + 1, np.inf), np.zeros(form.max() + 1)
    np.minimum.at(least, form.ravel(), time)
    np.maximum.at(most, form.ravel(), time)
    assert form.max() + 1 < len(every) / 4
    assert np.mean((most - least <= 1e-9 * most)[form.ravel()]) > 0.99
    trained = structure.canonical(every[some])
    known, value = Memory.of(trained, time[some]).recall(trained)
    assert known.all()
    assert np.allclose(value, time[some], rtol=1e-9, atol=0)


def test_canonical_forms_are_fixed_points_and_rows_are_their_own(toy):
    every, _, _, structure = toy
    forms = structure.canonical(every)
    assert np.array_equal(structure.canonical(forms), forms)
    assert np.array_equal(structure.canonical(every[::-7]), forms[::-7])
    assert len(Structure.none(SPACE)) == 0
    assert np.array_equal(Structure.none(SPACE).canonical(every), every)


def test_rules_are_applied_one_after_the_other():
    space = Space("s", (choice("a", "x", "y", "z"), grid("b", 0, 4), grid("c", 0, 3)))
    rules = np.array([[0, 1, -1, 0, 1, -1, 4], [-1, 0, -1, 0, 0, 2, 0], [0, 0, 1, 4, 2, 3, 1]], dtype=np.int32)
    structure = Structure.from_array(space, rules)
    assert structure.describe() == [
        "b makes no difference when a is y",
        "a z is the same as x",
        "c 3 is the same as 1 when a is x and b is 4",
    ]
    designs = np.array([[1, 2, 3], [2, 4, 3], [0, 4, 3], [0, 3, 3]])
    assert structure.canonical(designs).tolist() == [[1, 4, 3], [0, 4, 1], [0, 4, 1], [0, 3, 3]]


def test_no_rule_is_learnt_from_noise_or_of_a_parameter_that_matters():
    rng = np.random.default_rng(1)
    space = Space("s", (grid("a", 0, 5), grid("b", 0, 5), choice("c", "x", "y", "z"), grid("d", 0, 3)))
    designs = space.enumerate()
    assert len(learn(space, designs, rng.normal(size=len(designs)))) == 0
    assert len(learn(space, designs, designs @ np.array([100.0, 17.0, 3.1, 0.01]))) == 0
    # A rare label: nearly all pairs agree, which proves nothing.
    rare = (rng.random(len(designs)) < 0.01).astype(float)
    forms = learn(space, designs, rare).canonical(designs)
    _, form = np.unique(forms, axis=0, return_inverse=True)
    assert len(np.unique(form.ravel()[rare > 0])) == rare.sum()


def test_rows_of_different_workloads_are_not_compared():
    space = Space("s", (grid("a", 0, 7), grid("b", 0, 7)))
    designs = np.concatenate([space.enumerate()] * 2)
    group = np.repeat([0, 1], 64)
    target = np.where(group == 0, designs[:, 0], designs[:, 0] * 3.0 + 1.0)
    structure = Structure.learn(space, designs, target, group)
    assert structure.describe() == ["b makes no difference"]


def test_a_contradicted_rule_is_dropped():
    # b does nothing but in one corner, which no pair of the first rows shows.
    space = Space("s", (grid("a", 0, 9), grid("b", 0, 9), grid("c", 0, 9)))
    designs = space.enumerate()
    target = designs[:, 0] * 100.0 + designs[:, 2]
    corner = (designs[:, 0] == 9) & (designs[:, 2] == 9) & (designs[:, 1] > 4)
    target[corner] += 50.0
    forms = learn(space, designs, target).canonical(designs)
    _, form = np.unique(forms, axis=0, return_inverse=True)
    for number in np.unique(form.ravel()):
        assert np.ptp(target[form.ravel() == number]) == 0.0
    assert form.max() < 300


@pytest.mark.parametrize(
    "rules",
    [
        [[0, 0, -1, 0, 9, -1, 0]],
        [[0, 9, -1, 0, 1, -1, 0]],
        [[0, 0, -1, 0, 1, 99, 0]],
        [[0, 0, -1, 0, 1, -1, -1]],
        [[0, 0, -2, 0, 1, -1, 0]],
        [[0, 0, -1, 0, 1, -1]],
    ],
)
def test_rules_that_the_space_cannot_have_are_refused(rules):
    with pytest.raises(ModelFileError, match="rules of inert parameters"):
        Structure.from_array(SPACE, np.array(rules, dtype=np.int32))


def test_memory_recalls_what_it_saw_and_nothing_else():
    designs = SPACE.enumerate()[::3]
    values = np.arange(len(designs), dtype=float)
    memory = Memory.of(np.concatenate([designs, designs]), np.concatenate([values, values + 1.0]))
    known, recalled = memory.recall(designs[::-1])
    assert known.all()
    assert np.allclose(recalled, values[::-1] + 0.5)
    assert not memory.recall(SPACE.enumerate()[1::3])[0].any()
    assert not Memory.none().recall(designs)[0].any()
    with pytest.raises(ModelFileError, match="not ascending"):
        Memory.from_arrays(memory.keys[::-1].copy(), memory.values)
    with pytest.raises(ModelFileError, match="wrong kind"):
        Memory.from_arrays(memory.keys, memory.values[:-1])
