"""``archgym simulate``: run one simulator on designs from files, for scripts."""

from __future__ import annotations

import argparse

from archgym.registry import resolve

HELP = "simulate designs from a file (for scripts)"

#: subcommand -> (module with add_arguments and run, help)
BACK_ENDS = {
    "dram": ("archgym.simulators.dram.simulate", "DRAM controller designs on a memory trace"),
    "dnn-mapping": ("archgym.simulators.dnn.simulate", "mappings of a DNN layer onto an accelerator"),
    "soc-design": ("archgym.simulators.soc.simulate", "SoC designs running task graphs"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    kinds = parser.add_subparsers(dest="kind", metavar="KIND", required=True)
    for name, (module, text) in BACK_ENDS.items():
        kind = kinds.add_parser(name, help=text, description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
        resolve(f"{module}:add_arguments")(kind)


def run(options: argparse.Namespace) -> int:
    return int(resolve(f"{BACK_ENDS[options.kind][0]}:run")(options))
