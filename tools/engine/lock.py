"""One command at a time: a lock file in the folder that it guards."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

LOCK_FILE = "lock"

_held: set[Path] = set()


@contextmanager
def exclusive(directory: Path, *, wait: bool = True) -> Iterator[bool]:
    """Hold the lock of a folder, which is made; True when it is held, False when another process has it (`wait=False`).

    A process that holds it may take it again. At the end the lock's file is removed, and the folder if it is empty.
    """
    if directory in _held:
        yield True
        return
    descriptor = _acquire(directory, wait=wait)
    if descriptor is None:
        yield False
        return
    _held.add(directory)
    try:
        yield True
    finally:
        _held.remove(directory)
        (directory / LOCK_FILE).unlink(missing_ok=True)
        with suppress(OSError):  # it holds more, or was removed by hand
            directory.rmdir()
        os.close(descriptor)


def _acquire(directory: Path, *, wait: bool) -> int | None:
    while True:
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(directory / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
        except (FileExistsError, FileNotFoundError):  # the folder's last user has just removed it
            if directory.is_file():
                raise
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            if os.path.samestat(os.fstat(descriptor), (directory / LOCK_FILE).stat()):
                return descriptor
        except FileNotFoundError:  # removed while this process waited: its lock guards nothing
            pass
        except BlockingIOError:
            os.close(descriptor)
            return None
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
