"""A Chromium that is installed here, without a window."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

FLAGS = [
    "--no-sandbox",  # as root, and in a container, there is none to be had
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


class NoChromium(Exception):
    """The text says how to get one."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """Raises NoChromium where there is none: none named by CHROMIUM, on the PATH, or installed by Playwright."""
    with sync_playwright() as playwright:
        found = (shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome"))
        path = os.environ.get("CHROMIUM") or next(filter(None, found), playwright.chromium.executable_path)
        if not Path(path).is_file():
            raise NoChromium(
                "No Chromium here. Install one (Debian, Ubuntu: apt install chromium; anywhere: "
                ".venv/bin/playwright install chromium), or set CHROMIUM to the path of its program."
            )
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()
