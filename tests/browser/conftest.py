"""Browser tests drive an installed Chromium."""

import os
import re
from collections.abc import Iterator
from typing import Any, Protocol
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.chromium import NoChromium, chromium
from tests.browser.site import Site
from tests.e2e.given import Stacks


# No longer than a module: Playwright keeps an event loop running, which bars asyncio.run() in the same process
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    try:
        with chromium() as browser:
            yield browser
    except NoChromium as missing:
        if "CHROMIUM" in os.environ:
            raise
        pytest.skip(str(missing))


@pytest.fixture(scope="module")
def site(stacks: Stacks) -> Site:
    return Site(stacks["order-confirmation"])


class Open(Protocol):
    def __call__(self, link: str, **options: Any) -> Page:
        """A page of a new browser profile; options as of playwright's Browser.new_context."""


@pytest.fixture
def open_page(browser: Browser, site: Site, request: pytest.FixtureRequest) -> Iterator[Open]:
    """Opens links. Keeps a picture of what each showed last; nothing but the site may be asked for."""
    pages: list[Page] = []
    asked: list[str] = []
    complaints: list[str] = []

    def open_page(link: str, **options: Any) -> Page:
        page = browser.new_context(**options).new_page()
        page.set_default_timeout(10_000)
        page.on("request", lambda asking: asked.append(urlsplit(asking.url).netloc))
        page.on("console", lambda said: complaints.append(said.text) if "Content Security" in said.text else None)
        page.goto(link)
        pages.append(page)
        return page

    yield open_page
    folder = request.config.rootpath / ".pytest_cache/pictures"
    folder.mkdir(parents=True, exist_ok=True)
    for number, page in enumerate(pages, 1):
        name = re.sub(r"\W+", "-", request.node.name).strip("-")
        page.screenshot(path=folder / f"{name}-{number}.png", full_page=True)
        page.context.close()
    assert set(asked) == {urlsplit(site.base).netloc}
    assert not complaints
