"""Spaces: every view names the same design, and what is ambiguous or illegal is refused in words."""

import json
import pickle
import string

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archgym import Parameter, Space, choice, grid, ordinal, powers, real
from archgym.errors import DesignError, UnknownNameError
from archgym.testing import LawViolation, check_space
from tests.toy import SPACE

words = st.text(string.ascii_letters + string.digits + "_ -éß", min_size=1, max_size=8)
levels = st.one_of(
    st.lists(words.map(lambda word: f"w{word}"), min_size=1, max_size=6, unique=True),
    st.lists(st.integers(-(10**9), 10**9), min_size=1, max_size=12, unique=True),
    st.lists(st.floats(-1e9, 1e9, allow_nan=False), min_size=1, max_size=9, unique=True),
    st.just([False, True]),
)


@st.composite
def spaces(draw):
    names = draw(st.lists(words, min_size=1, max_size=7, unique=True))
    parameters = []
    for name in names:
        own = tuple(draw(levels))
        parameters.append(
            Parameter(name, own, draw(st.booleans()), draw(st.sampled_from(own)), unit="u", group=draw(words))
        )
    return Space("random", tuple(parameters))


@settings(max_examples=60, deadline=None)
@given(spaces())
def test_random_spaces_keep_the_laws(space):
    check_space(space, count=20, other_process=False)


@settings(max_examples=30, deadline=None)
@given(spaces(), st.integers(0, 2**32))
def test_subspaces_are_columns(space, seed):
    names = list(space.names)[::2]
    part = space.only(names)
    design = space.sample(np.random.default_rng(seed), 1)
    chosen = [space.names.index(name) for name in names]
    assert part.row(design[:, chosen]) == {name: value for name, value in space.row(design).items() if name in names}
    assert sorted(name for group in space.groups().values() for name in group) == sorted(space.names)


@settings(max_examples=30, deadline=None)
@given(spaces())
def test_enumeration_counts_every_design_once(space):
    designs = space.enumerate(0, 500)
    assert len(np.unique(designs, axis=0)) == len(designs) == min(space.size, 500)
    assert np.array_equal(space.number(designs), np.arange(len(designs)))


def test_the_laws_hold_in_another_process():
    check_space(SPACE)


def test_size_is_not_limited_to_machine_integers():
    space = Space("wide", tuple(grid(f"p{n}", 0, 9) for n in range(40)))
    assert space.size == 10**40
    assert space.sample(np.random.default_rng(0), 3).shape == (3, 40)
    for use in (lambda: space.number(space.default), lambda: space.enumerate(0, 5)):
        with pytest.raises(DesignError, match="2\\^63"):
            use()


def test_order_is_identity_and_never_sorted():
    space = Space("s", (choice("c", "z", "a", "m"),))
    assert [space.row([n])["c"] for n in range(3)] == ["z", "a", "m"]
    other = Space("s", (choice("c", "a", "m", "z"),))
    assert space.fingerprint != other.fingerprint
    assert Space("renamed", space.parameters).fingerprint == space.fingerprint


@pytest.mark.parametrize(
    "other",
    [
        (grid("p", 0, 3), choice("q", "a", "b")),
        (grid("p", 0, 4), choice("q", "b", "a")),
        (grid("r", 0, 4), choice("q", "a", "b")),
        (ordinal("p", [0.0, 1.0, 2.0, 3.0, 4.0]), choice("q", "a", "b")),
        (choice("q", "a", "b"), grid("p", 0, 4)),
        (grid("p", 0, 4), ordinal("q", ["a", "b"])),
    ],
)
def test_fingerprint_covers_names_levels_kinds_and_order(other):
    space = Space("s", (grid("p", 0, 4), choice("q", "a", "b")))
    assert Space("s", other).fingerprint != space.fingerprint
    described = Space("s", (grid("p", 0, 4, help="h", unit="u", group="g", default=2), choice("q", "a", "b")))
    assert described.fingerprint == space.fingerprint


def test_numbers_flags_and_words_are_not_mixed_up():
    mixed = Parameter("p", (1, True, "one"), False, 1)
    assert [mixed.index(value) for value in (1, True, "one", "1", "True", "true", 1.0)] == [0, 1, 2, 0, 1, 1, 0]
    for wrong in ("2", False, None, 2):
        with pytest.raises(DesignError, match=r"'p'.*allowed: 1, true, one"):
            mixed.index(wrong)


def test_levels_written_in_other_ways_are_found():
    policy = choice("policy", "Open", "Closed", aliases={"OpenPage": "Open"})
    assert policy.index(" OpenPage ") == 0
    assert real("v", 0.5, 1.0, 3).index("0.75") == 1
    assert grid("n", 1, 9).index("3.0") == 2
    with pytest.raises(DesignError, match="did you mean 'Closed'"):
        policy.index("closd")


def test_numpy_levels_are_plain_ones():
    space = Space("s", (ordinal("a", np.arange(3)), choice("b", *np.array([0.5, 1.5])), choice("c", np.str_("x"))))
    assert space == Space("s", (grid("a", 0, 2), choice("b", 0.5, 1.5), choice("c", "x")))
    assert Space.from_json(json.loads(json.dumps(space.to_json()))) == space


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Space("s", ()), "no parameters"),
        (lambda: Space("s", (grid("a", 0, 1), grid("a", 0, 1))), "repeats a parameter name"),
        (lambda: choice("a"), "no levels"),
        (lambda: choice("a", "x", "x"), "repeats a level"),
        (lambda: choice("a", 1, 1.0), "repeats a level"),
        (lambda: choice("a", "1", 1), "repeats a level"),
        (lambda: choice("a", "x", default="y"), "'y' is not one of its levels"),
        (lambda: choice("a", "x", aliases={"z": "y"}), "'y' is not one of its levels"),
        (lambda: ordinal("a", [1.0, float("inf")]), "not a finite number"),
        (lambda: powers("a", 0, 8), "at least 1"),
        (lambda: real("a", 1.0, 1.0, 5), "low < high"),
        (lambda: real("a", 0.0, 1.0, 5, log=True), "both > 0 if log"),
        (lambda: grid("a", 3, 2), "no levels"),
    ],
)
def test_impossible_spaces_are_refused(make, words):
    with pytest.raises(DesignError, match=words):
        make()


@pytest.mark.parametrize(
    ("designs", "words"),
    [
        ([[0, 0, 0]], "shape"),
        ([[[0] * 7]], "shape"),
        ([[0] * 7, [0] * 6], "shape"),
        ([[0.5] + [0] * 6], "whole level numbers"),
        ([[np.nan] + [0] * 6], "whole level numbers"),
        ([["a"] * 7], "whole level numbers"),
        ([[True] * 7], "whole level numbers"),
        ([[0] * 7, [0, 0, 99, 0, 0, 0, 0]], "row 1: parameter 'depth' has level number 99; allowed: 0 to 7"),
        (np.full((1, 7), 2**63, dtype=np.uint64), "parameter 'policy'"),
    ],
)
def test_illegal_designs_are_named(designs, words):
    with pytest.raises(DesignError, match=words):
        SPACE.check(designs)


def test_unknown_parameters_are_named_with_the_nearest():
    with pytest.raises(UnknownNameError, match="did you mean 'buffer'"):
        SPACE.encode({"bufer": 8})
    with pytest.raises(UnknownNameError, match="unknown parameter 'x'"):
        SPACE["x"]


def test_views_are_read_only_also_after_pickling():
    for space in (SPACE, pickle.loads(pickle.dumps(SPACE))):
        for view in (space.sizes, space.default):
            with pytest.raises(ValueError, match="read-only"):
                view[0] = 1


def test_from_unit_reaches_every_level_and_refuses_what_is_no_point():
    space = Space("s", (grid("a", 0, 2), grid("b", 0, 4)))
    assert np.array_equal(space.from_unit([[1.0, 0.2], [0.34, 0.999]]), [[2, 1], [1, 4]])
    for wrong in ([[np.inf, 0.5]], [0.5], [[[0.5, 0.5]]]):
        with pytest.raises(DesignError, match="unit-cube points"):
            space.from_unit(wrong)


def test_sampling_is_uniform():
    space = Space("s", (grid("a", 0, 3), choice("b", "x", "y")))
    counts = np.bincount(space.number(space.sample(np.random.default_rng(0), 80_000)), minlength=8)
    chi_square = ((counts - 10_000) ** 2 / 10_000).sum()
    assert chi_square < 24.3  # the 99.9 % quantile with 7 degrees of freedom


def test_a_space_that_loses_a_level_is_found_out():
    class Rounded(Space):
        def from_unit(self, points):
            bins = np.round(np.asarray(points) * (self.sizes - 1)).astype(np.int64)
            return bins if bins.ndim == 2 else bins[None]

    with pytest.raises(LawViolation, match="met equally often"):
        check_space(Rounded("rounded", (grid("a", 0, 3),)), other_process=False)


def test_the_table_is_for_people():
    row = SPACE.table()[1]
    assert row["parameter"] == "buffer"
    assert row["levels"] == "1, 2, 4, 8, 16, 32, 64, 128"
    assert (row["default"], row["unit"], row["kind"]) == ("8", "entries", "ordered")
