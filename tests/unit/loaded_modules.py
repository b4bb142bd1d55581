"""loaded_modules.py FUNCTION …: the modules that each has loaded once it is imported, as JSON, a line each.

What nearly all need is imported once, by the process that forks the others: it takes most of the time.
"""

import importlib
import json
import os
import sys

import callbacks.task  # noqa: F401

for function in sys.argv[1:]:
    if not os.fork():
        importlib.import_module(function)
        print(json.dumps({function: sorted(sys.modules)}), flush=True)
        os._exit(0)
    _, status = os.wait()
    if status:
        sys.exit(f"{function} cannot be imported")
