"""The order confirmation on an embedded AWS that decides about every call by IAM, over TLS."""

from collections.abc import Iterator

import pytest

from tests.e2e.test_order_confirmation import (  # noqa: F401 - collected here, with the fixtures below
    api,
    notifications,
    order_id,
    test_a_decision_whose_callback_is_lost_counts_when_the_order_would_expire,
    test_a_decision_whose_workflow_is_gone_is_reported,
    test_a_redrive_opens_a_stopped_order_again,
    test_an_order_is_cancelled_on_its_page_which_opening_it_does_not,
    test_an_order_is_confirmed_and_its_end_is_notified_once,
    test_an_order_that_somebody_stops_ends_and_decides_nothing,
)
from tests.security.test_enforced import deployed_where_iam_decides, engine  # noqa: F401
from tools.engine.engine import Engine
from tools.stack import Stack

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def stack(engine: Engine) -> Iterator[Stack]:  # noqa: F811
    with (
        deployed_where_iam_decides(engine, "order-confirmation") as stack,
        pytest.MonkeyPatch.context() as environment,
    ):
        environment.setenv("SSL_CERT_FILE", engine.client_variables()["AWS_CA_BUNDLE"])
        yield stack
