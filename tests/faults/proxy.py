"""An HTTP proxy between the functions and Step Functions that goes wrong on purpose.

Tokens stay inside: a callback is known by its ticket, the SHA-256 of its token in hexadecimal.
"""

import hashlib
import http.client
import json
import socket
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from typing import Self

HOST = "127.0.0.1"
HOLD_SECONDS = 5
SLOW_SECONDS = 2.5  # the functions wait 2 s for an answer


class Fault(StrEnum):
    """What may become of one call. Only `forward`, `slow answer` and the two `after` let it reach Step Functions."""

    FORWARD = "forward"
    THROTTLE = "throttle"
    ERROR = "error 500"
    SLOW = "slow answer"
    CUT_BEFORE = "cut before"
    CUT_AFTER = "cut after"
    HOLD_BEFORE = "held before"  # until `release`, then cut
    HOLD_AFTER = "held after"


NETWORK_FAULTS = (Fault.THROTTLE, Fault.ERROR, Fault.SLOW, Fault.CUT_BEFORE, Fault.CUT_AFTER)

Plan = Callable[[str, int], Fault]
"""Decides on one call by its ticket and by its number among the calls with that ticket, from 1. One call at a time."""


def no_fault(_ticket: str, _number: int) -> Fault:
    return Fault.FORWARD


def exactly(times: int, fault: Fault) -> Plan:
    """The first so many calls with each ticket fail."""
    return lambda _, number: fault if number <= times else Fault.FORWARD


def seeded(random: Random, weights: Mapping[Fault, int], most: int, share: float = 1) -> Plan:
    """1 to `most` faults in a row for a share of the tickets.

    The same seed gives the n-th ticket to come the same faults; which callback comes n-th is up to the machine.
    """
    faults: dict[str, list[Fault]] = {}

    def plan(ticket: str, number: int) -> Fault:
        if ticket not in faults:
            times = random.randint(1, most) if random.random() < share else 0
            faults[ticket] = random.choices(list(weights), list(weights.values()), k=times)
        return faults[ticket][number - 1] if number <= len(faults[ticket]) else Fault.FORWARD

    return plan


def ticket_of(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass
class Traffic:
    """What went through since the last `begin`; `accepted` is what Step Functions took: SUCCEEDED, or an error."""

    injected: Counter[Fault] = field(default_factory=Counter)
    calls: Counter[str] = field(default_factory=Counter)
    accepted: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))


class FaultProxy:
    """Forwards to the engine, whose port is set as soon as it is known, whatever the plan does not spoil."""

    def __init__(self) -> None:
        self.engine_port = 0
        self.traffic = Traffic()
        self.stopping = threading.Event()
        self._plan: Plan = no_fault
        self._held = 0
        self._release = threading.Event()
        self._changed = threading.Condition()
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    @property
    def endpoint_url(self) -> str:
        return f"http://{HOST}:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self.release()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def begin(self, plan: Plan = no_fault) -> Traffic:
        """Follow another plan, and count from zero."""
        with self._changed:
            self.traffic, self._plan = Traffic(), plan
        return self.traffic

    def follow(self, plan: Plan) -> None:
        with self._changed:
            self._plan = plan

    def decide(self, ticket: str) -> tuple[Fault, Traffic]:
        with self._changed:
            traffic = self.traffic
            traffic.calls[ticket] += 1
            fault = self._plan(ticket, traffic.calls[ticket])
            if fault is not Fault.FORWARD:
                traffic.injected[fault] += 1
            return fault, traffic

    def hold(self) -> None:
        """Returns when the calls held so far are released, at the latest when no client waits any more."""
        with self._changed:
            self._held += 1
            release = self._release
            self._changed.notify_all()
        release.wait(HOLD_SECONDS)

    def wait_for_held(self, seconds: float) -> bool:
        """Whether a call is being held before time is up."""
        with self._changed:
            return self._changed.wait_for(lambda: self._held > 0, seconds)

    def release(self) -> None:
        with self._changed:
            self._release.set()
            self._held, self._release = 0, threading.Event()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, proxy: FaultProxy) -> None:
        super().__init__((HOST, 0), _Handler)
        self.proxy = proxy

    def handle_error(self, *_: object) -> None:
        """A client that has gone is what the proxy is for."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        proxy = self.server.proxy
        body = self.rfile.read(int(self.headers["Content-Length"]))
        operation, request = self.headers["X-Amz-Target"].rpartition(".")[2], json.loads(body)
        ticket = ticket_of(request["taskToken"])
        fault, traffic = proxy.decide(ticket)
        if fault is Fault.THROTTLE:
            self._answer(HTTPStatus.BAD_REQUEST, _error("ThrottlingException"))
        elif fault is Fault.ERROR:
            self._answer(HTTPStatus.INTERNAL_SERVER_ERROR, _error("InternalServerError"))
        elif fault is Fault.CUT_BEFORE:
            self._cut()
        elif fault is Fault.HOLD_BEFORE:
            proxy.hold()
            self._cut()
        else:
            status, answer = self._forward(body)
            if status == HTTPStatus.OK and operation != "SendTaskHeartbeat":
                success = operation == "SendTaskSuccess"
                traffic.accepted[ticket].append("SUCCEEDED" if success else request["error"])
            if fault is Fault.CUT_AFTER:
                self._cut()
                return
            if fault is Fault.HOLD_AFTER:
                proxy.hold()
            if fault is Fault.SLOW:
                proxy.stopping.wait(SLOW_SECONDS)
            self._answer(status, answer)

    def _forward(self, body: bytes) -> tuple[int, bytes]:
        engine = http.client.HTTPConnection(HOST, self.server.proxy.engine_port, timeout=10)
        try:
            engine.request("POST", self.path, body, dict(self.headers))
            response = engine.getresponse()
            return response.status, response.read()
        finally:
            engine.close()

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _cut(self) -> None:
        self.close_connection = True
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)


def _error(code: str) -> bytes:
    return json.dumps({"__type": code, "message": "injected"}).encode()
