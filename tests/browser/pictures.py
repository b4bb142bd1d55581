"""Takes the pictures of docs/pictures again, of pages that are deployed: .venv/bin/python -m tests.browser.pictures"""

from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import Browser, Page

from tests.browser.chromium import chromium
from tests.browser.site import Site
from tools import PROJECT
from tools.engine.engine import Engine
from tools.stack import deployed

FOLDER = PROJECT / "docs/pictures"
SHAPES = {"desktop": {"width": 720, "height": 400}, "phone": {"width": 360, "height": 400}}


def take(folder: Path) -> None:
    """Each state of the page, as a desktop or a phone shows it, light or dark."""
    with TemporaryDirectory() as temporary, Engine(Path(temporary, "engine")) as engine, chromium() as browser:
        site = Site(deployed(engine, config_env="order-confirmation", parameters={"AskedBy": "Example Shop"}))

        def show(link: str, name: str) -> Page:
            return opened(browser, link, name)

        def keep(page: Page, name: str) -> None:
            page.screenshot(path=folder / f"confirmation-{name}.png", full_page=True)

        link = site.waiting(order_id="ORDER-2026-0117")
        page = show(link, "desktop-light")
        page.get_by_label("Confirm the order").check()
        keep(page, "desktop-light")
        keep(show(link, "desktop-dark"), "desktop-dark")
        page = show(link, "phone-light")
        page.evaluate("document.forms[0].submit()")
        page.get_by_role("alert").wait_for()
        keep(page, "phone-light-no-choice")
        late = show(link, "phone-light")
        page = show(link, "phone-dark")
        page.get_by_label("Confirm the order").check()
        page.get_by_label("Comment").fill("Please deliver after 10 o'clock.")
        page.get_by_role("button").click()
        page.get_by_role("heading", name="Order confirmed").wait_for()
        keep(page, "phone-dark")
        late.get_by_label("Cancel the order").check()
        late.get_by_label("Comment").fill("Ordered by mistake.")
        late.get_by_role("button").click()
        late.get_by_role("heading", name="Order confirmed").wait_for()
        keep(late, "phone-light-too-late")
        keep(show(site.stopped("ORDER-2026-0118"), "phone-light"), "phone-light-stopped")
        keep(show(site.expired("ORDER-2026-0119"), "phone-dark"), "phone-dark-expired")


def opened(browser: Browser, link: str, name: str) -> Page:
    shape, scheme = name.split("-")
    page = browser.new_page(viewport=SHAPES[shape], color_scheme=scheme)  # type: ignore[arg-type]
    page.goto(link)
    return page


if __name__ == "__main__":
    take(FOLDER)
