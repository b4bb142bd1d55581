"""cold_start.py MODULE [EVENT_FILE]: imports a function in this fresh process, then lets it handle its first event.

Prints seconds of the import, CPU seconds of it, how many modules it loaded, and seconds of the first event.
"""

import importlib
import os
import sys
import time
from pathlib import Path

output = os.dup(1)
os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # where the function logs
loaded, started, cpu = len(sys.modules), time.perf_counter(), time.process_time()
module = importlib.import_module(sys.argv[1])
seconds, cpu, loaded = time.perf_counter() - started, time.process_time() - cpu, len(sys.modules) - loaded
first = 0.0
if sys.argv[2:]:
    import json

    from context import CONTEXT

    event = json.loads(Path(sys.argv[2]).read_text())
    started = time.perf_counter()
    answer = module.lambda_handler(event, CONTEXT)
    first = time.perf_counter() - started
    if (answer or {}).get("batchItemFailures"):
        sys.exit(f"records failed: {answer}")
os.write(output, f"{seconds} {cpu} {loaded} {first}".encode())
