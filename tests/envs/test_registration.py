"""Gymnasium ids: known without an import of archgym, registered once, light until made."""

import subprocess
import sys
import tomllib
import warnings
from pathlib import Path

import gymnasium
import pytest

from archgym.envs.registration import register_envs, register_family, sequential_id
from archgym.registry import families
from tests import toy

ROOT = Path(__file__).parents[2]
STARTUP = ROOT / "packaging" / "_archgym_startup.py"
LINE = ROOT / "packaging" / "archgym.pth"


def fresh(script, *, site=None):
    """What a script prints in a fresh interpreter; ``site`` is a directory treated as an installation is."""
    start = f"import site; site.addsitedir({str(site)!r})\n" if site else ""
    finished = subprocess.run(
        [sys.executable, "-c", start + script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout.strip()


@pytest.fixture
def installation(tmp_path):
    """The two files that an installation adds to site-packages."""
    (tmp_path / "_archgym_startup.py").write_text(STARTUP.read_text())
    (tmp_path / "archgym.pth").write_text(LINE.read_text())
    return tmp_path


def test_gymnasium_alone_knows_the_environments(installation):
    script = (
        "import sys, gymnasium as gym\n"
        "env = gym.make('DRAMEnv-v0'); env.reset(seed=0)\n"
        "sys.stdout.write(str(env.step(env.action_space.sample())[3]))"
    )
    assert fresh(script, site=installation) == "True"


def test_starting_an_interpreter_imports_nothing_of_archgym(installation):
    script = "import sys; sys.stdout.write(str([m for m in sys.modules if m.startswith(('archgym', 'numpy', 'gym'))]))"
    assert fresh(script, site=installation) == "[]"


def test_knowing_the_environments_imports_no_simulator_kernel(installation):
    script = (
        "import sys, gymnasium\n"
        "assert 'DRAMEnv-v0' in gymnasium.registry and 'DRAMSequentialEnv-v0' in gymnasium.registry\n"
        "sys.stdout.write(str([m for m in ('numba', 'pettingzoo', 'torch', 'matplotlib') if m in sys.modules]))"
    )
    assert fresh(script, site=installation) == "[]"


@pytest.mark.parametrize(
    "script",
    [
        "import archgym, gymnasium",
        "import gymnasium, archgym",
        "import gymnasium.spaces, archgym",
        "import archgym.envs.design, gymnasium",
        "import gymnasium; gymnasium.make('archgym:DRAMEnv-v0')",
    ],
)
def test_either_order_of_imports_registers(script):
    known = "; import sys; sys.stdout.write(str('DRAMEnv-v0' in gymnasium.registry))"
    assert fresh(script + known) == "True"


def test_the_finder_is_gone_after_use(installation):
    script = (
        "import sys, archgym, gymnasium\n"
        "sys.stdout.write(str([f for f in sys.meta_path if type(f).__name__ in ('AfterGymnasium', 'BeforeGymnasium')]))"
    )
    assert fresh(script, site=installation) == "[]"


def test_a_broken_archgym_does_not_break_gymnasium(installation, tmp_path):
    script = (
        "import sys, warnings; sys.modules['archgym.envs.registration'] = None\n"
        "with warnings.catch_warnings(record=True) as caught:\n"
        "    warnings.simplefilter('always')\n"
        "    import gymnasium\n"
        "gymnasium.make('CartPole-v1')\n"
        "sys.stdout.write(str(['not registered' in str(w.message) for w in caught if 'archgym' in str(w.message)]))"
    )
    assert fresh(script, site=installation) == "[True]"


def test_what_a_wheel_adds_are_copies_of_files_that_are_not_the_packages():
    """A file that is put elsewhere by force is no longer in the package, so it must have a source of its own."""
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["force-include"] == {str(file.relative_to(ROOT)): file.name for file in (LINE, STARTUP)}
    assert not any(source.startswith("archgym/") for source in wheel["force-include"])


def test_an_archgym_that_cannot_be_imported_does_not_break_gymnasium(installation):
    script = (
        "import sys, warnings; sys.modules['archgym'] = None\n"
        "with warnings.catch_warnings(record=True) as caught:\n"
        "    warnings.simplefilter('always')\n"
        "    import gymnasium\n"
        "gymnasium.make('CartPole-v1')\n"
        "sys.stdout.write(str(['not registered' in str(w.message) for w in caught if 'archgym' in str(w.message)]))"
    )
    assert fresh(script, site=installation) == "[True]"


def test_registering_again_changes_nothing():
    register_envs()  # families that other tests added to archgym's registry alone
    before = dict(gymnasium.registry)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        register_envs()
        register_family(toy.TOY)
    assert dict(gymnasium.registry) == before


def test_every_family_has_its_ids():
    for id in families():
        spec = gymnasium.spec(id)
        assert isinstance(spec.entry_point, str)
        assert isinstance(spec.vector_entry_point, str)
        assert spec.to_json()
        assert gymnasium.spec(sequential_id(id)).kwargs == {"problem": id}


@pytest.mark.parametrize(
    ("id", "own"),
    [
        ("DRAMEnv-v0", "DRAMSequentialEnv-v0"),
        ("DRAMFullEnv-v12", "DRAMFullSequentialEnv-v12"),
        ("Cache-v1", "CacheSequentialEnv-v1"),
        ("lab/Cache-v1", "lab/CacheSequentialEnv-v1"),
        ("Cache", "CacheSequentialEnv"),
    ],
)
def test_sequential_ids(id, own):
    assert sequential_id(id) == own


def test_stable_baselines_takes_an_id():
    baselines = pytest.importorskip("stable_baselines3")
    model = baselines.PPO("MlpPolicy", toy.ID, n_steps=32, batch_size=32, n_epochs=1, seed=0)
    model.learn(64)
    action, _ = model.predict(model.get_env().reset())
    assert toy.SPACE.check(action).shape == (1, 7)


def test_async_vectors_get_their_settings():
    env = gymnasium.make_vec(toy.ID, num_envs=2, vectorization_mode="sync", workload="heavy")
    assert env.envs[0].unwrapped.problem.workload.name == "heavy"
