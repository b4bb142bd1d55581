"""A payment provider on this machine, to run examples/payment_provider.py against.

It takes `POST` with a payment as JSON and the header Idempotency-Key, declines amounts above 100 with 402, takes the
others with 200, and answers a key that it knows as before.

    python3 examples/payment_provider_stand_in.py [PORT]
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PORT = 8402
MOST = 100  # more than that is declined


class Asked(BaseHTTPRequestHandler):
    answered: dict[str, int] = {}  # noqa: RUF012 - one for all requests

    def do_POST(self) -> None:
        payment = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status = self.answer(payment)
        self.send_response(status)
        self.end_headers()

    def answer(self, payment: dict[str, Any]) -> int:
        return self.answered.setdefault(self.headers["Idempotency-Key"], 402 if payment["amount"] > MOST else 200)


def main() -> None:
    port = int(sys.argv[1]) if sys.argv[1:] else PORT
    with ThreadingHTTPServer(("127.0.0.1", port), Asked) as server:
        print(f"http://127.0.0.1:{port}/charges takes amounts up to {MOST}. Ctrl-C ends it.")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()


if __name__ == "__main__":
    main()
