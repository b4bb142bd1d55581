"""Handles every event of standard input, a line each, with payment_worker, and prints what each took as JSON.

{"seconds": …, "cpu": CPU seconds of this process, all threads, "failed": records that go back to the queue}
"""

import json
import os
import sys
import time

from context import CONTEXT
from payment_worker import lambda_handler

output = os.dup(1)
os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # where the function logs
for line in sys.stdin:
    event = json.loads(line)
    started, cpu = time.perf_counter(), time.process_time()
    answer = lambda_handler(event, CONTEXT)
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    failed = len((answer or {}).get("batchItemFailures", []))
    os.write(output, (json.dumps({"seconds": seconds, "cpu": cpu, "failed": failed}) + "\n").encode())
