"""Makes the pages that are read off the code: environments, agents, reference. Run by the site's builder.

Nothing here is written by hand twice: spaces, metrics, objectives and hyperparameters come from the registries.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import mkdocs_gen_files

from archgym import families, make_problem
from archgym.agents import agent_class, agent_names
from archgym.cli.agent_page import source
from archgym.cli.show import assumptions, size_text
from archgym.errors import MissingExtraError
from archgym.simulators.dram import generators
from archgym.simulators.dram.workloads import WORKLOADS

MODULES = (
    "archgym",
    "archgym.space",
    "archgym.metrics",
    "archgym.workload",
    "archgym.objective",
    "archgym.problem",
    "archgym.registry",
    "archgym.custom",
    "archgym.rollout",
    "archgym.runlog",
    "archgym.testing",
    "archgym.simulators.external",
    "archgym.errors",
)


def row(cells: Sequence[object]) -> str:
    return "| " + " | ".join(str(cell).replace("|", "\\|").replace("\n", " ") for cell in cells) + " |\n"


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    return row(head) + row(["---"] * len(head)) + "".join(row(cells) for cells in rows) + "\n"


def slug(id: str) -> str:
    return id.lower().replace("/", "-")


def environment_page(id: str) -> str:
    chosen, problem = families()[id], make_problem(id)
    space = problem.space
    text = f'# {id}\n\n{chosen.summary}\n\n```python\nimport gymnasium as gym\n\nenv = gym.make("{id}")\n```\n\n'
    text += f"## Parameters\n\n{len(space)} parameters, {size_text(space.size)} designs"
    text += (
        " (on the default workload; this space depends on the workload).\n\n" if chosen.workload_sets_space else ".\n\n"
    )
    keys = ("parameter", "kind", "levels", "default", "unit", "group", "help")
    text += table([*keys[:-1], "what"], [[entry[key] for key in keys] for entry in space.table()])
    text += "## Metrics\n\n"
    text += table(
        ["metric", "unit", "better", "what"], [[m.name, m.unit, m.direction, m.help] for m in problem.metrics]
    )
    text += "## Objectives\n\nThe first is the default. Rewards are bounded and higher is better.\n\n"
    text += table(["objective", "what"], [[name, recipe.help] for name, recipe in chosen.objectives.items()])
    text += f"## Workloads\n\n{', '.join(f'`{name}`' for name in chosen.source().names())}\n\n"
    if chosen.assumptions:
        text += f"## What is modelled, and how well\n\n{_below(assumptions(chosen))}\n"
    return text


def _below(page: str) -> str:
    """A page's text with its headings two levels down, so that it fits into another."""
    fenced, lines = False, []
    for line in page.splitlines():
        fenced ^= line.startswith("```")
        lines.append(f"##{line}" if line.startswith("#") and not fenced else line)
    return "\n".join(lines)


def agents_page() -> str:
    text = "# Agents\n\nEvery agent sees the same space, budget and seeds. [How to choose one](choose-an-agent.md), [how they compare](agents-compared.md).\n\n"
    for name in agent_names():
        try:
            chosen = agent_class(name)
        except MissingExtraError:
            continue
        text += f"## {name}\n\n{chosen.summary}\n\n"
        if when := getattr(chosen, "use_when", ""):
            text += f"Use it when {when}\n\n"
        if origin := source(chosen):
            text += f"Source: {origin}\n\n"
        fields = dataclasses.fields(chosen.Hyperparameters)
        if fields:
            rows = [[f.name, f.default, _allowed(f.metadata), f.metadata.get("help", "")] for f in fields]
            text += table(["hyperparameter", "default", "allowed", "what"], rows)
    return text


def _allowed(meta: object) -> str:
    if not isinstance(meta, dict) and not hasattr(meta, "get"):
        return ""
    if meta.get("choices"):  # type: ignore[union-attr]
        return ", ".join(map(str, meta["choices"]))  # type: ignore[index]
    low, high = meta.get("low"), meta.get("high")  # type: ignore[union-attr]
    return "" if low is None and high is None else f"{low} to {high}"


def dram_workloads_page() -> str:
    text = "# Memory traces\n\nWhat each shipped trace and each generator works in a [memory controller](dram.md).\n\n"
    stresses, origins = WORKLOADS.stresses(), WORKLOADS.origins()
    text += "## Shipped traces\n\n"
    rows = []
    for name in WORKLOADS.names():
        facts = WORKLOADS.load(name).facts
        writes = f"{100 * float(facts['write_fraction']):.0f} %"
        rows.append([f"`{name}`", f"{facts['requests']:,}", writes, stresses[name], "; ".join(origins[name])])
    text += table(["workload", "requests", "writes", "stresses", "source; licence"], rows)
    text += (
        "## Generators\n\nSeeded and equal on every machine: "
        "`synthetic:<kind>?<knob>=<value>&…`, several joined by `+` follow one another in time; for example "
        "`synthetic:bursty?requests=20000&write_fraction=0.5&seed=7`.\n\n"
    )
    kinds = generators.ALL_KINDS.values()
    text += table(["kind", "stresses"], [[f"`{kind.name}`", kind.stresses] for kind in kinds])
    text += "Knobs of every kind but `phases` (a kind may have other defaults):\n\n"
    common = set(generators.COMMON_KNOBS)
    text += table(["knob", "default", "what"], [[f"`{k.name}`", k.text(k.default), k.help] for k in generators.COMMON])
    text += "Knobs of single kinds, and defaults of their own:\n\n"
    own = [[f"`{kind.name}`", f"`{k.name}`", k.text(k.default), k.help] for kind in kinds for k in kind.knobs
           if k.name not in common or k.default != generators.COMMON_KNOBS[k.name].default]  # fmt: skip
    return text + table(["kind", "knob", "default", "what"], own)


def write(path: str, text: str) -> None:
    with mkdocs_gen_files.open(path, "w") as file:
        file.write(text)


index = "# Environments\n\n" + table(
    ["id", "what", "page"],
    [[f"`{id}`", f.summary, f"[{id}](environments/{slug(id)}.md)"] for id, f in families().items()],
)
for id in families():
    write(f"environments/{slug(id)}.md", environment_page(id))
write("environments.md", index)
write("agents.md", agents_page())
write("dram-workloads.md", dram_workloads_page())
write("reference.md", "# Reference\n\n" + "".join(f"::: {module}\n\n" for module in MODULES))
