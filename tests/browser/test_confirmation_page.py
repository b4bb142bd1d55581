"""A person, and what only looks like one, at the confirmation page. Sites: tests/browser/site.py."""

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open
from tests.browser.site import Site

PHONE = {"width": 320, "height": 640}
UNBROKEN = "x" * 2000


def choose(page: Page, choice: str) -> None:
    page.get_by_label(f"{choice} the order").check()


def send(page: Page) -> None:
    page.get_by_role("button", name="Send the decision").click()


def says(page: Page, heading: str) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text(heading)


def alert(page: Page) -> str:
    return page.get_by_role("alert").inner_text()


def test_opening_shows_the_order_and_decides_nothing(site: Site, open_page: Open) -> None:
    link = site.waiting('A desk & a <b>lamp</b>\n"two" lines')
    page = open_page(link)
    says(page, "Confirm this order?")
    expect(page.get_by_text("A desk & a <b>lamp</b>")).to_be_visible()
    expect(page.get_by_role("radio", checked=True)).to_have_count(0)
    page.reload()
    assert site.decision(link) == (None, None, None)


@pytest.mark.parametrize(
    ("choice", "is_confirmed", "heading"),
    [("Confirm", True, "Order confirmed"), ("Cancel", False, "Order cancelled")],
)
def test_choosing_decides_nothing_and_sending_does(
    choice: str, is_confirmed: bool, heading: str, site: Site, open_page: Open
) -> None:
    link = site.waiting()
    page = open_page(link)
    choose(page, choice)
    page.get_by_label("Comment").fill("Ring twice,\nplease.")
    assert site.decision(link) == (None, None, None)
    send(page)
    says(page, heading)
    expect(page.get_by_text("Ring twice,\nplease.")).to_be_visible()
    expect(page.locator("form")).to_have_count(0)
    decided, when, comment = site.decision(link)
    assert (decided, comment) == (is_confirmed, "Ring twice,\nplease.")
    assert when is not None


def test_reloading_the_answer_changes_nothing(site: Site, open_page: Open) -> None:
    link = site.waiting()
    page = open_page(link)
    choose(page, "Confirm")
    send(page)
    says(page, "Order confirmed")
    before = site.decision(link)
    page.reload()
    says(page, "Order confirmed")
    expect(page.get_by_role("alert")).to_have_count(0)
    assert site.decision(link) == before


def test_the_back_button_leads_to_what_was_decided(site: Site, open_page: Open) -> None:
    link = site.waiting()
    page = open_page(site.waiting())
    page.goto(link)
    choose(page, "Confirm")
    send(page)
    says(page, "Order confirmed")
    page.go_back()
    if page.url == link:
        says(page, "Order confirmed")
        page.go_back()
    says(page, "Confirm this order?")  # the other one
    page.go_forward()
    says(page, "Order confirmed")


def test_the_back_button_shows_no_form_of_before(site: Site, open_page: Open) -> None:
    link = site.waiting()
    first, second = open_page(link), open_page(link)
    first.goto(site.link("no-such-link"))
    choose(second, "Confirm")
    send(second)
    says(second, "Order confirmed")
    first.go_back()
    says(first, "Order confirmed")


def test_a_second_tab_that_disagrees_shows_what_was_decided(site: Site, open_page: Open) -> None:
    link = site.waiting()
    first, second, third = open_page(link), open_page(link), open_page(link)
    choose(first, "Confirm")
    send(first)
    says(first, "Order confirmed")
    before = site.decision(link)
    choose(second, "Cancel")
    second.get_by_label("Comment").fill("Ordered by mistake.")
    send(second)
    says(second, "Order confirmed")
    expect(second.get_by_role("status")).to_be_focused()
    expect(second.get_by_role("status")).to_contain_text("was confirmed before you sent your decision")
    expect(second.get_by_text("Your comment, which was not kept")).to_be_visible()
    expect(second.get_by_text("Ordered by mistake.")).to_be_visible()
    expect(second.get_by_role("alert")).to_have_count(0)
    choose(third, "Confirm")
    send(third)
    says(third, "Order confirmed")
    expect(third.get_by_role("alert")).to_have_count(0)
    assert site.decision(link) == before


def test_an_expired_link_says_so(site: Site, open_page: Open) -> None:
    page = open_page(site.expired())
    says(page, "Too late to decide")
    expect(page.locator("form")).to_have_count(0)


def test_a_stopped_order_says_so_and_cannot_be_decided(site: Site, open_page: Open) -> None:
    link = site.stopped()
    page = open_page(link)
    says(page, "This order was stopped")
    expect(page.locator("form")).to_have_count(0)
    assert page.request.post(link, form={"decision": "confirm"}).status == 409
    assert site.decision(link) == (None, None, None)


def test_a_page_that_was_open_when_the_order_was_stopped_decides_nothing(site: Site, open_page: Open) -> None:
    link = site.waiting()
    page = open_page(link)
    site.stop(link)
    choose(page, "Confirm")
    send(page)
    says(page, "This order was stopped")
    assert site.decision(link) == (None, None, None)


def test_the_page_says_who_asks_and_how_much_time_is_left(site: Site, open_page: Open) -> None:
    page = open_page(site.waiting())
    expect(page.get_by_text("order-confirmation asks you")).to_be_visible()
    expect(page.get_by_text("UTC (in 23 hours)")).to_be_visible()
    choose(page, "Cancel")
    send(page)
    expect(page.get_by_text("order-confirmation asked you")).to_be_visible()
    expect(page.get_by_text("Cancelled on")).to_be_visible()
    expect(page.get_by_text("UTC (less than a minute ago)")).to_be_visible()
    page.goto(site.expired())
    expect(page.get_by_text("UTC (2 hours ago)")).to_be_visible()


def test_a_link_that_leads_nowhere_says_so(site: Site, open_page: Open) -> None:
    page = open_page(site.link("no-such-link"))
    says(page, "This link is not known")
    expect(page.locator("form")).to_have_count(0)


def test_a_used_link_shows_what_was_decided(site: Site, open_page: Open) -> None:
    link = site.waiting()
    page = open_page(link)
    choose(page, "Cancel")
    send(page)
    says(page, "Order cancelled")
    says(open_page(link), "Order cancelled")


def test_it_works_without_scripts(site: Site, open_page: Open) -> None:
    link = site.waiting()
    page = open_page(link, java_script_enabled=False)
    choose(page, "Cancel")
    send(page)
    says(page, "Order cancelled")
    assert site.decision(link)[0] is False


def test_sending_without_a_choice_is_stopped_by_the_browser(site: Site, open_page: Open) -> None:
    link = site.waiting()
    page = open_page(link)
    send(page)
    expect(page.get_by_role("radio").first).to_be_focused()
    expect(page.get_by_role("alert")).to_have_count(0)
    assert site.decision(link) == (None, None, None)


def test_a_scanner_that_posts_the_form_decides_nothing(site: Site, open_page: Open) -> None:
    link = site.waiting()
    page = open_page(link)
    page.get_by_label("Comment").fill("Typed before")
    page.evaluate("document.forms[0].submit()")  # asks no field whether it is filled in
    expect(page.get_by_role("alert")).to_be_visible()
    assert "choose" in alert(page)
    expect(page.get_by_role("alert")).to_be_focused()
    choices = page.get_by_role("radiogroup", name="Your decision")
    expect(choices).to_have_accessible_description(alert(page))
    expect(choices).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("Comment")).to_have_value("Typed before")
    assert site.decision(link) == (None, None, None)
    choose(page, "Confirm")  # and it can still be decided
    send(page)
    says(page, "Order confirmed")


@pytest.mark.parametrize("form", [{}, {"decision": ""}, {"decision": "yes"}, {"comment": "Click here"}])
def test_a_post_without_a_choice_decides_nothing(
    form: dict[str, str | float | bool], site: Site, open_page: Open
) -> None:
    link = site.waiting()
    page = open_page(link)
    answer = page.request.post(link, form=form)
    assert answer.status == 422
    assert 'role="alert"' in answer.text()
    assert site.decision(link) == (None, None, None)


def test_the_keyboard_is_enough(site: Site, open_page: Open) -> None:
    link = site.waiting()
    page = open_page(link)

    def focused(selector: str) -> None:
        expect(page.locator(selector)).to_be_focused()
        assert page.locator(selector).evaluate("field => getComputedStyle(field).outlineStyle") == "solid"

    page.keyboard.press("Tab")
    focused("[value=confirm]")
    page.keyboard.press("ArrowDown")
    focused("[value=cancel]")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Tab")
    focused("textarea")
    page.keyboard.type("By keys")
    page.keyboard.press("Tab")
    focused("button")
    page.keyboard.press("Enter")
    says(page, "Order confirmed")
    decided, _, comment = site.decision(link)
    assert (decided, comment) == (True, "By keys")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(scheme: str, site: Site, open_page: Open) -> None:
    def check(page: Page) -> None:
        results = Axe().run(page, options={"resultTypes": ["violations", "incomplete"]})
        assert not results.violations_count, results.generate_report()
        assert not results.response["incomplete"]

    page = open_page(site.waiting(), color_scheme=scheme)
    check(page)
    page.evaluate("document.forms[0].submit()")
    expect(page.get_by_role("alert")).to_be_visible()
    check(page)
    choose(page, "Confirm")
    check(page)
    send(page)
    says(page, "Order confirmed")
    check(page)
    late = site.waiting()
    other = open_page(late, color_scheme=scheme)
    page.goto(late)
    for each, choice in ((page, "Confirm"), (other, "Cancel")):
        choose(each, choice)
        each.get_by_label("Comment").fill("A comment")
        send(each)
    expect(other.get_by_role("status")).to_be_visible()
    check(other)
    for link in (site.expired(), site.stopped(), site.link("no-such-link")):
        page.goto(link)
        check(page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_colours_follow_the_scheme(scheme: str, site: Site, open_page: Open) -> None:
    page = open_page(site.waiting(), color_scheme=scheme)
    background = page.evaluate("getComputedStyle(document.querySelector('main')).backgroundColor")
    lightness = sum(map(int, background.removeprefix("rgb(").removesuffix(")").split(","))) / 3
    assert lightness > 200 if scheme == "light" else lightness < 60


def test_a_phone_needs_no_scrolling_sideways(site: Site, open_page: Open) -> None:
    def check(page: Page) -> None:
        assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]

    page = open_page(site.waiting(UNBROKEN), viewport=PHONE, is_mobile=True, has_touch=True)
    check(page)
    page.get_by_label("Comment").fill(UNBROKEN[:1000])
    page.get_by_text("Cancel the order").tap()
    page.get_by_role("button").tap()
    says(page, "Order cancelled")
    check(page)


def test_a_comment_ends_at_1000_characters(site: Site, open_page: Open) -> None:
    page = open_page(site.waiting())
    field = page.get_by_label("Comment")
    field.fill("y" * 999)
    field.press("End")
    page.keyboard.type("123")
    expect(field).to_have_value("y" * 999 + "1")
