"""What imports what: layers hold, agents see no simulator, and importing the package stays light."""

import ast
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "archgym"

#: Lowest first; a module imports from its own line or from lines before it. This is the order of DESIGN.md with the
#: parts it does not name put where their nouns are: `runlog` holds evaluations, so it stands on `problem`; what
#: simulators share (the protocol, kernel helpers) is below `problem`, their declarations of families are above.
LAYERS = (
    {"arithmetic", "errors", "statistics"},
    {"space", "metrics", "workload"},
    {"objective"},
    {"simulators"},
    {"problem"},
    {"registry", "runlog"},
    {"envs"},
    {"agents"},
    {"rollout", "ahead"},
    {"custom", "study"},
    {"dataset"},
    {"proxy", "report", "testing"},
    {"cli"},
    {"__main__"},
)
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}

#: What agents may import: the space, the evaluation they are told, environments for those that learn by them, and
#: tools that know no hardware.
AGENTS_MAY = {"errors", "space", "agents", "envs", "metrics", "simulators.jit", "simulators.batch", "statistics"}

HEAVY = (
    "torch",
    "ray",
    "sklearn",
    "scipy",
    "numba",
    "matplotlib",
    "pandas",
    "pyarrow",
    "plotly",
    "h5py",
    "deap",
    "rich",
)


def imports():
    """(module, imported archgym module, names taken) for every import statement, also those inside functions."""
    for path in sorted(ROOT.rglob("*.py")):
        module = ".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "archgym":
                yield module, node.module, {alias.name for alias in node.names}
            elif isinstance(node, ast.Import):
                for alias in node.names:
                    if alias.name.split(".")[0] == "archgym":
                        yield module, alias.name, set()


def unit(module, names=frozenset()):
    """The part of the package a module belongs to; the package itself for what everybody may read from it."""
    parts = module.split(".")
    if len(parts) > 1:
        return parts[1]
    return next((name for name in names if name in LEVEL), "")


def test_imports_go_only_downward():
    wrong = []
    for module, imported, names in imports():
        above, below = unit(module), unit(imported, names)
        if not above or not below:
            continue
        declares = above == "simulators" and imported == "archgym.registry" and names == {"Family"}
        if LEVEL[below] > LEVEL[above] and not declares:
            wrong.append(f"{module} imports {imported} ({', '.join(sorted(names))})")
    assert not wrong, "an import goes upward: " + "; ".join(wrong)


def test_every_part_has_a_layer():
    parts = {path.stem for path in ROOT.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert parts - {"__init__"} <= set(LEVEL)


def test_agents_see_the_space_and_evaluations_and_no_simulator():
    wrong = []
    for module, imported, names in imports():
        if unit(module) != "agents":
            continue
        evaluation_only = imported == "archgym.problem" and names == {"Evaluation"}
        allowed = any(imported == f"archgym.{name}" or imported.startswith(f"archgym.{name}.") for name in AGENTS_MAY)
        if not (evaluation_only or allowed):
            wrong.append(f"{module} imports {imported} ({', '.join(sorted(names))})")
    assert not wrong, "; ".join(wrong)


def test_no_circle_of_modules_at_import_time():
    """Module-level imports alone, without those for type checking, must form no circle between modules."""
    edges = defaultdict(set)
    for path in sorted(ROOT.rglob("*.py")):
        module = ".".join(path.relative_to(ROOT.parent).with_suffix("").parts)
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("archgym."):
                target = ROOT.parent / Path(*node.module.split("."))
                edges[module].add(node.module if target.with_suffix(".py").exists() else f"{node.module}.__init__")
    done, path = set(), []

    def visit(module):
        assert module not in path, f"a circle: {' -> '.join([*path[path.index(module) :], module])}"
        if module in done:
            return
        path.append(module)
        for imported in sorted(edges[module]):
            visit(imported)
        done.add(path.pop())

    for module in sorted(edges):
        visit(module)


def loaded(statements):
    """Names of the modules that a fresh interpreter has after some statements."""
    script = f"{statements}\nimport sys\nsys.stdout.write('\\n'.join(sys.modules))"
    finished = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT.parent, capture_output=True, text=True, check=True
    )
    return set(finished.stdout.split("\n"))


@pytest.mark.parametrize(
    "statements",
    [
        "import archgym",
        "import archgym; archgym.families()",
        "import archgym, gymnasium; gymnasium.spec('DRAMEnv-v0')",
        "import archgym.envs, archgym.agents, archgym.rollout, archgym.simulators",
        "import archgym.cli",
    ],
)
def test_importing_is_light(statements):
    modules = loaded(statements)
    tops = {name.split(".")[0] for name in modules}
    heavy = {name for name in HEAVY if name in tops}
    if "archgym.cli" in statements:
        heavy -= {"rich"}
    if "gymnasium" in statements:
        heavy -= loaded_by_gymnasium()
    assert not heavy, f"{statements!r} imports {sorted(heavy)}"


def loaded_by_gymnasium():
    return {name.split(".")[0] for name in loaded("import gymnasium")}


def test_importing_adds_few_modules_to_numpy():
    added = loaded("import archgym; archgym.families()") - loaded("import numpy")
    assert "gymnasium" not in added
    assert len(added) < 250, f"{len(added)} modules: {sorted(name for name in added if '.' not in name)}"
