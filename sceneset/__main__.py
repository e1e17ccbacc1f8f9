"""Launch the command line: `python -m sceneset ...` is `sceneset ...`."""

import sys

from sceneset.cli import main

if __name__ == "__main__":
    sys.exit(main())
