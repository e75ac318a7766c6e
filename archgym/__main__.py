"""``python -m archgym`` is the ``archgym`` command."""

import sys

from archgym.cli import main

if __name__ == "__main__":
    sys.exit(main())
