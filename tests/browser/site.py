"""Where the browser finds pages: at a small server of this process, with orders in memory, and at a deployed stack."""

import json
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from secrets import token_urlsafe
from urllib.parse import parse_qs
from uuid import uuid4

from orders.model import Order
from orders.page import SECURITY_HEADERS, confirmation_page, message_page
from tools.engine.rest import call, reachable
from tools.stack import Stack

ORDER = Order(
    order_id="ORDER-2026-0117",
    order_details="2 × standing desk, oak\n1 × desk lamp\n\nTotal: EUR 1,298.00",
    state="WAITING",
    expires_at=1796126400,
)

Decision = tuple[str | None, object, str | None]


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
    def decision(self, link: str) -> Decision:
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

    def decision(self, link: str) -> Decision:
        order = self.orders[link.rpartition("/")[2]]
        return order.decision, order.decided_at, order.comment

    def answer(self, confirmation_id: str, form: dict[str, str] | None) -> tuple[int, str]:
        """The status and the page that a GET (no form) or a POST gets."""
        with self.lock:
            order = self.orders.get(confirmation_id)
            if order is None:
                return 404, message_page("This link is not known", "It may be incomplete, or too old.")
            if order.state == "EXPIRED":
                return 410, confirmation_page(order, confirmation_id)
            if form is None:
                return 200, confirmation_page(order, confirmation_id)
            choice, comment = form.get("decision"), form.get("comment", "").replace("\r\n", "\n")
            if choice not in ("confirm", "cancel"):
                typed = order if order.decision else replace(order, comment=comment)
                return 422, confirmation_page(typed, confirmation_id, "Please choose first.")
            if order.decision not in (None, choice):
                return 409, confirmation_page(order, confirmation_id, "This was decided before.")
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
            status, page = site.answer(self.path.removeprefix("/Prod/confirmations/"), form)
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


class DeployedSite(Site):
    """The API of a stack. Nobody else may read its test queue meanwhile."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._order_ids: dict[str, str] = {}
        key = stack.client("apigateway").get_api_key(apiKey=stack.outputs["OrderApiKeyId"], includeValue=True)
        self.api_key = str(key["value"])
        self.base = reachable(stack.outputs["OrderApiUrl"], stack.endpoint_url)

    def order_id(self, link: str) -> str:
        return self._order_ids[link]

    def waiting(self, details: str = ORDER.order_details) -> str:
        order_id = f"page-{uuid4()}"
        body = {"orderId": order_id, "orderDetails": details}
        assert call("POST", f"{self.base}/orders", key=self.api_key, body=body).status == 202
        while True:  # until the test queue is empty, which fails the test
            told = json.loads(json.loads(self._stack.receive("NotificationTestQueueUrl")["Body"])["Message"])
            if told["orderId"] == order_id:
                link = reachable(told["link"], self._stack.endpoint_url)
                self._order_ids[link] = order_id
                return link

    def expired(self) -> str:
        link = self.waiting()
        self._stack.client("dynamodb").update_item(
            TableName=self._stack.outputs["OrderTableName"],
            Key={"pk": {"S": f"ORDER#{self.order_id(link)}"}},
            UpdateExpression="SET expiresAt = :past",
            ExpressionAttributeValues={":past": {"N": str(int(time.time()) - 1)}},
        )
        return link

    def decision(self, link: str) -> Decision:
        decision = call("GET", f"{self.base}/orders/{self.order_id(link)}", key=self.api_key).json["decision"]
        if decision is None:
            return None, None, None
        return "confirm" if decision["isConfirmed"] else "cancel", decision["decidedAt"], decision["comment"]
