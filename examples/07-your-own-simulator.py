# %% [markdown]
# # Your own simulator
#
# First a Python function, then a program that knows nothing of Python: [ngspice](https://ngspice.sourceforge.io), as
# packaged by Debian (`apt-get install ngspice`).

# %%
import os
import shutil
from pathlib import Path

import gymnasium as gym
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import archgym
from archgym import Metric, Space, choice, ordinal, powers
from archgym.custom import register_simulator, simulator
from archgym.objective import Minimise
from archgym.rollout import run_search
from archgym.simulators.external import ExternalSimulator, Reading
from archgym.simulators.function import Infeasible

small = os.environ.get("ARCHGYM_EXAMPLE_SCALE") == "small"

# %% [markdown]
# ## A function
#
# Declare the parameters and the metrics, decorate, done: it can be made by Gymnasium, searched and studied. A design that is
# legal but cannot be built raises `Infeasible`.


# %%
@simulator(
    "CacheEnv-v0",
    parameters=(powers("size_KiB", 1, 256, default=32), powers("ways", 1, 16, default=4), choice("policy", "lru", "random")),
    metrics=(Metric("latency_s", "s", "min"), Metric("area_m2", "m2", "min")),
    objectives={"both": Minimise(("latency_s", "area_m2"), "latency and area in equal parts")},
)
def cache(size_KiB, ways, policy):
    """A cache in front of a memory that takes 50 ns."""
    if ways > size_KiB:
        raise Infeasible(f"{ways} ways do not fit into {size_KiB} KiB")
    miss_rate = 16 / (16 + size_KiB * (1 + ways / 16)) * (1.1 if policy == "random" else 1.0)
    return {"latency_s": 1e-9 * (1 + 0.05 * ways) + 50e-9 * miss_rate, "area_m2": 1e-9 * size_KiB * (1 + 0.02 * ways)}


env = gym.make("CacheEnv-v0")
env.reset(seed=0)
print(env.step(env.action_space.sample())[1])
run = run_search(archgym.make_problem("CacheEnv-v0"), "ga", budget=60)
print(run.space.row(run.designs[run.best]), run.reward.max())

# %% [markdown]
# ## A program
#
# A chain of three CMOS inverters drives a load of 1 pF: how wide should each be, and from what supply? The netlist is a
# template whose `{{places}}` are filled in with a design; delay and charge are read from what ngspice prints.

# %%
netlist = """* three inverters and a load
.model n nmos level=1 vto=0.45 kp=300u lambda=0.05 cox=8.6m cgso=0.3n cgdo=0.3n cj=1m
.model p pmos level=1 vto=-0.45 kp=100u lambda=0.05 cox=8.6m cgso=0.3n cgdo=0.3n cj=1m
.subckt inverter in out vdd w=1u
mp out in vdd vdd p w={2*w} l=0.18u ad={w*0.5u} pd={w}
mn out in 0 0 n w={w} l=0.18u ad={w*0.5u} pd={w}
.ends
vdd vdd 0 {{supply_V}}
vin in 0 pulse(0 {{supply_V}} 1n 50p 50p 10n 20n)
x1 in a vdd inverter w={{w1_um}}u
x2 a b vdd inverter w={{w2_um}}u
x3 b out vdd inverter w={{w3_um}}u
cl out 0 1p
.tran 10p 21n
.meas tran delay trig v(in) val='{{supply_V}}/2' rise=1 targ v(out) val='{{supply_V}}/2' fall=1
.meas tran energy integ par('-v(vdd)*i(vdd)') from=0 to=21n
.end
"""
number = r"\s*=\s*([-+.\deE]+)"
space = Space(
    "inverters",
    (
        ordinal("supply_V", (0.6, 0.8, 1.0, 1.2, 1.5, 1.8), default=1.8, unit="V", help="supply voltage"),
        powers("w1_um", 1, 16, default=1, unit="um", help="width of the first n-channel transistor"),
        powers("w2_um", 1, 64, default=4, unit="um", help="of the second"),
        powers("w3_um", 1, 256, default=16, unit="um", help="of the third, which drives the load"),
    ),
)
inverters = ExternalSimulator(
    name="inverters",
    version=1,
    space=space,
    command=("ngspice", "-b", "chain.cir"),
    files={"chain.cir": netlist},
    readings=(
        Reading(Metric("delay_s", "s", "min", "from input to output"), "regex", "^delay" + number),
        Reading(Metric("energy_J", "J", "min", "from the supply, for one pulse"), "regex", "^energy" + number),
    ),
    timeout_s=30,
    cache=Path("inverter-cache"),
    logs=Path("inverter-logs"),
)
product = Minimise(("delay_s", "energy_J"), "energy-delay product", weights=(1.0, 1.0))
register_simulator("InvertersEnv-v0", inverters, {"energy-delay": product}, summary="Three inverters and a load.")

# %%
if shutil.which("ngspice"):
    problem = archgym.make_problem("InvertersEnv-v0")
    run = run_search(problem, "ga", budget=20 if small else 200, seed=0)
    print(f"{int(run.metrics.feasible.sum())} of {len(run)} designs feasible; {space.size:,} in the space")
    print(pd.DataFrame({"default": space.row(space.default), "best": space.row(run.designs[run.best])}))
    for name in ("delay_s", "energy_J"):
        print(f"{name}: {problem.reference[name]:.3g} by default, {run.metrics[name][run.best]:.3g} best")

    figure, axes = plt.subplots(figsize=(6.5, 4), layout="constrained")
    delay, energy = run.metrics["delay_s"] * 1e12, run.metrics["energy_J"] * 1e12
    supply = run.space.values(run.designs)["supply_V"]
    points = axes.scatter(delay, energy, c=np.array(supply, dtype=float), s=14, cmap="viridis")
    axes.plot(problem.reference["delay_s"] * 1e12, problem.reference["energy_J"] * 1e12, "s", color="tab:orange", label="default")
    axes.plot(delay[run.best], energy[run.best], "*", color="tab:red", markersize=14, label="least energy × delay")
    axes.set(xscale="log", yscale="log", xlabel="delay (ps)", ylabel="energy of a pulse (pJ)")
    figure.colorbar(points, label="supply (V)")
    axes.legend()
    plt.show()
else:
    print("ngspice is not installed: apt-get install ngspice")

# %% [markdown]
# ## When it fails
#
# Programs crash, hang and print nonsense. Each such design is a row that says why, its files are kept in `logs`, and the
# search goes on. Here an unconnected model card makes ngspice stop.

# %%
if shutil.which("ngspice"):
    import dataclasses

    broken = dataclasses.replace(inverters, files={"chain.cir": netlist.replace(".model n nmos", ".model m nmos")}, cache=None)
    metrics = broken(space.default[None], problem.workload)
    print(metrics.feasible, metrics.reasons[0])
    print(sorted(path.name for path in Path("inverter-logs").glob("*/*")))

# %% [markdown]
# A package that others can install: `archgym new simulator my_cache` makes one that passes its own tests, and
# `archgym check my_cache:FAMILY` says in words which law a simulator breaks.
