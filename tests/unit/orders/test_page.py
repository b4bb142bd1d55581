import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orders.model import Order
from orders.page import SECURITY_HEADERS, confirmation_page, message_page

WAITING = Order("ORDER-1", "A desk, and a lamp.", "WAITING", 1795190400, None, None, None, None)
CONFIRMED = replace(
    WAITING, state="CONFIRMED", decision="confirm", decided_at=1795186000, decided_by="page", comment="Ring twice."
)
EVERY_PAGE = [
    *[
        confirmation_page(replace(WAITING, state=state), "id")
        for state in ("PROCESSING", "WAITING", "EXPIRED", "FAILED")
    ],
    *[confirmation_page(replace(WAITING, decision=decision), "id") for decision in ("confirm", "cancel")],
    confirmation_page(WAITING, "id", "Choose one."),
    message_page("No such link", "Look whether all of it was copied."),
]
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


@given(details=hostile, order_id=hostile, comment=hostile, confirmation_id=hostile, problem=hostile.filter(bool))
def test_no_text_breaks_out_of_the_form(
    details: str, order_id: str, comment: str, confirmation_id: str, problem: str
) -> None:
    order = replace(WAITING, order_id=order_id, order_details=details, comment=comment)
    page = Page(confirmation_page(order, confirmation_id, problem))
    plain = Page(confirmation_page(replace(WAITING, comment="x"), "id", "Choose one."))
    assert page.shape() == plain.shape()
    assert page.inside("dd").startswith(carried(order_id + details))
    assert page.inside("textarea") == f"\n{carried(comment)}"
    assert page.inside("p").startswith(carried(problem))
    [form] = page.all("form")
    assert re.fullmatch(r"[\w.~%-]*", form["action"] or "", re.ASCII)


@given(details=hostile, comment=hostile.filter(bool), problem=hostile.filter(bool))
def test_no_text_breaks_out_of_a_decided_page(details: str, comment: str, problem: str) -> None:
    page = Page(confirmation_page(replace(CONFIRMED, order_details=details, comment=comment), "id", problem))
    assert page.shape() == Page(confirmation_page(CONFIRMED, "id", "Too late.")).shape()
    assert page.inside("dd").endswith(carried(comment))


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


@pytest.mark.parametrize("problem", [None, "Choose one."])
def test_nothing_is_preselected_and_a_choice_is_needed(problem: str | None) -> None:
    page = Page(confirmation_page(WAITING, "b-_9", problem))
    assert page.all("input") == [
        {"type": "radio", "name": "decision", "value": decision, "required": None} for decision in ("confirm", "cancel")
    ]
    assert page.all("form") == [{"method": "post", "action": "b-_9", "autocomplete": "off"}]
    assert [(field["name"], field["maxlength"]) for field in page.all("textarea")] == [("comment", "1000")]
    assert [button.get("name") for button in page.all("button")] == [None]


def test_a_problem_is_an_alert_that_describes_the_choice() -> None:
    page = Page(confirmation_page(WAITING, "id", "Choose one."))
    assert {"class": "problem", "id": "problem", "role": "alert"} in page.all("p")
    assert page.all("fieldset") == [{"aria-describedby": "problem"}]
    assert page.inside("title").startswith("Problem: ")


def test_without_a_problem_there_is_no_alert() -> None:
    page = Page(confirmation_page(WAITING, "id"))
    assert page.all("fieldset") == [{}]
    assert not [attributes for _, attributes in page.tags if "role" in attributes]


@pytest.mark.parametrize(
    ("state", "decision", "heading", "fact"),
    [
        ("PROCESSING", None, "Not ready yet", ""),
        ("WAITING", None, "Confirm this order?", "20 November 2026, 16:00 UTC"),
        ("PROCESSING", "confirm", "Order confirmed", "Confirm, 20 November 2026, 14:46 UTC"),
        ("WAITING", "confirm", "Order confirmed", "Confirm, 20 November 2026, 14:46 UTC"),
        ("CONFIRMED", "confirm", "Order confirmed", "Confirm, 20 November 2026, 14:46 UTC"),
        ("WAITING", "cancel", "Order cancelled", "Cancel, 20 November 2026, 14:46 UTC"),
        ("CANCELLED", "cancel", "Order cancelled", "Cancel, 20 November 2026, 14:46 UTC"),
        ("EXPIRED", None, "Too late to decide", "20 November 2026, 16:00 UTC"),
        ("EXPIRED", "confirm", "Too late to decide", "Confirm, 20 November 2026, 14:46 UTC"),
        ("FAILED", None, "This order failed", ""),
        ("FAILED", "confirm", "This order failed", "Confirm, 20 November 2026, 14:46 UTC"),
    ],
)
def test_the_page_says_how_the_order_stands(state: str, decision: str | None, heading: str, fact: str) -> None:
    order = replace(WAITING, state=state, decision=decision, decided_at=1795186000 if decision else None)
    page = Page(confirmation_page(order, "id"))
    assert page.inside("h1") == heading
    shown = "".join(data for _, data in page.text)
    assert fact in shown
    assert "ORDER-1" in shown
    assert bool(page.all("form")) == (heading == "Confirm this order?")


def test_a_decided_page_shows_the_comment_and_no_form() -> None:
    page = Page(confirmation_page(CONFIRMED, "id"))
    assert ("dd", "Ring twice.") in page.text
    assert not page.all("form")


def test_a_comment_typed_before_comes_back_with_the_problem() -> None:
    page = Page(confirmation_page(replace(WAITING, comment="\n  Ring twice."), "id", "Choose one."))
    assert page.inside("textarea") == "\n\n  Ring twice."  # of which a browser drops the first newline


def test_the_page_does_not_show_its_own_link() -> None:
    text = Page(confirmation_page(CONFIRMED, "unguessable")).text
    assert "unguessable" not in str(text)
