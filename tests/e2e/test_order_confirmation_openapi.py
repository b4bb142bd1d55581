"""The API of orders does what docs/order-confirmation-openapi.yaml says, whatever is sent to it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]

from tests.browser.site import Site
from tests.e2e.given import Stacks
from tools import PROJECT

# For each route and phase; a long run: API_EXAMPLES=500
EXAMPLES = int(os.environ.get("API_EXAMPLES", "20"))


@pytest.mark.slow
def test_any_request_is_answered_as_described(stacks: Stacks, tmp_path: Path) -> None:
    stack = stacks["order-confirmation"]
    site = Site(stack)
    links = [site.waiting(), site.waiting(), site.expired(), site.stopped()]
    described = yaml.safe_load((PROJECT / "docs/order-confirmation-openapi.yaml").read_text())
    if stack.endpoint_url:  # it words its own refusals otherwise than the template says
        for answer in described["components"]["responses"].values():
            del answer["content"]
    (tmp_path / "openapi.json").write_text(json.dumps(described))
    # Half of all requests are about what is there
    (tmp_path / "schemathesis.toml").write_text(f"""
        [dictionaries]
        orders = {{values = {json.dumps([site.order_id(link) for link in links])}}}
        links = {{values = {json.dumps([link.rpartition("/")[2] for link in links])}}}
        [parameters]
        "path.orderId" = {{dictionary = "orders", probability = 0.5}}
        "path.confirmationId" = {{dictionary = "links", probability = 0.5}}
        [headers]
        X-Api-Key = "{site.api_key}"
        [checks]
        positive_data_acceptance = {{expected-statuses = ["2xx", 404, 409, 410, 429]}}
        unsupported_method = {{enabled = false}} # API Gateway answers 403 where the check wants 405
        [[operations]] # a form may have fields that nobody asked for
        include-operation-id = "decide_order"
        checks = {{negative_data_rejection = {{enabled = false}}}}
        [generation]
        max-examples = {EXAMPLES}
        database = "none"
    """)
    run = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", "schemathesis.toml", "run", "openapi.json"),
            *("--url", site.base, "--no-color", "--suppress-health-check", "all"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    print(run.stdout)
    assert run.returncode == 0, run.stdout + run.stderr
