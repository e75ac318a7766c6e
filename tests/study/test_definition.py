"""Study files: what is understood, and what is refused and how."""

from __future__ import annotations

import pytest

from archgym.errors import ArchGymError, ConfigError, UnknownNameError
from archgym.study import Agents, Draw, named_studies, open_study, parse_study, plan_study, read_study
from tests.study.toy import toy_study

TEXT = """
name = "mine"
question = "Which batch?"
budget = 20
seeds = 3

[[problems]]
id = "StudyToy-v0"
workloads = ["light", "heavy"]
objectives = ["time", "both"]

[[agents]]
agent = "random"
grid.batch_size = [1, 4, 16, 64]

[[agents]]
agent = "random"
label = "drawn"
draw.batch_size = {low = 1, high = 1000, log = true}
count = 5
workloads = ["heavy"]

[scale.small]
budget = 5
seeds = 1
settings = 2
objectives = 1
"""


def written(tmp_path, text):
    path = tmp_path / "study.toml"
    path.write_text(text)
    return path


def test_a_study_file_gives_every_combination_once(tmp_path):
    study = read_study(written(tmp_path, TEXT))
    plan = plan_study(study)
    assert len(plan) == study.run_count == 4 * 4 * 3 + 5 * 2 * 3
    assert study.evaluation_count == 20 * study.run_count
    assert len({(run.hash, run.label) for run in plan.runs}) == len(plan)
    assert {run.problem.workload for run in plan.runs if run.label == "drawn"} == {"heavy"}
    assert [run.number for run in plan.runs] == list(range(len(plan)))


def test_a_scale_shrinks_and_keeps_the_ends_of_a_grid(tmp_path):
    study = read_study(written(tmp_path, TEXT), "small")
    plan = plan_study(study)
    assert len(plan) == study.run_count == 2 * 2 + 2 * 1
    batches = {run.spec.hyperparameters["batch_size"] for run in plan.runs if run.label == "random"}
    assert batches == {1, 64}
    assert {run.spec.budget for run in plan.runs} == {5}


def test_a_study_survives_json(tmp_path):
    study = read_study(written(tmp_path, TEXT), "small")
    again = parse_study(study.to_json())
    assert again == study
    assert [run.hash for run in plan_study(again).runs] == [run.hash for run in plan_study(study).runs]


def test_draws_are_the_same_every_time_and_inside_their_range():
    agents = Agents("random", draw={"batch_size": Draw(2, 50)}, count=20)
    drawn = [setting["batch_size"] for setting in agents.expand()]
    assert drawn == [setting["batch_size"] for setting in agents.expand()]
    assert all(2 <= value <= 50 and isinstance(value, int) for value in drawn)
    assert len(set(drawn)) == len(drawn) > 5


def test_a_draw_without_bounds_takes_the_range_the_agent_declares():
    text = (
        'name="x"\nbudget=1\n[[problems]]\nid="StudyToy-v0"\n[[agents]]\nagent="random"\ncount=1\ndraw.batch_size={}\n'
    )
    import tomllib

    draw = parse_study(tomllib.loads(text)).agents[0].draw["batch_size"]
    assert (draw.low, draw.high) == (1, 65536)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("budget = 20", "budgett = 20", "unknown key of study 'budgett'; did you mean 'budget'"),
        ('workloads = ["light"', 'workload = ["light"', "did you mean 'workloads'"),
        ("grid.batch_size = [1, 4, 16, 64]", "grids.batch_size = [1]", "did you mean 'grid'"),
        ("grid.batch_size = [1, 4, 16, 64]", "grid.batchsize = [1]", "did you mean 'batch_size'"),
        ("grid.batch_size = [1, 4, 16, 64]", "grid.batch_size = []", "grid of 'batch_size' is empty"),
        ("grid.batch_size = [1, 4, 16, 64]", "grid.batch_size = [0]", "out of range"),
        ("grid.batch_size = [1, 4, 16, 64]", "grid.batch_size = 7", "must be a list"),
        ('agent = "random"\nlabel', 'agent = "randon"\nlabel', "did you mean 'random'"),
        ('id = "StudyToy-v0"', 'id = "StudyToi-v0"', "did you mean 'StudyToy-v0'"),
        ('objectives = ["time", "both"]', 'objectives = ["tine"]', "did you mean 'time'"),
        ("low = 1", "lo = 1", "did you mean 'low'"),
        ("low = 1", "low = 5000", "low <= high"),
        ("count = 5", "", "go together"),
        ('label = "drawn"', "", "label"),
        ("[1, 4, 16, 64]", "[1, 4, 4]", "repeats a value"),
        ("low = 1, high = 1000", "low = 1, high = 3", "only 3 were found"),
        ("budget = 20", "budget = 0", "budget: 0 is not allowed"),
        ("seeds = 3", "seeds = [1, 1]", "different"),
        ("seeds = 3", "seeds = 0", "seeds: 0"),
        ('workloads = ["heavy"]', 'workloads = ["heavi"]', "did you mean 'heavy'"),
        ("[[problems]]", "[[problems", "not TOML"),
        ('name = "mine"', 'name = "mi/ne"', "name"),
        ("budget = 20", "budget = 20\nlog = 'fully'", "did you mean 'full'"),
        ("settings = 2", "setting = 2", "did you mean 'settings'"),
    ],
)
def test_bad_study_files_are_refused_with_what_is_wrong(tmp_path, old, new, message):
    assert old in TEXT
    path = written(tmp_path, TEXT.replace(old, new, 1))
    with pytest.raises(ArchGymError) as error:
        plan_study(read_study(path, "small" if "setting" in new else None))
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_an_absurd_size_is_said_and_must_be_confirmed():
    big = toy_study(agents=(Agents("random", grid={"batch_size": tuple(range(1, 6001))}),), seeds=tuple(range(100)))
    with pytest.raises(ConfigError, match=r"2,400,000 runs of 96,000,000 evaluations .*--allow-runs 2400000"):
        big.check_size()
    big.check_size(allowed_runs=2_400_000)
    long = toy_study(budget=10**9)
    with pytest.raises(ConfigError, match="16,000,000,000 evaluations"):
        long.check_size()
    long.check_size(allowed_runs=16)
    toy_study().check_size()


def test_an_unknown_scale_or_study_is_refused(tmp_path):
    with pytest.raises(UnknownNameError, match="did you mean 'small'"):
        read_study(written(tmp_path, TEXT), "smal")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_study(tmp_path / "absent.toml")
    with pytest.raises(ConfigError, match="no shipped study of that name"):
        open_study("no-such-study")


def test_shipped_studies_are_files_named_after_themselves():
    for name, path in named_studies().items():
        assert f'name = "{name}"' in path.read_text()


@pytest.mark.parametrize("name", sorted(named_studies()))
def test_every_shipped_study_is_valid_and_its_small_scale_is_small(name):
    whole, small = open_study(name), open_study(name, "small")
    assert whole.question.endswith("?")
    whole.check_size()
    assert small.evaluation_count <= 30_000
    assert small.evaluation_count < whole.evaluation_count / 10


def test_the_dram_lottery_covers_archgyms_grids():
    study = open_study("lottery-dram")
    settings = {agents.agent: agents.setting_count for agents in study.agents}
    assert settings["aco"] == 600
    assert settings["ga"] == 72
    assert settings["bo"] == 15
    assert settings["random"] == 2
    assert settings["ppo"] > 1
    assert settings["mappo"] > 1
    assert {key.objective for key in study.problems_of(study.agents[0])} == {"low_power", "low_latency", "joint"}
    assert len(study.problems_of(study.agents[0])) == 12
    assert study.run_count > 21_600
