"""Nothing here listens on anything but loopback, and for containers on the address of Docker's bridge."""

import ipaddress
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.e2e.given import Stacks
from tools.engine.engine import Engine
from tools.invoke import reachable_from_containers

pytestmark = [
    pytest.mark.local("it looks at the embedded AWS's own processes"),
    pytest.mark.skipif(sys.platform != "linux", reason="it reads /proc"),
]

LOOPBACK = ipaddress.ip_network("127.0.0.0/8")
LISTENS = "0A"  # a socket's state


def listeners(*pids: int) -> set[tuple[str, int]]:
    """The address and port of every TCP socket on which one of these processes listens."""
    inodes = {file for pid in pids for file in _open_files(pid)}
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path("/proc/net", table).read_text().splitlines()[1:]:
            _, local, _, state, *_, inode = line.split()[:10]
            if state == LISTENS and f"socket:[{inode}]" in inodes:
                address, port = local.split(":")
                words = [bytes.fromhex(address[start : start + 8])[::-1] for start in range(0, len(address), 8)]
                found.add((str(ipaddress.ip_address(b"".join(words))), int(port, 16)))
    return found


def _open_files(pid: int) -> Iterator[str]:
    with suppress(OSError):  # it ended
        for file in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):  # it was closed
                yield str(file.readlink())


def test_the_embedded_aws_and_its_functions_listen_on_loopback_only(engine: Engine, stacks: Stacks) -> None:
    stack = stacks["payment-callback"]
    stack.ended(stack.start({"orderId": "1", "amount": 1}))
    found = listeners(*engine._processes())
    assert ("127.0.0.1", engine.port) in found
    assert [address for address, _ in found if ipaddress.ip_address(address) not in LOOPBACK] == []


def test_invoke_listens_on_the_address_of_the_bridge_only(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    # Any loopback address but the engine's stands for the bridge
    monkeypatch.setattr("tools.invoke.docker", lambda *_: '[{"Subnet": "127.9.0.0/16"}]')
    before = listeners(os.getpid())
    with reachable_from_containers(engine) as url:
        address, _, port = url.removeprefix("http://").partition(":")
        assert listeners(os.getpid()) - before == {("127.9.0.1", int(port))}
        assert address == "127.9.0.1"
