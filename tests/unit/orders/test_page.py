import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orders.model import Order
from orders.page import SECURITY_HEADERS, View, confirmation_page, message_page

AT = 1795186000
WAITING = Order("ORDER-1", "A desk, and a lamp.", "WAITING", AT + 4_400)
CONFIRMED = replace(
    WAITING, state="CONFIRMED", settled="CONFIRMED", decided_at=AT, decided_by="page", comment="Ring twice."
)
CANCELLED = replace(CONFIRMED, state="CANCELLED", settled="CANCELLED")


def page_of(order: Order, choice: str | None = None, comment: str = "") -> str:
    """The page after a choice was posted, or as it is opened."""
    return confirmation_page(View(order, "id", "Example Shop", choice, comment))


EVERY_PAGE = [
    *[page_of(replace(WAITING, state=state)) for state in ("PROCESSING", "WAITING", "EXPIRED", "FAILED", "STOPPED")],
    page_of(CONFIRMED),
    page_of(CANCELLED),
    page_of(replace(CONFIRMED, state="STOPPED")),
    page_of(CONFIRMED, "cancel", "Why not?"),
    page_of(CONFIRMED, "confirm", "Why not?"),
    page_of(WAITING, ""),
    page_of(WAITING, "confirm", "c" * 1001),
    message_page("No such link", "Look whether all of it was copied."),
]


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: AT + 60.0)


# Text with much of what HTML gives a meaning to, half surrogate pairs included
hostile = st.text() | st.lists(
    st.sampled_from([*"<>\"'&;/=`\n\r\0 -", "<script>", "</textarea>", "</dd>", "<!--", "&lt;", "&#60", "\ud800", "x"])
).map("".join)


class Page(HTMLParser):
    """What a reader of a page's HTML sees: its tags with their attributes, and the text inside some of them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[tuple[str, str]] = []
        self._open = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._open = tag

    def handle_data(self, data: str) -> None:
        self.text.append((self._open, data))

    def handle_comment(self, data: str) -> None:
        self.tags.append((f"<!--{data}-->", {}))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    def shape(self) -> list[tuple[str, list[str]]]:
        return [(tag, list(attributes)) for tag, attributes in self.tags]

    def inside(self, tag: str) -> str:
        return "".join(data for opened, data in self.text if opened == tag)


def carried(text: str) -> str:
    """The text as UTF-8 carries it."""
    return text.encode(errors="replace").decode()


@given(details=hostile, order_id=hostile, comment=hostile, confirmation_id=hostile, asked_by=hostile)
def test_no_text_breaks_out_of_the_form(
    details: str, order_id: str, comment: str, confirmation_id: str, asked_by: str
) -> None:
    order = replace(WAITING, order_id=order_id, order_details=details)
    page = Page(confirmation_page(View(order, confirmation_id, asked_by, "", comment)))
    assert page.shape() == Page(page_of(WAITING, "")).shape()
    assert page.inside("dd").startswith(carried(order_id + details))
    assert page.inside("textarea") == f"\n{carried(comment)}"
    assert page.inside("p").startswith(carried(asked_by))
    [form] = page.all("form")
    assert re.fullmatch(r"[\w.~%-]*", form["action"] or "", re.ASCII)


@given(details=hostile, comment=hostile.filter(bool), posted=hostile.filter(bool))
def test_no_text_breaks_out_of_a_decided_page(details: str, comment: str, posted: str) -> None:
    page = Page(page_of(replace(CONFIRMED, order_details=details, comment=f"{comment}."), "cancel", posted))
    assert page.shape() == Page(page_of(CONFIRMED, "cancel", "Why not?")).shape()
    assert page.inside("dd").endswith(carried(f"{comment}.{posted}"))


@given(title=hostile, text=hostile)
def test_no_text_breaks_out_of_a_message(title: str, text: str) -> None:
    page = Page(message_page(title, text))
    assert page.shape() == Page(message_page("Title", "Text")).shape()
    assert (page.inside("h1"), page.inside("p")) == (carried(title), carried(text))


@pytest.mark.parametrize("html", EVERY_PAGE)
def test_the_policy_allows_this_style_and_nothing_else(html: str) -> None:
    [style] = re.findall(r"<style>(.*?)</style>", html, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert SECURITY_HEADERS["Content-Security-Policy"] == (
        f"default-src 'none'; style-src 'sha256-{digest}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    )
    page = Page(html)
    assert not page.all("script")
    names = {name for _, attributes in page.tags for name in attributes}
    assert not [name for name in names if name in ("style", "src", "href") or name.startswith("on")]


def test_the_headers_keep_the_page_out_of_caches_frames_and_referrers() -> None:
    others = {name: value for name, value in SECURITY_HEADERS.items() if name != "Content-Security-Policy"}
    assert others == {
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
        "Strict-Transport-Security": "max-age=63072000",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
    }


@pytest.mark.parametrize("html", EVERY_PAGE)
def test_every_page_tells_its_language_its_title_and_that_it_fits_a_phone(html: str) -> None:
    page = Page(html)
    assert page.all("html") == [{"lang": "en"}]
    assert page.inside("title")
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in page.all("meta")


@pytest.mark.parametrize("choice", [None, "", "yes"])
def test_nothing_is_preselected_and_a_choice_is_needed(choice: str | None) -> None:
    page = Page(confirmation_page(View(WAITING, "b-_9", "Example Shop", choice)))
    assert page.all("input") == [
        {"type": "radio", "name": "decision", "value": decision, "required": None} for decision in ("confirm", "cancel")
    ]
    assert page.all("form") == [{"method": "post", "action": "b-_9", "autocomplete": "off"}]
    assert [(field["name"], field["maxlength"]) for field in page.all("textarea")] == [("comment", "1000")]
    assert [button.get("name") for button in page.all("button")] == [None]


@pytest.mark.parametrize(
    ("choice", "comment", "marked"), [("", "", "fieldset"), ("yes", "", "fieldset"), ("cancel", "c" * 1001, "textarea")]
)
def test_a_problem_is_an_alert_with_the_focus_that_marks_and_describes_its_field(
    choice: str, comment: str, marked: str
) -> None:
    page = Page(page_of(WAITING, choice, comment))
    assert page.all("p")[1] == {
        "class": "problem",
        "id": "problem",
        "role": "alert",
        "tabindex": "-1",
        "autofocus": None,
    }
    for tag in ("fieldset", "textarea"):
        [field] = page.all(tag)
        assert ("aria-invalid" in field, field.get("aria-describedby") == "problem") == (tag == marked, tag == marked)
    assert page.inside("title").startswith("Problem: ")
    assert [name["value"] for name in page.all("input") if "checked" in name] == [choice] * (marked == "textarea")


@pytest.mark.parametrize("order", [WAITING, CONFIRMED])
def test_without_a_problem_there_is_no_alert(order: Order) -> None:
    page = Page(page_of(order))
    assert not [attributes for _, attributes in page.tags if attributes.get("role") in ("alert", "status")]
    assert not [attributes for _, attributes in page.tags if "aria-invalid" in attributes]


@pytest.mark.parametrize(
    ("order", "choice", "comment", "notice", "kept"),
    [
        (CONFIRMED, "cancel", "", "was confirmed before you sent your decision", True),
        (CANCELLED, "confirm", "Why not?", "was cancelled before you sent your decision", False),
        (CONFIRMED, "confirm", "Why not?", "Your comment was not kept", False),
        (CONFIRMED, "confirm", "Ring twice.", "", True),
        (CONFIRMED, "confirm", "", "", True),
        (replace(WAITING, state="EXPIRED"), "confirm", "", "", True),
    ],
)
def test_a_decision_that_came_too_late_is_not_lost_without_a_word(
    order: Order, choice: str, comment: str, notice: str, kept: bool
) -> None:
    page = Page(page_of(order, choice, comment))
    shown = "".join(data for _, data in page.text)
    assert notice in shown
    assert [attributes.get("role") for attributes in page.all("p") if "role" in attributes] == ["status"] * bool(notice)
    assert ("which was not kept" in shown) == (not kept)
    assert kept or ("dd", comment) in page.text


TO_DECIDE, DECIDED = "20 November 2026, 16:00 UTC", "20 November 2026, 14:46 UTC (a minute ago)"


@pytest.mark.parametrize(
    ("order", "heading", "facts"),
    [
        (replace(WAITING, state="PROCESSING"), "Not ready yet", []),
        (WAITING, "Confirm this order?", ["Decide by", f"{TO_DECIDE} (in 72 minutes)"]),
        (CONFIRMED, "Order confirmed", ["Confirmed on", DECIDED]),
        (CANCELLED, "Order cancelled", ["Cancelled on", DECIDED]),
        (replace(WAITING, state="EXPIRED"), "Too late to decide", ["Expired", TO_DECIDE]),
        (replace(WAITING, state="FAILED"), "This order failed", []),
        (replace(CONFIRMED, state="FAILED", ended="FAILED"), "This order failed", ["Confirmed on", DECIDED]),
        (replace(WAITING, state="STOPPED", ended="STOPPED"), "This order was stopped", []),
        (replace(CANCELLED, state="STOPPED", ended="STOPPED"), "This order was stopped", ["Cancelled on", DECIDED]),
    ],
)
def test_the_page_says_how_the_order_stands(order: Order, heading: str, facts: list[str]) -> None:
    page = Page(page_of(order))
    assert page.inside("h1") == heading
    shown = "".join(data for _, data in page.text)
    assert all(fact in shown for fact in facts)
    assert "ORDER-1" in shown
    assert "Example Shop ask" in shown
    assert bool(page.all("form")) == (heading == "Confirm this order?")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (1, "in less than a minute"),
        (119, "in a minute"),
        (120, "in 2 minutes"),
        (7_199, "in 119 minutes"),
        (7_200, "in 2 hours"),
        (86_399, "in 23 hours"),
        (172_800, "in 2 days"),
        (0, "less than a minute ago"),
        (-86_400, "24 hours ago"),
    ],
)
def test_a_time_is_shown_as_far_away_as_it_is(seconds: int, words: str) -> None:
    page = Page(page_of(replace(WAITING, expires_at=AT + 60 + seconds)))
    assert f"UTC ({words})" in "".join(data for _, data in page.text)


def test_a_decided_page_shows_the_comment_and_no_form() -> None:
    page = Page(page_of(CONFIRMED))
    assert ("dd", "Ring twice.") in page.text
    assert not page.all("form")


def test_a_comment_typed_before_comes_back_with_the_problem() -> None:
    page = Page(page_of(WAITING, "", "\n  Ring twice."))
    assert page.inside("textarea") == "\n\n  Ring twice."  # of which a browser drops the first newline


def test_the_page_does_not_show_its_own_link() -> None:
    text = Page(confirmation_page(View(CONFIRMED, "unguessable", "Example Shop"))).text
    assert "unguessable" not in str(text)
