"""python -m tools up | demo [NAME] | down | status | show EXECUTION | env"""

import sys

# This file alone must parse and run on an older Python 3, to say which one is needed.
if sys.version_info < (3, 11):  # noqa: UP036
    sys.exit("Python %d.%d is too old: install Python 3.11 or newer, then run `make setup`." % sys.version_info[:2])  # noqa: UP031

try:
    from tools.cli import main

    sys.exit(main())
except ModuleNotFoundError as missing:
    sys.exit(f"{missing.name} is not installed for {sys.executable}: run `make setup`, then `make demo`.")
except KeyboardInterrupt:  # before there was anything to clean up
    sys.exit(130)
