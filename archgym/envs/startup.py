"""Registers archgym's environments as soon as Gymnasium has been imported, whichever of the two comes first.

Gymnasium has loaded no plugins since version 1.0, so this waits for its import. Where archgym is installed,
``packaging/_archgym_startup.py`` sees to it that archgym itself is imported before Gymnasium.
"""

import sys


class AfterGymnasium:
    """A finder that lets ``gymnasium`` be imported as always, calls archgym, and is gone."""

    def find_spec(self, name, path=None, target=None):  # type: ignore[no-untyped-def]
        if name != "gymnasium":
            return None
        from importlib.util import find_spec

        sys.meta_path.remove(self)
        spec = find_spec(name)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def execute_then_register(module):  # type: ignore[no-untyped-def]
                execute(module)
                register()

            spec.loader.exec_module = execute_then_register  # type: ignore[method-assign]
        return spec


def register() -> None:
    """Register now; a failure is a warning, so that Gymnasium's import goes on."""
    try:
        from archgym.envs.registration import register_envs

        register_envs()
    except Exception as error:
        import warnings

        warnings.warn(f"archgym's environments are not registered with Gymnasium: {error!r}", stacklevel=2)


def register_when_imported() -> None:
    """Register now if Gymnasium is there, else once it is."""
    if hasattr(sys.modules.get("gymnasium"), "envs"):
        register()
    elif not any(isinstance(finder, AfterGymnasium) for finder in sys.meta_path):
        sys.meta_path.insert(0, AfterGymnasium())
