"""A ledger that cannot fail proves nothing: where a fault is planted, it does not balance."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults.ledger import check_afterwards
from tests.faults.rounds import play
from tests.faults.workflows import ADAPTERS
from tests.faults.world import worlds_in
from tools import PROJECT

DEPLOYED = ("template.yaml", "templates", "statemachine", "functions")
PATIENCE = 30  # seconds; what is lost never ends


@dataclass(frozen=True)
class Mutant:
    """`old` is replaced by `new` in a file; the round with this name then says `finds`."""

    name: str
    file: str
    old: str
    new: str
    workflow: str
    round: str
    finds: str


MUTANTS = [
    Mutant(
        "a message whose callback failed is deleted",
        *("functions/callbacks/batch.py", 'failed.append({"itemIdentifier": record["messageId"]})', "pass"),
        *("payment-callback", "cut before", "have not ended"),
    ),
    Mutant(
        "the coin is tossed by the token",
        *("functions/payment_worker.py", "request.idempotency_key", "request.task_token"),
        *("payment-callback", "delivered twice", "ended with"),
    ),
    Mutant(
        "a stop is not notified",
        *("template.yaml", "status: [ABORTED]", "status: [TIMED_OUT]"),
        *("payment-callback", "stopped under way", "without their notification"),
    ),
    Mutant(
        "a token is logged",
        *("functions/manual_callback.py", "correlation_id=execution_id)", 'correlation_id=event["token"])'),
        *("manual-callback", "answered twice", "secrets are in the log"),
    ),
    Mutant(
        "a heartbeat is a success",
        *("functions/manual_callback.py", "send_task_heartbeat(token)", "send_task_success(token, None)"),
        *("manual-callback", "consumer off", "another output"),
    ),
    Mutant(
        "work may be received once",
        *("templates/manual-callback.yaml", "maxReceiveCount: 10", "maxReceiveCount: 1"),
        *("manual-callback", "hesitated", "reported undeliverable"),
    ),
    Mutant(
        "each delivery starts another simulation",
        *("functions/async_api_requester.py", "hashlib.sha256(task_token.encode()).hexdigest()"),
        *('__import__("uuid").uuid4().hex', "async-api", "delivered twice", "simulations are of no request"),
    ),
    Mutant(
        "an odd response is not notified",
        *("statemachine/async_api.asl.json", '},\n      "Next": "NotifyError"\n    },\n    "NotifyError"'),
        *('},\n      "Next": "ApiFailed"\n    },\n    "NotifyError"', "async-api", "odd responses", "by way of"),
    ),
    Mutant(
        "a rejected file is not kept",
        *("functions/file_exchange_inbox.py", 'bucket.copy(file, f"{rejected_folder(file)}/content")', "pass"),
        *("file-exchange", "delivered twice", "are accepted"),
    ),
    Mutant(
        "nobody reports that an exchange has failed",
        *("templates/file-exchange.yaml", "status: [SUCCEEDED, FAILED, TIMED_OUT, ABORTED]", "status: [SUCCEEDED]"),
        *("file-exchange", "partner silent, then late", "removal of the tokens"),
    ),
    Mutant(
        "the last decision counts",
        *("functions/orders/store.py", '"attribute_exists(pk) AND attribute_not_exists(settled) AND attribute_not'),
        *('"attribute_exists(pk) AND attribute_not', "order-confirmation", "key throttled", "accepted otherwise"),
    ),
    Mutant(
        "an order does not follow its execution",
        *("templates/order-confirmation.yaml", "status: [ABORTED, FAILED, TIMED_OUT]", "status: [FAILED]"),
        *("order-confirmation", "stopped and redriven", "end of the stopped orders"),
    ),
]


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_the_ledger_does_not_balance_where(mutant: Mutant, tmp_path: Path) -> None:
    # Given
    project = tmp_path / "project"
    for name in DEPLOYED:
        copy = shutil.copytree if (PROJECT / name).is_dir() else shutil.copy
        project.mkdir(exist_ok=True)
        copy(PROJECT / name, project / name)
    source = (project / mutant.file).read_text()
    assert source.count(mutant.old) == 1
    (project / mutant.file).write_text(source.replace(mutant.old, mutant.new))
    adapter = ADAPTERS[mutant.workflow]()
    [round_] = [each for each in adapter.rounds if each.name == mutant.round]
    # When
    with worlds_in(tmp_path / "engine", adapter, project=project) as [world]:
        result = play(round_, world, 20, seed=1, patience=PATIENCE)
        problems = result.problems + check_afterwards(world)
    # Then
    assert any(mutant.finds in problem for problem in problems), problems
