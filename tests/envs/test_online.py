"""Online control: windows add up to the uninterrupted run, rewards to their parts, and both forms agree."""

import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from pettingzoo.test import parallel_api_test, parallel_seed_test

import archgym  # noqa: F401  (registers the id)
from archgym.envs.online import OnlineEnv, ParallelOnlineEnv, online_parallel_env
from archgym.envs.online_memory import ACTION_SPACE, FIXED, OBSERVED, OnlineMemory
from archgym.errors import ConfigError, DesignError, UnknownNameError
from archgym.simulators.dram import layout as l
from archgym.simulators.dram.address_map import load_address_map
from archgym.simulators.dram.device import load_device
from archgym.simulators.dram.system import CHANGEABLE, MemorySystem, prepare
from archgym.simulators.dram.workloads import WORKLOADS

TRACE = "synthetic:bursty?requests=900&write_fraction=0.4&seed=1+random?requests=600&seed=2"


def uninterrupted(values):
    device = load_device("ddr3-1600")
    system = MemorySystem(prepare(WORKLOADS.load(TRACE).data, device, load_address_map("rbc", device)), values)
    assert system.advance() == l.FINISHED
    return system


def run(memory, choose):
    rewards = []
    while not (memory.finished or memory.stuck):
        rewards.append(memory.step(choose(memory)))
        assert sum(memory.parts.values()) == pytest.approx(rewards[-1], abs=1e-15)
    return rewards


def test_the_space_is_what_hardware_can_change_while_it_runs():
    assert ACTION_SPACE.names == CHANGEABLE
    assert ACTION_SPACE.row(ACTION_SPACE.default)["RequestBufferSize"] == 8


@pytest.mark.parametrize("window", [1, 7, 256, 1500, 10_000])
def test_unchanged_settings_end_as_the_uninterrupted_run(window):
    memory = OnlineMemory(TRACE, window, "ddr3-1600", "rbc")
    rewards = run(memory, lambda _: ACTION_SPACE.default)
    whole = uninterrupted(FIXED)
    assert len(rewards) == memory.windows
    assert memory.system.now_ps == whole.now_ps
    assert np.array_equal(memory.system.latencies_ps, whole.latencies_ps)
    assert np.array_equal(memory.system.energy_counters(), whole.energy_counters())
    assert np.array_equal(memory.system.channel_counters(), whole.channel_counters())
    assert sum(rewards) == pytest.approx(0.0, abs=1e-12)


def test_a_static_choice_is_the_static_design():
    values = {"PagePolicy": "Closed", "Scheduler": "Fifo", "RequestBufferSize": 4, "MaxActiveTransactions": 16}
    action = ACTION_SPACE.encode(values)[0]
    memory = OnlineMemory(TRACE, 100, "ddr3-1600", "rbc")
    memory.system.change(values)  # before anything has run
    total = sum(run(memory, lambda _: action))
    whole, default = uninterrupted({**FIXED, **values}), uninterrupted(FIXED)
    assert np.array_equal(memory.system.latencies_ps, whole.latencies_ps)
    latency = whole.latencies_ps.sum() / default.latencies_ps.sum()
    energy = memory.info()["energy_J"] / sum(memory.default.energy_J)
    assert total == pytest.approx((3 - latency - energy - whole.now_ps / default.now_ps) / 3)


def test_observations_are_the_last_windows_statistics():
    env = OnlineEnv(TRACE, window=100)
    first, _ = env.reset()
    assert first[:2].tolist() == [0, 0]
    rng = np.random.default_rng(0)
    hits = 0.0
    over = False
    while not over:
        seen, _, stuck, over, info = env.step(ACTION_SPACE.sample(rng, 1)[0])
        assert not stuck
        assert env.observation_space.contains(seen)
        shown = dict(zip(OBSERVED, seen.tolist(), strict=True))
        assert sum(shown[n] for n in OBSERVED if n.endswith("_energy_share")) == pytest.approx(1.0, abs=1e-5)
        hits += shown["row_hit_rate"] * sum(env.memory.last.hits)
        assert shown["part_of_the_trace_done"] == pytest.approx(info["responses"] / 1500)
    assert hits == pytest.approx(env.memory.system.channel_counters()[:, 0].sum(), abs=1e-3)


def test_checkers_pass():
    env = gymnasium.make("DRAMOnlineEnv-v0", workload=TRACE, window=200).unwrapped
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(env, skip_render_check=True)


@pytest.mark.parametrize("split", ["group", "parameter"])
def test_parallel_checkers_pass(split):
    parallel_api_test(online_parallel_env(workload=TRACE, window=200, split=split), 40)
    parallel_seed_test(lambda: online_parallel_env(workload=TRACE, window=200, split=split))


def test_both_forms_agree():
    alone, team = OnlineEnv(TRACE, window=150), ParallelOnlineEnv(TRACE, window=150)
    assert alone.reset()[0].tolist() == team.reset()[0]["buffers"].tolist()
    rng = np.random.default_rng(3)
    while team.agents:
        action = ACTION_SPACE.sample(rng, 1)[0]
        one = alone.step(action)
        all_ = team.step({agent: action[team.columns[agent]] for agent in team.agents})
        for agent in team.possible_agents:
            assert np.array_equal(one[0], all_[0][agent])
            assert one[1:] == tuple(part[agent] for part in all_[1:])
    assert one[3]
    with pytest.raises(ConfigError, match="over"):
        alone.step(action)


def test_a_copy_is_independent():
    memory = OnlineMemory(TRACE, 100, "ddr3-1600", "rbc")
    memory.step(ACTION_SPACE.default)
    ahead = memory.copy()
    run(ahead, lambda _: ACTION_SPACE.encode({"Scheduler": "Fifo"})[0])
    assert memory.totals.responses == 100
    run(memory, lambda _: ACTION_SPACE.default)
    assert np.array_equal(memory.system.latencies_ps, uninterrupted(FIXED).latencies_ps)


def test_a_low_watermark_never_exceeds_the_high_one():
    memory = OnlineMemory(TRACE, 100, "ddr3-1600", "rbc")
    memory.step(ACTION_SPACE.encode({"Scheduler": "GrpFrFcfsWm", "HighWatermark": 4, "LowWatermark": 16})[0])
    assert memory.info()["settings"]["LowWatermark"] == 4


def test_bad_input_is_named():
    with pytest.raises(ConfigError, match="window"):
        OnlineEnv(TRACE, window=0)
    with pytest.raises(UnknownNameError):
        OnlineEnv("no-such-trace")
    with pytest.raises(ConfigError, match="currents"):
        OnlineEnv(TRACE, device="lpddr4-3200")
    env = ParallelOnlineEnv(TRACE)
    env.reset()
    with pytest.raises(ConfigError, match="exactly one for each agent"):
        env.step({})
    with pytest.raises(DesignError, match="buffers"):
        env.step({a: env.action_space(a).sample() if a != "buffers" else [1] for a in env.agents})


def test_a_team_learns_to_control():
    pytest.importorskip("torch")
    from archgym.agents.online_training import control, train_online

    env = ParallelOnlineEnv("synthetic:random?requests=300&seed=1", window=100)
    learner, totals = train_online(env, 25, seed=1)
    again, same = train_online(env, 25, seed=1)
    assert totals == same
    assert len(totals) == 25
    assert np.mean(totals[-5:]) > np.mean(totals[:5])
    episode = control(env, learner)
    assert episode.actions.shape == (3, len(ACTION_SPACE))
    assert np.array_equal(episode.actions, control(env, again).actions)
    replayed = OnlineMemory("synthetic:random?requests=300&seed=1", 100, "ddr3-1600", "rbc")
    assert [replayed.step(action) for action in episode.actions] == episode.rewards.tolist()
    with pytest.raises(ConfigError, match="episodes"):
        train_online(env, 0)


def test_a_team_starts_from_static_settings_and_goes_on_from_there():
    pytest.importorskip("torch")
    from archgym.agents.online_training import control, serve, train_online
    from archgym.agents.team_learner import TeamSettings

    env = ParallelOnlineEnv("synthetic:random?requests=300&seed=1", window=100)
    static = ACTION_SPACE.default
    memory = OnlineMemory("synthetic:random?requests=300&seed=1", 100, "ddr3-1600", "rbc")
    served = serve(env, static)
    assert [memory.step(static) for _ in served.rewards] == served.rewards.tolist()
    still = TeamSettings(hidden=8, learning_rate=1e-6, critic_rate=1e-6)
    learner, _ = train_online(env, 1, still, static=static)
    assert np.array_equal(control(env, learner).actions, served.actions)
    _, totals = train_online(env, 40, seed=0, static=static)
    assert np.mean(totals[-5:]) > np.mean(totals[:5])
