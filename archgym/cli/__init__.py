"""The ``archgym`` command. Each command is a module with ``HELP``, ``add_arguments`` and ``run``.

Exit codes: 0 success, 1 an error in the input (one line on standard error), 2 wrong usage,
130 interrupted (what was computed is kept).
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import warnings
from collections.abc import Sequence

from archgym.errors import ArchGymError

COMMANDS = ("list", "show", "simulate", "search", "study", "tabulate", "check", "new", "dataset", "proxy")
_MODULES = {"list": "listing"}  # a module of that name would hide the built-in here

DESCRIPTION = "Search hardware design spaces: DRAM controllers, DNN accelerators, AR/VR SoCs."
EPILOG = """\
start here:
  archgym list                                   what can be searched, and with which agents
  archgym show DRAMEnv-v0                        its parameters, metrics, objectives and workload
  archgym search DRAMEnv-v0 --budget 500 --out runs   find a good design

`archgym COMMAND --help` explains each command.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    argv = list(sys.argv[1:] if arguments is None else arguments)
    parser = argparse.ArgumentParser(
        prog="archgym", description=DESCRIPTION, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    modules = {}
    for name in COMMANDS:
        modules[name] = importlib.import_module(f"archgym.cli.{_MODULES.get(name, name)}")
        command = commands.add_parser(
            name,
            help=modules[name].HELP,
            description=modules[name].HELP,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            epilog=getattr(modules[name], "EPILOG", None),
        )
        if name in argv[:1]:  # only the command that was asked for reads the registries
            modules[name].add_arguments(command)
    options = parser.parse_args(argv)
    if options.version:
        from archgym import __version__

        print(f"archgym {__version__}")
        return 0
    if options.command is None:
        parser.print_help()
        return 0
    try:
        with warnings.catch_warnings():
            _one_line_warnings(options.command)
            return int(modules[options.command].run(options))
    except ArchGymError as error:
        print(f"archgym {options.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt as interrupt:
        print(f"archgym {options.command}: interrupted{f'; {interrupt}' if interrupt.args else ''}", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output went away, as with `archgym list | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:  # a place that cannot be written to
        print(f"archgym {options.command}: {error.filename or 'file'}: {error.strerror or error}", file=sys.stderr)
        return 1


def _one_line_warnings(command: str) -> None:
    """Show a warning as this command's words, not as a line of our source."""

    def show(message: Warning | str, *where: object, **more: object) -> None:
        print(f"archgym {command}: warning: {message}", file=sys.stderr)

    warnings.showwarning = show
