"""archgym: Gymnasium environments, agents and studies for searching hardware design spaces.

Importing this package is light: simulators, agents and plotting are imported when they are used.
Gymnasium knows the environments once both packages have been imported.
"""

from archgym.envs.startup import register_when_imported
from archgym.errors import ArchGymError
from archgym.metrics import Metric, Metrics
from archgym.problem import Evaluation, Problem
from archgym.registry import Family, families, make_problem, register
from archgym.space import Parameter, Space, choice, grid, ordinal, powers, real
from archgym.workload import Workload

__version__ = "0.1.0"

__all__ = [
    "ArchGymError",
    "Evaluation",
    "Family",
    "Metric",
    "Metrics",
    "Parameter",
    "Problem",
    "Space",
    "Workload",
    "choice",
    "families",
    "grid",
    "make_problem",
    "ordinal",
    "powers",
    "real",
    "register",
]

register_when_imported()
