"""Starts the desk: `python -m tools desk`."""

from flask import Flask
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from tools import ToolError
from tools.aws import Aws, find_aws
from tools.desk.app import make_app
from tools.desk.guard import Guard
from tools.engine.engine import HOST
from tools.parser import Parser


class _Silent(WSGIRequestHandler):
    def log(self, *_: object) -> None:
        """Writes nothing: the line of the first request would hold the secret."""


def make_desk(aws: Aws, port: int, *, may_change: bool) -> tuple[BaseWSGIServer, str]:
    """A server on loopback, to be started, and its address with the secret. `port` 0 is a free one.

    Raises SystemExit where it cannot listen there, after saying why.
    """
    server = make_server(HOST, port, Flask(__name__), threaded=True, request_handler=_Silent)
    guard = Guard(server.port, may_change=may_change)
    server.app = make_app(aws, guard)
    return server, guard.address


def main(arguments: list[str] | None = None) -> int:
    """Runs until it is interrupted. Raises ToolError where there is no AWS or no port."""
    parser = Parser(
        prog="python -m tools desk",
        description="A page on this machine that shows who waits, each execution's story and the queues, and takes "
        "answers: of the embedded AWS or, while that does not run, of yours.",
    )
    parser.add_argument("--port", default="0", help="port to listen on, on loopback (default: a free one)")
    parser.add_argument("--allow-answers", action="store_true", help="on AWS, too, let it change something")
    options = parser.parse_args(arguments)
    if not (options.port.isdecimal() and int(options.port) <= 65535):
        raise ToolError(f"{options.port!r} is no port (0 to 65535): name a free one, or none at all.")
    aws = find_aws()
    may_change = aws.is_embedded or options.allow_answers
    server, address = make_desk(aws, int(options.port), may_change=may_change)
    print(f"The desk of {aws.name}. Ctrl-C ends it.")
    if not may_change:
        print("It only shows: with --allow-answers (make desk ALLOW_ANSWERS=1) it takes answers, too.")
    print(address, flush=True)
    with server:
        server.serve_forever()
    return 0
