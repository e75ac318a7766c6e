"""The laws over the agents: one that is registered is checked, with no line added here."""

import pytest

from archgym import testing
from archgym.agents import agent_class, agent_names
from archgym.errors import MissingExtraError

#: Hyperparameters of agents whose defaults are too slow for the hundreds of evaluations of the laws.
FAST = {"bo": {"candidates": 60, "climbs": 1, "batch_size": 6, "fit_points": 40}}


@pytest.mark.parametrize("name", agent_names())
def test_agent(name):
    try:
        chosen = agent_class(name)
    except MissingExtraError as error:
        pytest.skip(str(error))
    testing.check_agent(chosen, FAST.get(name), budget=120, short=16, seeds=3)


@pytest.mark.parametrize("name", agent_names())
def test_registered_name_is_the_agents_own(name):
    try:
        assert agent_class(name).name == name
    except MissingExtraError as error:
        pytest.skip(str(error))
