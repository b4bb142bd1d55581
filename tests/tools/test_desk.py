"""The desk answers nobody but who was given its address, and leaves out tokens and card data whatever holds them."""

import json
import re
from html.parser import HTMLParser

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st

from tests.tools.aws_in_memory import AwsInMemory
from tests.tools.histories import TOKEN, History
from tools import ToolError
from tools.desk import app as pages
from tools.desk import command, data
from tools.desk.app import make_app
from tools.desk.data import Queue
from tools.desk.graph import Status, draw
from tools.desk.guard import Guard
from tools.desk.mask import MASK, mask_text, masked

PORT = 8765
BASE = f"http://127.0.0.1:{PORT}"
CARD = "4111111111111111"
ANY = "any"


def made(may_change: bool = True) -> tuple[FlaskClient, Guard]:
    aws = AwsInMemory(endpoint_url="http://127.0.0.1:4566")
    history = History({"creditCardNumber": CARD})
    history.wait(f"Ask {CARD} {TOKEN}")
    aws.start("one", history)
    guard = Guard(PORT, may_change=may_change)
    app = make_app(aws.aws(), guard)
    app.testing = False
    return app.test_client(), guard


def entered(may_change: bool = True) -> FlaskClient:
    """A browser that was given the address."""
    client, guard = made(may_change)
    answer = client.get(guard.address.removeprefix(BASE), base_url=BASE)
    assert answer.status_code == 302
    assert answer.headers["Location"] == "/"
    return client


def test_the_address_is_exchanged_for_a_cookie_that_no_script_and_no_other_site_gets() -> None:
    client, guard = made()
    answer = client.get(guard.address.removeprefix(BASE), base_url=BASE)
    assert re.search(r"HttpOnly; .*SameSite=Strict", answer.headers["Set-Cookie"])
    assert client.get("/", base_url=BASE).status_code == 200


@pytest.mark.parametrize("query", ["", "?secret=", "?secret=wrong", "?secret=%C3%A9"])
def test_without_the_secret_nobody_sees_anything(query: str) -> None:
    client, _ = made()
    for path in ("/", "/executions", "/queues", "/static/desk.js", "/none"):
        assert client.get(f"{path}{query}", base_url=BASE).status_code == 403


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "OPTIONS"])
@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": f"evil.example:{PORT}"},
        {"Host": "127.0.0.1:1"},
        {"Host": f"127.0.0.1:{PORT}.evil.example"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},  # another port of this machine
        {"Origin": "https://evil.example", "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Key": "x"},
        {"Host": "evil.example", "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Key": "x"},
    ],
)
def test_no_other_site_can_use_it(method: str, headers: dict[str, str]) -> None:
    client = entered()
    assert client.open("/", base_url=BASE, method=method, headers=headers).status_code == 403


def test_a_rebound_name_gets_no_cookie() -> None:
    client, guard = made()
    answer = client.get(guard.address.removeprefix(BASE), base_url=BASE, headers={"Host": "evil.example"})
    assert answer.status_code == 403
    assert "Set-Cookie" not in answer.headers


def test_only_its_own_pages_change_something() -> None:
    client = entered()
    form = {"arn": "arn:none"}
    assert client.post("/stop", base_url=BASE, data=form).status_code == 403
    assert client.post("/stop", base_url=BASE, data=form, headers={"Origin": BASE}).status_code != 403


@pytest.mark.parametrize("path", ["/answer", "/start", "/stop", "/redrive", "/move"])
def test_read_only_changes_nothing(path: str) -> None:
    client = entered(may_change=False)
    answer = client.post(path, base_url=BASE, headers={"Origin": BASE})
    assert answer.status_code == 403
    assert "--allow-answers" in answer.text
    assert "/answer?" not in client.get("/", base_url=BASE).text


def test_every_answer_is_sealed() -> None:
    client = entered()
    for path in ("/", "/none", "/static/desk.css", "/execution?arn=none"):
        with client.get(path, base_url=BASE) as answer:
            assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
            assert answer.headers["Cache-Control"] == "no-store"
            assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_names_that_hold_secrets_are_masked_on_the_page() -> None:
    text = entered().get("/", base_url=BASE).text
    assert "Ask ••• •••" in text
    assert CARD not in text
    assert TOKEN[:30] not in text


class Sources(HTMLParser):
    found: list[str]

    def handle_starttag(self, _tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value or "" for name, value in attrs if name in ("src", "href", "action")]


def test_nothing_is_loaded_from_elsewhere() -> None:
    sources = Sources()
    sources.found = []
    sources.feed(entered().get("/", base_url=BASE).text)
    assert sources.found
    assert [source for source in sources.found if not source.startswith("/") or source.startswith("//")] == []


def test_it_listens_on_loopback_only() -> None:
    server, address = command.make_desk(AwsInMemory().aws(), 0, may_change=False)
    assert server.socket.getsockname()[0] == "127.0.0.1"
    assert address.startswith(f"http://127.0.0.1:{server.port}/?secret=")
    assert isinstance(server.app, Flask)
    server.server_close()


@pytest.mark.parametrize("port", ["x", "-1", "65536"])
def test_what_is_no_port_is_an_error(port: str) -> None:
    with pytest.raises(ToolError, match="no port"):
        command.main([f"--port={port}"])


# ------------------------------------------------------------------ what it leaves out

SAFE = "kept"
HIDDEN: dict[str, object] = {
    "by the name of its field": {"nameOnCard": "Jane", "cvv": "737", "expiry": "12/30", "creditCardNumber": "4"},
    "deep in lists": [[{"card": {"number": "12"}}]],
    "tokens": {"taskToken": "short", "Authorization": "Bearer x", "apiKey": "k", "api_key": "k", "password": "p"},
    "a card's number in a text": f"paid with {CARD}, and 4111 1111 1111 1111 or 4111-1111-1111-1111",
    "a card's number as a number": {"value": int(CARD)},
    "American Express": "3782 822463 10005 and 378282246310005",
    "a token in a text": f"answer {TOKEN}",
    "a token in a URL": f"https://x.example/?t={TOKEN.replace('+', '%2B').replace('/', '%2f').replace('=', '%3D')}",
    "JSON in a text": json.dumps({"cvv": "737", "deep": json.dumps({"taskToken": "short"})}),
    "a name": {CARD: 1},
}


@pytest.mark.parametrize("case", HIDDEN)
def test_secrets_are_masked_wherever_they_stand(case: str) -> None:
    shown = masked(json.dumps({"orderId": SAFE, "value": HIDDEN[case]}))
    assert f'"orderId": "{SAFE}"' in shown
    assert MASK in shown
    for secret in ("Jane", "737", "12/30", CARD, "1111 1111", "1111-1111", "822463", TOKEN[:20], "short", "Bearer"):
        assert secret not in shown


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from([CARD, int(CARD), f"x {CARD}.", TOKEN]),
    lambda children: (
        st.lists(children) | st.dictionaries(st.text() | st.just(CARD), children | children.map(json.dumps))
    ),
)


@given(JSON)
def test_no_json_whatsoever_shows_a_card_or_a_token(value: object) -> None:
    shown = masked(json.dumps(value))
    assert CARD not in shown
    assert TOKEN[:30] not in shown


@pytest.mark.parametrize(
    "text",
    [
        "1234567890123",  # no card: its check digit is wrong
        "2026-11-28T10:00:00.000Z",
        "arn:aws:states:eu-west-1:123456789012:execution:payment-callback-StateMachine-1A2B:0f8fad5b-d9cb-469f-a165-70867728950e",
        "https://sqs.eu-west-1.amazonaws.com/123456789012/shop-WorkQueue-5E6F",
        "/execution?arn=arn%3Aaws%3Astates%3Aeu-west-1%3A123456789012%3Aexecution%3Ashop-Machine-1A2B%3Arun-1-run-1-run-1-run-1",
        "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",  # a digest
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert mask_text(text) == text


def test_what_is_no_json_is_masked_as_a_text() -> None:
    assert masked(f"not JSON: {CARD}") == f"not JSON: {MASK}"
    assert masked("") == ""


# ------------------------------------------------------------------ the graph


def test_every_state_is_drawn_with_what_became_of_it() -> None:
    inner = {"StartAt": "Deep", "States": {"Deep": {"Type": "Task", "End": True}}}
    definition = {
        "StartAt": "Ask",
        "States": {
            "Ask": {"Type": "Task", "Next": "Check", "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Tell"}]},
            "Check": {"Type": "Choice", "Choices": [{"Next": "Both"}], "Default": "Ask"},
            "Both": {"Type": "Parallel", "Branches": [inner], "Next": "Each"},
            "Each": {"Type": "Map", "ItemProcessor": {"StartAt": "Item", "States": {"Item": {"Type": "Pass"}}}},
            "Tell": {"Type": "Task", "End": True},
            "Never <reached>": {"Type": "Pass"},
        },
    }
    svg = draw(definition, {"Ask": Status("waits", "waits for an answer"), "Deep": Status("done", "done & dusted")})
    names = re.findall(r'class="name"[^>]*>([^<]*)', svg)
    assert sorted(names) == ["Ask", "Both", "Check", "Deep", "Each", "Item", "Tell"]
    assert "<title>Ask: waits for an answer</title>" in svg
    assert "done &amp; dusted" in svg
    assert "not entered" in svg
    assert svg.count('class="way"') == 4
    assert svg.count('class="way error"') == 1


@pytest.mark.parametrize(
    "definition",
    [{}, {"States": {}}, {"StartAt": "None", "States": {}}, {"StartAt": "A", "States": {"A": {"Next": "A"}}}],
)
def test_odd_state_machines_are_drawn_too(definition: dict[str, object]) -> None:
    assert draw(definition, {}).startswith("<svg")


def test_thousands_of_states_are_drawn_too() -> None:
    states = {f"S{number}": {"Type": "Pass", "Next": f"S{number + 1}"} for number in range(4000)}
    assert draw({"StartAt": "S0", "States": states}, {}).count("<rect") == 4000


# ------------------------------------------------------------------ queues and samples


def queue(name: str, to: str = "") -> Queue:
    return Queue(name, name, name, "shop", 1, 0, None, to)


def test_messages_go_back_to_where_they_came_from_first() -> None:
    work, dead, quarantine, other = queue("work", "dead"), queue("dead", "quarantine"), queue("quarantine"), queue("o")
    dead.feeds, quarantine.feeds = [work], [dead]
    assert [each.back_to for each in (work, other, dead, quarantine)] == [None, None, work, work]
    dead.feeds = [work, other]
    assert (dead.back_to, quarantine.back_to) == (None, None)


def test_samples_are_inputs_of_state_machines_only() -> None:
    found = data.samples()
    assert "payment_callback/order.json" in found
    assert not [sample for sample in found if sample.startswith(("payment_worker/", "order_api/"))]


@pytest.mark.parametrize(
    ("name", "html"),
    [
        ("RequestPayment", "Request<wbr>Payment"),
        ("others-7d46ca60", "others-7d46ca60"),
        ("<b>AskIt", "&lt;b&gt;Ask<wbr>It"),
        ("", ""),
    ],
)
def test_a_name_in_a_cell_breaks_between_its_words(name: str, html: str) -> None:
    assert pages._words(name) == f"<span>{html}</span>"
