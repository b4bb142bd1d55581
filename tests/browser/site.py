"""Where the browser finds pages: a small server in this process, with orders in memory, that does as the API does."""

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from secrets import token_urlsafe
from urllib.parse import parse_qs

from orders.model import Order
from orders.page import SECURITY_HEADERS, confirmation_page, message_page

ORDER = Order(
    order_id="ORDER-2026-0117",
    order_details="2 × standing desk, oak\n1 × desk lamp\n\nTotal: EUR 1,298.00",
    state="WAITING",
    expires_at=1796126400,
)


class Site(ABC):
    """Orders to decide about. `base` is the address that `confirmations/ID` follows."""

    base: str

    def link(self, confirmation_id: str) -> str:
        return f"{self.base}/confirmations/{confirmation_id}"

    @abstractmethod
    def waiting(self, details: str = ORDER.order_details) -> str:
        """The link of a new order that waits for a decision."""

    @abstractmethod
    def expired(self) -> str:
        """The link of an order whose time to decide is over."""

    @abstractmethod
    def decision(self, link: str) -> tuple[str | None, int | None, str | None]:
        """What was decided about the order behind a link, when, and the comment."""


class LocalSite(Site):
    def __init__(self) -> None:
        self.orders: dict[str, Order] = {}
        self.lock = threading.Lock()

    def add(self, order: Order) -> str:
        confirmation_id = token_urlsafe(16)
        self.orders[confirmation_id] = order
        return self.link(confirmation_id)

    def waiting(self, details: str = ORDER.order_details) -> str:
        return self.add(replace(ORDER, order_details=details))

    def expired(self) -> str:
        return self.add(replace(ORDER, state="EXPIRED"))

    def decision(self, link: str) -> tuple[str | None, int | None, str | None]:
        order = self.orders[link.rpartition("/")[2]]
        return order.decision, order.decided_at, order.comment

    def answer(self, confirmation_id: str, form: dict[str, str] | None) -> tuple[int, str]:
        """The status and the page that a GET (no form) or a POST gets."""
        with self.lock:
            order = self.orders.get(confirmation_id)
            if order is None:
                return 404, message_page("No such link", "This link leads to no order. Was all of it copied?")
            if order.state == "EXPIRED":
                return 410, confirmation_page(order, confirmation_id)
            if form is None:
                return 200, confirmation_page(order, confirmation_id)
            choice, comment = form.get("decision"), form.get("comment", "").replace("\r\n", "\n")
            if choice not in ("confirm", "cancel"):
                typed = order if order.decision else replace(order, comment=comment)
                return 422, confirmation_page(typed, confirmation_id, "Nothing was decided: choose one of the two.")
            if order.decision not in (None, choice):
                return 409, confirmation_page(
                    order, confirmation_id, "This was decided before. Your answer came later."
                )
            if order.decision is None:
                order = replace(order, decision=choice, decided_at=int(time.time()), comment=comment or None)
                self.orders[confirmation_id] = order
            return 200, confirmation_page(order, confirmation_id)


@contextmanager
def local_site() -> Iterator[LocalSite]:
    """Serves pages on loopback, below a path such as a REST API's stage."""
    site = LocalSite()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.reply(None)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            self.reply({name: values[0] for name, values in parse_qs(body).items()})

        def reply(self, form: dict[str, str] | None) -> None:
            status, page = site.answer(self.path.rpartition("/")[2], form)
            content = page.encode()
            self.send_response(status)
            headers = {"Content-Type": "text/html; charset=utf-8", "Content-Length": str(len(content))}
            for name, value in (headers | SECURITY_HEADERS).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        site.base = f"http://127.0.0.1:{server.server_port}/Prod"
        threading.Thread(target=server.serve_forever).start()
        try:
            yield site
        finally:
            server.shutdown()
