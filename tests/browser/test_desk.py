"""The desk in a browser: who waits is seen, answered and followed, by mouse, by keys and on a phone; and nobody else's.

All that it sends is read: no task token and no card's number is in any byte of it.
"""

import json
import re
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Browser, Page, expect

from tests.e2e.others import Others, block
from tools.aws import Aws
from tools.desk.command import make_desk
from tools.engine.engine import HOST, Engine
from tools.stack import Stack, deployed, poll

pytestmark = pytest.mark.local("the desk of a stack on AWS would show all that the account has")

CARD = "4111111111111111"
GIVEN = {
    "document": "contract.pdf",
    "creditCardNumber": CARD,
    "cvv": "cvv-737",
    "note": f"card 4111 1111 1111 1111, {CARD}",
}
SECRETS = (CARD, "4111 1111", GIVEN["cvv"])
PHONE, DESKTOP = {"width": 360, "height": 740}, {"width": 1280, "height": 800}

Open = Callable[..., Page]


@pytest.fixture(scope="module")
def others(engine: Engine) -> Others:
    return Others(engine)


@pytest.fixture(scope="module")
def stack(engine: Engine) -> Stack:
    return deployed(engine, config_env="manual-callback", stack_name="desk")


class Recorder:
    """Keeps every byte that a server sends, headers too."""

    def __init__(self, application: Any) -> None:
        self.application = application
        self.sent: list[bytes] = []

    def __call__(self, environ: Any, start_response: Any) -> Iterator[bytes]:
        def start(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            self.sent.append(f"{status} {headers}".encode())
            return start_response(status, headers, *more)

        parts = self.application(environ, start)
        try:
            for part in parts:
                self.sent.append(part)
                yield part
        finally:
            parts.close()


@dataclass
class Desk:
    """A desk that runs. `address` has the secret."""

    address: str
    recorder: Recorder

    @property
    def base(self) -> str:
        return self.address.partition("/?")[0]


def serve(aws: Aws, *, may_change: bool) -> Iterator[Desk]:
    server, address = make_desk(aws, 0, may_change=may_change)
    server.app = recorder = Recorder(server.app)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield Desk(address, recorder)
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def desk(engine: Engine) -> Iterator[Desk]:
    yield from serve(Aws(engine.client, "the embedded AWS", lambda: engine.skip(0)), may_change=True)


@pytest.fixture(scope="module")
def read_only_desk(engine: Engine) -> Iterator[Desk]:
    yield from serve(Aws(engine.client, "your AWS"), may_change=False)


@pytest.fixture
def open_desk(browser: Browser, desk: Desk, engine: Engine) -> Iterator[Open]:
    """Opens a desk. In the end, everything that it sent is searched for what no page may have."""
    expect.set_options(timeout=20_000)  # it refreshes itself every five seconds
    pages: list[Page] = []
    asked: set[str] = set()
    problems: list[str] = []
    desks = [desk]

    def open_desk(desk: Desk = desk, **options: Any) -> Page:
        desks.append(desk)
        page = browser.new_context(**{"viewport": DESKTOP, **options}).new_page()
        page.set_default_timeout(20_000)
        page.on("request", lambda request: asked.add(request.url.split("/")[2]))
        page.on("console", lambda said: problems.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("websocket", lambda socket: problems.append(f"a websocket: {socket.url}"))
        page.goto(desk.address)
        pages.append(page)
        return page

    yield open_desk
    for page in pages:
        page.context.close()
    assert {host.split(":")[0] for host in asked} == {HOST}
    assert not [problem for problem in problems if "status of 4" not in problem]
    said = b"".join(part for each in desks for part in each.recorder.sent).decode()
    assert len(said) > 1000
    assert [secret for secret in (*SECRETS, *tokens(engine)) if secret in said] == []


def tokens(engine: Engine) -> set[str]:
    """Every token that stands in a history."""
    step_functions, found = engine.client("stepfunctions"), set[str]()
    for machine in step_functions.list_state_machines()["stateMachines"]:
        listed = step_functions.list_executions(stateMachineArn=machine["stateMachineArn"], maxResults=40)
        for execution in listed["executions"]:
            history = step_functions.get_execution_history(executionArn=execution["executionArn"], maxResults=1000)
            texts = [event.get("taskScheduledEventDetails", {}).get("parameters", "") for event in history["events"]]
            found |= {token for text in texts for token in re.findall(r"[A-Za-z0-9+/]{90,}={0,2}", text)}
    assert found
    return found


def start(stack: Stack, **given: object) -> str:
    """An execution that waits."""
    arn = stack.start({**GIVEN, **given}, "ManualCallbackStateMachineArn")
    poll(f"wait of {arn}", lambda: len(stack.events(arn)) >= 5 or None)
    return arn


def name(arn: str) -> str:
    return arn.rpartition(":")[2]


def find(page: Page, text: str) -> None:
    """Shows only the rows with a text."""
    page.get_by_label("Filter").fill(text)
    expect(page.get_by_role("row").filter(has_text=text)).not_to_have_count(0)


def go_to_answer(page: Page, arn: str) -> None:
    find(page, name(arn))
    page.get_by_role("link", name=re.compile(f"Answer .* of {name(arn)}")).click()
    page.wait_for_url("**/answer?*", wait_until="load")  # the page's script checks what is sent


def test_a_wait_is_resumed_from_its_row(stack: Stack, open_desk: Open) -> None:
    arn, page = start(stack), open_desk()
    row = page.get_by_role("row").filter(has_text=name(arn))
    expect(row).to_contain_text("ManualCallbackStateMachine")
    expect(row).to_contain_text("sqs ManualCallbackQueue")
    expect(row).to_contain_text("23 h 59 min")
    go_to_answer(page, arn)
    page.get_by_label("Output, JSON").fill('{"approved": true}')
    page.get_by_role("button", name="Send the output").click()
    expect(page.get_by_role("status")).to_contain_text("DELIVERED")
    assert json.loads(stack.ended(arn)["output"]) == {"approved": True}


def test_a_wait_is_failed_and_kept_alive(stack: Stack, open_desk: Open) -> None:
    arn, page = start(stack), open_desk()
    go_to_answer(page, arn)
    page.get_by_role("button", name="Send a heartbeat").click()
    expect(page.get_by_role("status")).to_contain_text("DELIVERED")
    page.get_by_role("link", name="Answer").click()
    page.get_by_label("Error").fill("Work.Refused")
    page.get_by_label("Cause").fill("It is not signed.")
    page.get_by_role("button", name="Send the error").click()
    expect(page.get_by_role("status")).to_contain_text("DELIVERED")
    end = stack.ended(arn)
    assert (end["error"], end["cause"]) == ("Work.Refused", "It is not signed.")


def test_what_is_not_json_is_not_sent(stack: Stack, open_desk: Open) -> None:
    arn, page = start(stack), open_desk()
    go_to_answer(page, arn)
    page.get_by_label("Output, JSON").fill("approved")
    page.get_by_role("button", name="Send the output").click()
    expect(page.get_by_role("alert").filter(has_text="This is not JSON")).to_be_visible()
    expect(page.get_by_label("Output, JSON")).to_be_focused()
    assert stack.client("stepfunctions").describe_execution(executionArn=arn)["status"] == "RUNNING"


def test_without_scripts_it_works_too(stack: Stack, open_desk: Open) -> None:
    arn, page = start(stack), open_desk(java_script_enabled=False)
    page.get_by_role("link", name=re.compile(f"of {name(arn)}")).click()
    page.get_by_label("Output, JSON").fill("approved")
    page.get_by_role("button", name="Send the output").click()
    expect(page.get_by_role("alert").filter(has_text="The output is not JSON")).to_be_visible()
    expect(page.get_by_label("Output, JSON")).to_have_value("approved")
    page.get_by_label("Output, JSON").fill('"approved"')
    page.get_by_role("button", name="Send the output").click()
    expect(page.get_by_role("status")).to_contain_text("DELIVERED")
    assert stack.ended(arn)["status"] == "SUCCEEDED"


def press_until(page: Page, accessible: str) -> None:
    """Tab, until what is focused has this text."""
    for _ in range(60):
        page.keyboard.press("Tab")
        focused = page.evaluate(
            "(e => e.ariaLabel ?? e.labels?.[0]?.textContent ?? e.textContent)(document.activeElement)"
        )
        if accessible in focused:
            return
    raise AssertionError(f"{accessible} cannot be reached by keys")


def test_keys_alone_answer(stack: Stack, open_desk: Open) -> None:
    arn, page = start(stack), open_desk()
    press_until(page, "Filter")
    page.keyboard.type(name(arn))
    press_until(page, "Answer ")
    page.keyboard.press("Enter")
    page.wait_for_url("**/answer?*")
    press_until(page, "Output, JSON")
    page.keyboard.type("true")
    press_until(page, "Send the output")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("DELIVERED")
    assert stack.ended(arn)["output"] == "true"


def test_branches_and_items_are_answered_one_by_one(others: Others, desk: Desk, open_desk: Open) -> None:
    left, right = block({"First": others.ask()}), block({"Second": others.ask()})
    machine = others.start({"Both": {"Type": "Parallel", "Branches": [left, right], "End": True}}, GIVEN)
    items = {"Type": "Map", "ItemProcessor": block({"Ask": others.ask()}), "End": True}
    mapped = others.start({"Each": items}, [1, 2, 3])
    others.waits(machine, 2)
    others.waits(mapped, 3)
    page = open_desk()
    find(page, name(machine))
    for state in ("First", "Second"):
        page.goto(page.url)
        find(page, name(machine))
        expect(page.get_by_role("row").filter(has_text=state)).to_contain_text("never")
        page.get_by_role("link", name=re.compile(f"Answer {state} of")).click()
        page.get_by_label("Output, JSON").fill(f'"{state}"')
        page.get_by_role("button", name="Send the output").click()
        expect(page.get_by_role("status")).to_contain_text("DELIVERED")
        page.get_by_role("link", name="Waiting").click()
    [both] = others.executions(machine)
    assert json.loads(others.end(both)["output"]) == ["First", "Second"]
    [execution] = others.executions(mapped)
    for number in range(3):
        page.goto(f"{desk.base}/execution?arn={execution}")
        page.get_by_role("link", name=f"Answer Ask[{number}]").click()
        page.get_by_label("Output, JSON").fill(str(number))
        page.get_by_role("button", name="Send the output").click()
        expect(page.get_by_role("status")).to_contain_text("DELIVERED")
    assert json.loads(others.end(execution)["output"]) == [0, 1, 2]


def test_it_refreshes_itself_and_keeps_filter_and_order(stack: Stack, open_desk: Open) -> None:
    first, page = start(stack), open_desk()
    find(page, "ManualCallback")
    page.get_by_role("button", name="Execution").click()
    heading = page.get_by_role("columnheader", name="Execution")
    expect(heading).to_have_attribute("aria-sort", "ascending")
    second = start(stack)
    expect(page.get_by_role("row").filter(has_text=name(second))).to_be_visible()
    expect(page.get_by_role("button", name="Execution")).to_be_focused()
    expect(heading).to_have_attribute("aria-sort", "ascending")
    shown = page.get_by_role("link", name=re.compile("^[0-9a-f-]{36}$")).all_inner_texts()
    assert shown == sorted(shown)
    stack.stop(first)
    expect(page.get_by_role("row").filter(has_text=name(first))).to_have_count(0)


def test_an_execution_is_started_followed_stopped_and_redriven(stack: Stack, open_desk: Open) -> None:
    page = open_desk()
    page.get_by_role("link", name="Executions").click()
    page.get_by_text("Start one").click()
    start_form = page.get_by_role("group").filter(has_text="Start it")
    start_form.get_by_label("State machine").select_option(label="ManualCallbackStateMachine")
    start_form.get_by_label("Sample of events/").select_option("manual_callback_workflow/work.json")
    start_form.get_by_role("button", name="Start it").click()
    graph = page.get_by_role("img", name="The state machine")
    expect(graph.get_by_text("waits for an answer", exact=True)).to_be_visible()
    expect(page.get_by_role("cell", name="RequestWork")).to_be_visible()
    expect(page.get_by_text("invoice")).to_have_count(0)
    expect(page.get_by_role("button", name="Stop the execution")).to_be_hidden()
    page.get_by_text("Stop it").click()
    page.get_by_role("button", name="Stop the execution").click()
    expect(page.get_by_text("ABORTED", exact=True)).to_be_visible()
    expect(graph.get_by_text("aborted", exact=True)).to_be_visible()
    page.get_by_role("button", name="Redrive it").click()
    expect(graph.get_by_text("waits for an answer", exact=True)).to_be_visible()


def test_input_and_output_are_shown_without_card_data(stack: Stack, open_desk: Open) -> None:
    arn, page = start(stack), open_desk()
    page.get_by_role("link", name=name(arn), exact=True).click()
    given = page.get_by_label("Input")
    expect(given).to_contain_text('"document": "contract.pdf"')
    expect(given).to_contain_text('"creditCardNumber": "•••"')
    expect(given).to_contain_text('"note": "card •••, •••"')


def test_undelivered_messages_are_moved_back(stack: Stack, open_desk: Open) -> None:
    stack.send("QuarantineQueueUrl", json.dumps({"input": GIVEN}))
    before = stack.depth("ManualCallbackQueueUrl")
    page = open_desk()
    page.get_by_role("link", name="Queues").click()
    row = page.get_by_role("row").filter(has=page.get_by_role("cell", name="QuarantineQueue", exact=True))
    row = row.filter(has_text="desk")
    expect(row.get_by_role("cell").nth(2)).to_have_text("1")
    row.get_by_role("button", name="Move back to ManualCallbackQueue").click()
    expect(page.get_by_role("status")).to_have_text("1 messages were moved back.")
    assert (stack.depth("QuarantineQueueUrl"), stack.depth("ManualCallbackQueueUrl")) == (0, before + 1)


@pytest.mark.parametrize(
    ("scheme", "viewport"), [("light", PHONE), ("dark", DESKTOP)], ids=["light-phone", "dark-desktop"]
)
def test_every_page_is_accessible_and_fits(scheme: str, viewport: Any, stack: Stack, open_desk: Open) -> None:
    arn = start(stack)
    ended = start(stack)
    stack.stop(ended, error="Changed my mind", cause="x" * 300)
    page = open_desk(color_scheme=scheme, viewport=viewport)
    base = page.url.rstrip("/")
    paths = ["/", "/executions", f"/execution?arn={arn}", f"/execution?arn={ended}", "/queues", "/execution?arn=none"]
    for path in paths:
        page.goto(f"{base}{path}")
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        if path == "/":
            expect(page.locator("tr").filter(has_text=name(arn))).to_be_visible()
        check_page(page)
    page.goto(base)
    page.locator("tr").filter(has_text=name(arn)).get_by_role("link", name="Answer").click()
    page.get_by_label("Output, JSON").fill("no JSON")
    page.get_by_role("button", name="Send the output").click()
    check_page(page)


def check_page(page: Page) -> None:
    found = Axe().run(page).response["violations"]
    assert [(each["id"], each["nodes"][0]["html"]) for each in found] == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def seconds_to_load(page: Page) -> float:
    """Until the table is there, and painted."""
    began = time.monotonic()
    page.reload(wait_until="commit")
    page.get_by_role("table").wait_for()
    paint = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
    painted: float = page.wait_for_function(paint).json_value()
    return max(time.monotonic() - began, painted / 1000)


@pytest.mark.slow
def test_a_thousand_waits_stay_usable(others: Others, open_desk: Open) -> None:
    machine = others.start({"Ask": others.ask(TimeoutSeconds=600)}, count=1000)
    others.waits(machine, 1000)
    page = open_desk()
    expect(page.get_by_role("status")).to_contain_text(re.compile(r"1,?0\d\d tasks wait"), timeout=60_000)
    assert min(seconds_to_load(page) for _ in range(3)) < 2  # the least: other programs run, too
    last = name(others.executions(machine)[-1])
    expect(page.locator("tbody tr:visible")).to_have_count(200)
    find(page, last)
    expect(page.locator("tbody tr:visible")).to_have_count(1)
    page.get_by_label("Filter").fill("")
    page.get_by_role("button", name=re.compile("Show all 10")).click()
    expect(page.locator("tbody tr:visible").nth(999)).to_be_attached()
    for execution in others.executions(machine):
        others.step_functions.stop_execution(executionArn=execution)


# ------------------------------------------------------------------ who may not


def status(desk: Desk, path: str, method: str = "GET", **headers: str) -> int:
    request = urllib.request.Request(f"{desk.base}{path}", method=method, headers=headers)  # noqa: S310
    try:
        with urllib.request.build_opener(NoRedirect).open(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


def test_on_aws_it_only_shows(stack: Stack, read_only_desk: Desk, open_desk: Open) -> None:
    arn, page = start(stack), open_desk(read_only_desk)
    expect(page.locator("tr").filter(has_text=name(arn))).to_be_visible()
    for path in ("/", "/executions", f"/execution?arn={arn}", "/queues", f"/answer?execution={arn}&event=3"):
        page.goto(f"{read_only_desk.base}{path}")
        expect(page.locator("form[method=post]")).to_have_count(0)
    [cookie] = page.context.cookies()
    own = {"Cookie": f"{cookie['name']}={cookie['value']}", "Origin": read_only_desk.base}
    for path in ("/answer", "/start", "/stop", "/redrive", "/move"):
        assert status(read_only_desk, path, "POST", **own) == 403
    assert status(read_only_desk, "/queues", **own) == 200
