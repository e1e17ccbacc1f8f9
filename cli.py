"""Launch sceneset from a checkout: `python cli.py ...` is `sceneset ...`."""

import sys

from sceneset.cli import main

if __name__ == "__main__":
    sys.exit(main())
