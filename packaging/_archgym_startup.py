"""Installed beside archgym and run at interpreter start: imports archgym just before Gymnasium is first imported.

archgym then registers its environments, so that ``gymnasium.make`` knows them without an import of archgym.
Nothing else is imported here, so that starting an interpreter stays as quick as it was.
"""

import sys


class BeforeGymnasium:
    """A finder that finds nothing itself; at ``gymnasium`` it imports archgym, once, and lets the search begin anew."""

    def find_spec(self, name, path=None, target=None):
        if name != "gymnasium":
            return None
        sys.meta_path.remove(self)
        from importlib.util import find_spec

        try:
            import archgym  # noqa: F401 - puts a finder of its own into sys.meta_path
        except Exception as error:
            import warnings

            warnings.warn(f"archgym's environments are not registered with Gymnasium: {error!r}", stacklevel=2)
        return find_spec(name)


sys.meta_path.insert(0, BeforeGymnasium())
