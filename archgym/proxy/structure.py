"""Which parameters do nothing, and when: learnt from rows that differ in one parameter only and agree in their metric.

A rule says that under a condition (none, or one or two parameters at given levels) a parameter's level makes no
difference, or that two of its levels do the same. Applying the rules gives a design's canonical form: designs with
the same form behave the same, so what is known of one is known of all, and a model need not learn it again.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archgym.dataset.coverage import design_hash
from archgym.errors import ModelFileError
from archgym.simulators.jit import jit
from archgym.space import Designs, Space

Floats = NDArray[np.float64]
Groups = NDArray[np.int64]
#: metrics closer than this share of each other are the same
TOLERANCE = 1e-9
#: chance, over all rules that are tried at a time, of taking one that does not hold
RISK = 0.01
#: how likely a pair of rows is to agree where nothing is known about a parameter, and the least and most it is taken for;
#: but never for less than rows agree that have nothing in common
PRIOR, LEAST, MOST = 0.8, 0.5, 0.98
#: rows that rules are learnt from, pairs of them that are compared, and rules, at most
MOST_ROWS, MOST_PAIRS, MOST_RULES = 30_000, 400_000, 400
ANY = -1


@dataclass(frozen=True)
class Structure:
    """Rules in the order they are applied.

    Attributes:
        space: of the designs.
        rules: shape (R, 7), whole numbers: two conditions of (parameter, level), -1 for none; the parameter; its level
            or -1 for any; the level that stands for it.
    """

    space: Space
    rules: NDArray[np.int32]

    @classmethod
    def none(cls, space: Space) -> Structure:
        """No rule: every design is its own canonical form."""
        return cls(space, np.empty((0, 7), dtype=np.int32))

    @classmethod
    def from_array(cls, space: Space, rules: NDArray[Any]) -> Structure:
        """From saved rules.

        Raises:
            ModelFileError: if they name a parameter or level that the space lacks.
        """
        if rules.ndim != 2 or rules.shape[1] != 7 or rules.dtype.kind != "i":
            raise ModelFileError("rules of inert parameters: not a table of seven whole numbers a rule")
        sizes = np.append(space.sizes, 1)  # the last is for "no condition", which has level 0
        for parameter, level, optional in ((0, 1, True), (2, 3, True), (4, 6, False)):
            named, levels = rules[:, parameter], rules[:, level]
            sound = (named >= (ANY if optional else 0)) & (named < len(space)) & (levels >= 0)
            if not (sound & (levels < sizes[np.clip(named, ANY, len(space))])).all():
                raise ModelFileError("rules of inert parameters: a rule names what the space does not have")
        if not ((rules[:, 5] >= ANY) & (rules[:, 5] < sizes[rules[:, 4]])).all():
            raise ModelFileError("rules of inert parameters: a rule names a level that the space does not have")
        return cls(space, np.ascontiguousarray(rules, dtype=np.int32))

    def __len__(self) -> int:
        return len(self.rules)

    def canonical(self, designs: Designs) -> Designs:
        """The canonical form of each design, shape (B, D)."""
        found = np.array(designs, dtype=np.int64)
        _apply(found, self.rules)
        return found

    def describe(self) -> list[str]:
        """The rules in words, in the order they are applied."""
        names, levels = self.space.names, [parameter.levels for parameter in self.space.parameters]
        lines = []
        for a, x, b, y, parameter, old, new in self.rules.tolist():
            when = [f"{names[p]} is {levels[p][v]}" for p, v in ((a, x), (b, y)) if p != ANY]
            what = (
                f"{names[parameter]} makes no difference"
                if old == ANY
                else f"{names[parameter]} {levels[parameter][old]} is the same as {levels[parameter][new]}"
            )
            lines.append(what + (f" when {' and '.join(when)}" if when else ""))
        return lines

    @classmethod
    def learn(cls, space: Space, designs: Designs, target: Floats, group: Groups) -> Structure:
        """What rows of one group (a workload) that differ in one parameter only tell.

        A rule is taken if no pair of rows contradicts it and so many agree that, were it false, all of them would
        agree with a chance of less than `RISK`. Simple rules come first, and rows are brought into canonical form
        after each: pairs that agree for a reason already known are one row then and prove nothing more.
        """
        few = slice(0, MOST_ROWS)
        rules = _learn(space, designs[few], target[few], group[few])
        rules = _without_contradictions(rules, set(), designs, target, group)
        return cls(space, np.array(rules, dtype=np.int32).reshape(-1, 7))


Rule = tuple[int, ...]


@jit
def _apply(designs: Designs, rules: NDArray[np.int32]) -> None:
    """Replace each design by its canonical form."""
    for row in range(len(designs)):
        for r in range(len(rules)):
            a, b, parameter, old = rules[r, 0], rules[r, 2], rules[r, 4], rules[r, 5]
            if a >= 0 and designs[row, a] != rules[r, 1]:
                continue
            if b >= 0 and designs[row, b] != rules[r, 3]:
                continue
            if old < 0 or designs[row, parameter] == old:
                designs[row, parameter] = rules[r, 6]


def _canonical(designs: Designs, rules: Sequence[Rule]) -> Designs:
    found = designs.copy()
    _apply(found, np.array(rules, dtype=np.int32).reshape(-1, 7))
    return found


def _learn(space: Space, designs: Designs, target: Floats, group: Groups) -> list[Rule]:
    """Rules in the order they are found, without contradictions among these rows."""
    rules: list[Rule] = []
    refused: set[Rule] = set()
    while len(rules) < MOST_RULES:
        rows, before = _canonical(designs, rules), len(rules)
        found = [c for c in _candidates(space, rows, target, group) if c.rule not in refused]
        simplest = min((candidate.order for candidate in found), default=0)
        for candidate in sorted(found, key=lambda c: (-c.support, c.rule)):
            if candidate.order == simplest and candidate.still_supported(rows, target, group):
                rules.append(candidate.rule)
                rows = _canonical(rows, [candidate.rule])
        if len(rules) == before:
            return rules
        rules = _without_contradictions(rules, refused, designs, target, group)
    return rules


def _without_contradictions(
    rules: list[Rule], refused: set[Rule], designs: Designs, target: Floats, group: Groups
) -> list[Rule]:
    """Drop, one at a time, the rule without which fewest rows share their form with a row of another metric."""
    kept = list(rules)
    left = _contradicted(_canonical(designs, kept), target, group)
    while left and kept:
        without = [
            _contradicted(_canonical(designs, kept[:number] + kept[number + 1 :]), target, group)
            for number in range(len(kept))
        ]
        worst = len(kept) - 1 - int(np.argmin(without[::-1]))  # of equals the last, which is the least simple
        refused.add(kept.pop(worst))
        left = without[worst]
    return kept


def _contradicted(rows: Designs, target: Floats, group: Groups) -> int:
    """Rows that share their canonical form with a row whose metric differs."""
    key = design_hash(np.column_stack([rows, group]))
    order = np.argsort(key, kind="stable")
    key, value = key[order], target[order]
    start = np.flatnonzero(np.append(True, key[1:] != key[:-1]))
    most, least = np.maximum.reduceat(value, start), np.minimum.reduceat(value, start)
    counts = np.diff(np.append(start, len(value)))
    return int(counts[_differ(most, least)].sum())


def _differ(one: Floats, two: Floats) -> NDArray[np.bool_]:
    return np.abs(one - two) > TOLERANCE * np.maximum(np.abs(one), np.abs(two))


def _pairs(
    rows: Designs, target: Floats, group: Groups, parameter: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Pairs of rows that differ in ``parameter`` only, the lower level first, and whether their metrics differ."""
    key = design_hash(np.column_stack([np.delete(rows, parameter, axis=1), group]))
    order = np.lexsort((rows[:, parameter], key))
    key, level = key[order], rows[order, parameter]
    fresh = np.append(True, (key[1:] != key[:-1]) | (level[1:] != level[:-1]))  # equal rows count once
    order, key = order[fresh], key[fresh]
    low, high = [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.int64)]
    for apart in range(1, len(order)):
        same = key[apart:] == key[:-apart]
        if not same.any():
            break
        low.append(order[:-apart][same])
        high.append(order[apart:][same])
    one, two = np.concatenate(low)[:MOST_PAIRS], np.concatenate(high)[:MOST_PAIRS]
    return one, two, _differ(target[one], target[two])


Conditions = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class _Candidate:
    """A rule that may be taken.

    Attributes:
        when: its conditions.
        parameter: what it is about.
        levels: the two levels that do the same, or none if all do.
        support: pairs that agree.
        needed: pairs that must.
        stands: the level that will stand for the others.
    """

    when: Conditions
    parameter: int
    levels: tuple[int, ...]
    support: int
    needed: float
    stands: int = 0

    @property
    def order(self) -> int:
        """Simple rules have low numbers."""
        return 2 * len(self.when) + bool(self.levels)

    @property
    def rule(self) -> Rule:
        conditions = [number for condition in self.when for number in condition] + [ANY, 0] * (2 - len(self.when))
        old, new = (self.levels[1], self.levels[0]) if self.levels else (ANY, self.stands)
        return (*conditions, self.parameter, old, new)

    def still_supported(self, rows: Designs, target: Floats, group: Groups) -> bool:
        """Whether enough pairs are left that say so, and none that does not, now that rows have changed."""
        one, two, differ = _pairs(rows, target, group, self.parameter)
        mine = np.ones(len(one), dtype=bool)
        for other, level in self.when:
            mine &= rows[one, other] == level
        if self.levels:
            mine &= (rows[one, self.parameter] == self.levels[0]) & (rows[two, self.parameter] == self.levels[1])
        return bool(mine.sum() >= self.needed and not differ[mine].any())


def _candidates(space: Space, rows: Designs, target: Floats, group: Groups) -> Iterator[_Candidate]:
    """Rules that these rows support."""
    chance = _chance(target)
    for parameter in range(len(space)):
        one, two, differ = _pairs(rows, target, group, parameter)
        others = [number for number in range(len(space)) if number != parameter]
        conditions = [(other, level) for other in others for level in range(int(space.sizes[other]))]
        if len(one) < 2:
            continue
        meets = np.stack([rows[one, other] == level for other, level in conditions])
        for when, support, needed in _inert(conditions, meets, differ, PRIOR, chance):
            stands = _typical(rows, target, parameter, when, int(space.sizes[parameter]))
            yield _Candidate(when, parameter, (), support, needed, stands)
        if space.sizes[parameter] == 2 or not differ.any():
            continue
        for low, high in itertools.combinations(range(int(space.sizes[parameter])), 2):
            mine = (rows[one, parameter] == low) & (rows[two, parameter] == high)
            if mine.any():
                for when, support, needed in _inert(
                    conditions, meets[:, mine], differ[mine], 1.0 - differ.mean(), chance
                ):
                    yield _Candidate(when, parameter, (low, high), support, needed)


def _typical(rows: Designs, target: Floats, parameter: int, when: Conditions, levels: int) -> int:
    """The level at which rows outside the condition look most like those inside: a model then has least to learn."""
    inside = np.ones(len(rows), dtype=bool)
    for other, level in when:
        inside &= rows[:, other] == level
    if not when or not inside.any():
        return 0
    aim, gaps = np.median(target[inside]), np.full(levels, np.inf)
    for level in range(levels):
        chosen = ~inside & (rows[:, parameter] == level)
        if chosen.any():
            gaps[level] = abs(np.median(target[chosen]) - aim)
    return int(np.argmin(gaps))


def _enough(rate: float, chance: float, tried: int) -> float:
    """Pairs that must agree to believe a rule, where pairs agree at ``rate`` without it, of ``tried`` rules; any two
    rows agree with ``chance``."""
    usual = max(min(max(rate, LEAST), MOST), chance)
    return float(np.log(RISK / tried) / np.log(usual)) if usual < 1.0 else np.inf


def _chance(target: Floats) -> float:
    """How likely two rows agree by themselves."""
    _, counts = np.unique(target, return_counts=True)
    return float(np.sum((counts / len(target)) ** 2))


def _inert(
    conditions: Sequence[tuple[int, int]],
    meets: NDArray[np.bool_],
    differ: NDArray[np.bool_],
    usual: float,
    chance: float,
) -> Iterator[tuple[Conditions, int, float]]:
    """Conditions under which pairs never differ, how many pairs say so, and how many must."""
    count = len(differ)
    if not differ.any():
        needed = _enough(usual, chance, 10)
        if count >= needed:
            yield (), count, needed
        return
    held, against = meets.sum(axis=1), (meets & differ).sum(axis=1)
    single = np.zeros(len(held), dtype=bool)
    for number in np.flatnonzero((against == 0) & (held > 0)).tolist():
        rest = count - int(held[number])
        needed = _enough(1.0 - int(differ.sum()) / rest, chance, len(held))
        if held[number] >= needed:
            single[number] = True
            yield (conditions[number],), int(held[number]), needed
    # Two conditions at once, where neither does alone; counts are whole numbers below 2²⁴, exact in single precision.
    counted, tried = meets.astype(np.float32), len(conditions) ** 2 // 2
    both, both_against = counted @ counted.T, (counted * differ) @ counted.T
    likely = np.triu((both_against == 0) & (both >= _enough(LEAST, chance, tried)), 1)
    for one, two in np.argwhere(likely).tolist():
        if conditions[one][0] == conditions[two][0] or single[one] or single[two]:
            continue
        pairs = int(both[one, two])
        rates = [1.0 - against[k] / (held[k] - pairs) if held[k] > pairs else LEAST for k in (one, two)]
        needed = _enough(max(rates), chance, tried)
        if pairs >= needed:
            yield (conditions[one], conditions[two]), pairs, needed
