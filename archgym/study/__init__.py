"""Studies: many runs, planned by content, done by difference, on one core, all cores or a cluster."""

from archgym.study.definition import Agents, Draw, ProblemKey, Problems, Study
from archgym.study.execute import Options, Report, run_study
from archgym.study.file import parse_study, read_study
from archgym.study.names import named_studies, open_study
from archgym.study.plan import Plan, PlannedRun, plan_study
from archgym.study.store import Store

__all__ = [
    "Agents",
    "Draw",
    "Options",
    "Plan",
    "PlannedRun",
    "ProblemKey",
    "Problems",
    "Report",
    "Store",
    "Study",
    "named_studies",
    "open_study",
    "parse_study",
    "plan_study",
    "read_study",
    "run_study",
]
