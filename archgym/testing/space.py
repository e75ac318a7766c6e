"""The laws of a design space: every form of a design names the same design, and every level is reachable in each."""

from __future__ import annotations

import json
import pickle

import numpy as np

from archgym.errors import DesignError
from archgym.space import Designs, Space
from archgym.testing.law import in_another_process, law, refused


def check_space(space: Space, count: int = 256, seed: int = 0, other_process: bool = True) -> None:
    """Check the laws of a space on ``count`` random designs.

    Args:
        other_process: whether to also compare the fingerprint with that of a fresh interpreter.

    Raises:
        LawViolation: naming the law and a case.
    """
    designs = space.sample(np.random.default_rng(seed), count)
    _check_values(space, designs)
    _check_unit_cube(space, designs)
    _check_one_hot(space, designs)
    _check_neighbours(space, designs[:16])
    _check_identity(space, other_process)
    _check_refusals(space)
    law(space.gym().contains(space.default), f"{space.name}: the default design is not in the gymnasium space")
    law(bool((np.array(space.gym().nvec) == space.sizes).all()), f"{space.name}: the gymnasium space has other sizes")


def _check_values(space: Space, designs: Designs) -> None:
    columns = space.values(designs)
    rows = [{name: values[number] for name, values in columns.items()} for number in range(len(designs))]
    law(np.array_equal(space.encode(rows), designs), f"{space.name}: levels to values and back changes a design")
    as_text = [{name: str(value) for name, value in row.items()} for row in rows]
    law(np.array_equal(space.encode(as_text), designs), f"{space.name}: values written as text read as other levels")
    for parameter in space.parameters:
        for number, level in enumerate(parameter.levels):
            law(parameter.index(level) == number, f"{space.name}: {parameter.name} level {number} ({level!r}) is lost")
        for alias, level in parameter.aliases.items():
            known = parameter.index(alias) == parameter.index(level)
            law(known, f"{space.name}: {parameter.name} alias {alias!r} does not mean {level!r}")
    law(np.array_equal(space.encode({})[0], space.default), f"{space.name}: an empty row is not the default design")


def _check_unit_cube(space: Space, designs: Designs) -> None:
    points = space.to_unit(designs)
    law(bool(((points > 0) & (points < 1)).all()), f"{space.name}: a design lies outside the open unit cube")
    law(np.array_equal(space.from_unit(points), designs), f"{space.name}: unit cube and back changes a design")
    steps = 12 * int(space.sizes.max())
    sweep = (np.arange(steps) + 0.5) / steps
    levels = space.from_unit(np.repeat(sweep[:, None], len(space), axis=1))
    for column, parameter in enumerate(space.parameters):
        hits = np.bincount(levels[:, column], minlength=len(parameter.levels))
        law(
            len(hits) == len(parameter.levels) and hits.min() > 0 and hits.max() - hits.min() <= 1,
            f"{space.name}: an even sweep of the unit interval meets the levels of {parameter.name} {hits.tolist()} "
            "times; every level must be met equally often",
        )
    ends = space.from_unit(np.stack([np.zeros(len(space)), np.ones(len(space))]))
    law(bool((ends[0] == 0).all() and (ends[1] == space.sizes - 1).all()), f"{space.name}: 0 and 1 are not the ends")


def _check_one_hot(space: Space, designs: Designs) -> None:
    encoded = space.one_hot(designs)
    law(bool((encoded.sum(axis=1) == len(space)).all()), f"{space.name}: one-hot rows do not hold one 1 a parameter")
    law(np.array_equal(space.from_one_hot(encoded), designs), f"{space.name}: one-hot and back changes a design")


def _check_neighbours(space: Space, designs: Designs) -> None:
    for design in designs:
        near = space.neighbours(design)
        law(len(space.check(near)) == len(np.unique(near, axis=0)), f"{space.name}: neighbours repeat a design")
        law(bool(((near != design).sum(axis=1) == 1).all()), f"{space.name}: a neighbour differs in several parameters")
        expected = sum(
            int(here > 0) + int(here < size - 1) if ordered else size - 1
            for here, size, ordered in zip(design, space.sizes, space.ordered, strict=True)
        )
        law(len(near) == expected, f"{space.name}: {len(near)} neighbours where {expected} are one move away")


def _check_identity(space: Space, other_process: bool) -> None:
    restored = Space.from_json(json.loads(json.dumps(space.to_json(), allow_nan=False)))
    law(restored == space, f"{space.name}: JSON and back gives another space")
    law(restored.fingerprint == space.fingerprint, f"{space.name}: JSON and back changes the fingerprint")
    law(pickle.loads(pickle.dumps(space)) == space, f"{space.name}: pickling and back gives another space")
    if other_process:
        there = in_another_process(f"space {space.name}", _fingerprint, space.to_json())
        law(there == space.fingerprint, f"{space.name}: the fingerprint is {there} in another process")


def _fingerprint(description: dict[str, object]) -> str:
    return Space.from_json(description).fingerprint


def _check_refusals(space: Space) -> None:
    for column, parameter in enumerate(space.parameters):
        for wrong in (-1, len(parameter.levels)):
            design = space.default.copy()
            design[column] = wrong
            refused(DesignError, lambda design=design: space.check(design), f"level number {wrong}", parameter.name)  # type: ignore[misc]
    refused(DesignError, lambda: space.check(np.zeros((1, len(space) + 1))), "a row that is too long", "shape")
    refused(DesignError, lambda: space.check(space.default + 0.5), "half a level")
    refused(DesignError, lambda: space.from_unit(np.full(len(space), np.nan)), "a point that is not finite")
