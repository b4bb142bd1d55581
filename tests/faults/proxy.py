"""An HTTP proxy between the functions and the services they call, which goes wrong on purpose.

Tokens stay inside: a call is known by its ticket, in hexadecimal. That is the SHA-256 of a callback's token, and of the
whole request of any other call.
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
SERVICES = ("SFN", "DYNAMODB", "S3")  # as in AWS_ENDPOINT_URL_SFN
CALLBACKS = ("SendTaskSuccess", "SendTaskFailure", "SendTaskHeartbeat")
OF_THE_CONNECTION = {"connection", "content-length", "date", "server", "transfer-encoding"}


class Fault(StrEnum):
    """What may become of one call. Only `forward`, `slow answer` and the two `after` let it reach its service."""

    FORWARD = "forward"
    THROTTLE = "throttle"
    ERROR = "error 500"
    REFUSE = "access denied"
    SLOW = "slow answer"
    CUT_BEFORE = "cut before"
    CUT_AFTER = "cut after"
    HOLD_BEFORE = "held before"  # until `release`, then cut
    HOLD_AFTER = "held after"


NETWORK_FAULTS = (Fault.THROTTLE, Fault.ERROR, Fault.REFUSE, Fault.SLOW, Fault.CUT_BEFORE, Fault.CUT_AFTER)

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
    """What went through since the last `begin`; `accepted` is what Step Functions accepted: SUCCEEDED, or an error."""

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
    def environment(self) -> dict[str, str]:
        """What makes the functions call by way of the proxy."""
        return {f"AWS_ENDPOINT_URL_{service}": f"http://{HOST}:{self._server.server_port}" for service in SERVICES}

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
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        operation = self.headers.get("X-Amz-Target", self.command).rpartition(".")[2]
        request = json.loads(body) if operation in CALLBACKS else {}
        asked = f"{self.command} {self.path} {operation} ".encode() + body
        ticket = ticket_of(request["taskToken"]) if request else hashlib.sha256(asked).hexdigest()
        fault, traffic = proxy.decide(ticket)
        if fault is Fault.THROTTLE:
            self._fail(HTTPStatus.BAD_REQUEST, "ThrottlingException", HTTPStatus.SERVICE_UNAVAILABLE, "SlowDown")
        elif fault is Fault.REFUSE:
            self._fail(HTTPStatus.BAD_REQUEST, "AccessDeniedException", HTTPStatus.FORBIDDEN, "AccessDenied")
        elif fault is Fault.ERROR:
            error = HTTPStatus.INTERNAL_SERVER_ERROR
            self._fail(error, "InternalServerError", error, "InternalError")
        elif fault is Fault.CUT_BEFORE:
            self._cut()
        elif fault is Fault.HOLD_BEFORE:
            proxy.hold()
            self._cut()
        else:
            status, headers, answer = self._forward(body)
            if status == HTTPStatus.OK and operation in ("SendTaskSuccess", "SendTaskFailure"):
                success = operation == "SendTaskSuccess"
                traffic.accepted[ticket].append("SUCCEEDED" if success else request["error"])
            if fault is Fault.CUT_AFTER:
                self._cut()
                return
            if fault is Fault.HOLD_AFTER:
                proxy.hold()
            if fault is Fault.SLOW:
                proxy.stopping.wait(SLOW_SECONDS)
            self._answer(status, headers, answer)

    do_GET = do_PUT = do_HEAD = do_DELETE = do_POST  # noqa: N815 - names of http.server

    def _forward(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        engine = http.client.HTTPConnection(HOST, self.server.proxy.engine_port, timeout=30)
        sent = {name: value for name, value in self.headers.items() if name.lower() not in ("connection", "expect")}
        sent["Connection"] = "close"  # an engine keeps one that is not for 75 seconds, whoever has gone
        try:
            engine.request(self.command, self.path, body, sent)
            response = engine.getresponse()
            answer = response.read()
            size = response.getheader("Content-Length") if self.command == "HEAD" else None
            kept = {name: value for name, value in response.getheaders() if name.lower() not in OF_THE_CONNECTION}
            return response.status, kept | {"Content-Length": size or str(len(answer))}, answer
        finally:
            engine.close()

    def _fail(self, status: int, code: str, s3_status: int, s3_code: str) -> None:
        """As the services with a target answer, or as S3 does, whose answer to a HEAD has no body."""
        if "X-Amz-Target" in self.headers:
            body, kind = json.dumps({"__type": code, "message": "injected"}), "application/x-amz-json-1.0"
        else:
            status, kind = s3_status, "application/xml"
            body = "" if self.command == "HEAD" else f"<Error><Code>{s3_code}</Code><Message>injected</Message></Error>"
        self._answer(status, {"Content-Type": kind, "Content-Length": str(len(body))}, body.encode())

    def _answer(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _cut(self) -> None:
        self.close_connection = True
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)
