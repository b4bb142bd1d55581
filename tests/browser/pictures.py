"""Takes the pictures of docs/pictures again: PYTHONPATH=functions .venv/bin/python -m tests.browser.pictures"""

from pathlib import Path

from tests.browser.chromium import chromium
from tests.browser.site import local_site
from tools import PROJECT

FOLDER = PROJECT / "docs/pictures"


def take(folder: Path) -> None:
    """The form on a light desktop, and what it looks like on a dark phone once somebody has decided."""
    folder.mkdir(exist_ok=True)
    with chromium() as browser, local_site() as site:
        page = browser.new_page(viewport={"width": 720, "height": 400})
        page.goto(site.waiting())
        page.get_by_label("Confirm the order").check()
        page.screenshot(path=folder / "confirmation-desktop-light.png", full_page=True)
        page = browser.new_page(viewport={"width": 360, "height": 400}, color_scheme="dark")
        page.goto(site.waiting())
        page.get_by_label("Confirm the order").check()
        page.get_by_label("Comment").fill("Please deliver after 10 o'clock.")
        page.get_by_role("button").click()
        page.get_by_role("heading", name="Order confirmed").wait_for()
        page.screenshot(path=folder / "confirmation-phone-dark.png", full_page=True)


if __name__ == "__main__":
    take(FOLDER)
