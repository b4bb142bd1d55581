"""Starts the desk: `python -m tools desk`."""

import logging

from flask import Flask
from werkzeug.serving import make_server

from tools import ToolError
from tools.aws import find_aws
from tools.desk.app import make_app
from tools.desk.guard import Guard
from tools.engine.engine import HOST
from tools.parser import Parser


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
    server = make_server(HOST, int(options.port), Flask(__name__), threaded=True)
    guard = Guard(server.port, may_change=aws.is_embedded or options.allow_answers)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # the first request's line would have the secret
    server.app = make_app(aws, guard)
    print(f"The desk of {aws.name}{'' if guard.may_change else ', which it only shows'}. Ctrl-C ends it.")
    print(guard.address, flush=True)
    with server:
        server.serve_forever()
    return 0
