"""A share of a CPU, as Lambda gives it by a function's memory: a cgroup whose processes the kernel stops in between."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

VCPU_MB = 1769  # the memory at which a function has one whole vCPU
PERIOD_MICROSECONDS = 20_000

# Of the first version, of systems with both, and of the second version
ROOTS = (Path("/sys/fs/cgroup/cpu"), Path("/sys/fs/cgroup/cpu,cpuacct"), Path("/sys/fs/cgroup"))


class NoCpuShare(Exception):
    """This machine, or this user, cannot set one."""


@contextmanager
def cpu_share(memory: int) -> Iterator[list[str]]:
    """A command that runs the command after it with the share of a function with so much memory, in MB.

    Raises NoCpuShare.
    """
    quota = PERIOD_MICROSECONDS * memory // VCPU_MB
    root = next((root for root in ROOTS if (root / "cgroup.procs").exists()), None)
    if root is None:
        raise NoCpuShare("there are no cgroups")
    group = root / f"bench-{os.getpid()}"
    try:
        group.mkdir()
    except OSError as error:
        raise NoCpuShare(f"{root} cannot be written: {error.strerror}; it takes root") from error
    try:
        if (group / "cpu.cfs_quota_us").exists():
            (group / "cpu.cfs_period_us").write_text(f"{PERIOD_MICROSECONDS}")
            (group / "cpu.cfs_quota_us").write_text(f"{quota}")
        elif (group / "cpu.max").exists():
            (group / "cpu.max").write_text(f"{quota} {PERIOD_MICROSECONDS}")
        else:
            raise NoCpuShare(f"{root} does not share out CPUs")
        yield ["/bin/sh", "-c", f'echo $$ > {group}/cgroup.procs && exec "$@"', "sh"]
    finally:
        group.rmdir()
