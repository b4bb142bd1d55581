"""Takes the pictures of the desk in docs/pictures again: .venv/bin/python -m tests.browser.desk_pictures"""

import json
import threading
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import Browser, Page

from tests.browser.chromium import chromium
from tests.e2e.others import Others
from tools import PROJECT
from tools.aws import Aws
from tools.desk.command import make_desk
from tools.engine.engine import Engine
from tools.stack import deployed, poll

FOLDER = PROJECT / "docs/pictures"
ORDER = json.loads((PROJECT / "events/payment_callback/order.json").read_text(encoding="utf-8"))


def take(folder: Path) -> None:
    """Who waits in four state machines, and a payment that failed, light and dark."""
    with TemporaryDirectory() as temporary, Engine(Path(temporary, "engine")) as engine, chromium() as browser:
        payments, work, files = (
            deployed(engine, config_env=name) for name in ("default", "manual-callback", "file-exchange")
        )
        paid = payments.start_all([ORDER] * 8)
        failed = next(arn for arn in paid if payments.ended(arn)["status"] == "FAILED")
        files.start({"info": {"orderId": "order-1"}}, "FileExchangeStateMachineArn")
        for document in ("contract.pdf", "invoice.pdf"):
            work.start({"document": document}, "ManualCallbackStateMachineArn")
        with payments.consumer_off("PaymentWorkerFunctionName"):
            payments.start_all([ORDER] * 2)
            engine.skip(2000)
            others = Others(engine)
            machine = others.start({"AskPartner": others.ask()})
            others.waits(machine, 1)
            server, address = make_desk(
                Aws(engine.client, "the embedded AWS", lambda: engine.skip(0)), 0, may_change=True
            )
            threading.Thread(target=server.serve_forever).start()
            try:
                for scheme in ("light", "dark"):
                    page = opened(browser, address, scheme)
                    poll("rows", lambda page=page: page.locator("tbody tr").count() == 6 or None, every=1)  # type: ignore[misc]
                    page.screenshot(path=folder / f"desk-waiting-{scheme}.png")
                    page.goto(f"{address.partition('/?')[0]}/execution?arn={failed}")
                    page.screenshot(path=folder / f"desk-execution-{scheme}.png")
            finally:
                server.shutdown()
                server.server_close()


def opened(browser: Browser, address: str, scheme: str) -> Page:
    page = browser.new_page(viewport={"width": 1360, "height": 640}, color_scheme=scheme)  # type: ignore[arg-type]
    page.goto(address)
    return page


if __name__ == "__main__":
    take(FOLDER)
