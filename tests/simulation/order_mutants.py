"""Faults planted into the order confirmation; mutants.py has those of the other workflows."""

from collections.abc import Callable
from typing import Any

import order_api
import order_closer
import order_confirmer
import order_processor
from orders import store, workflow
from tests.simulation.aws import Aws
from tests.simulation.mutants import Mutant, replace_in_state, replaced, without_partial_failures
from tests.simulation.order_confirmation import OrderConfirmations
from tests.simulation.orders import MACHINE
from tests.unit.state_machine import Fields


def in_state(name: str, old: str, new: str) -> Callable[[Aws], None]:
    return lambda aws: replace_in_state(aws, MACHINE, name, old, new)


def without_event(function: str, event: str) -> Callable[[Fields], None]:
    def plant(template: Fields) -> None:
        del template["Resources"][function]["Properties"]["Events"][event]

    return plant


def mapping(function: str, event: str, **changes: Any) -> Callable[[Fields], None]:
    """A fault that is another property of an event source mapping."""

    def plant(template: Fields) -> None:
        template["Resources"][function]["Properties"]["Events"][event]["Properties"].update(changes)

    return plant


ORDER_MUTANTS = [
    Mutant(
        "nobody reports that an order's execution has ended",
        OrderConfirmations,
        template=without_event("OrderCloserFunction", "ExecutionEnded"),
    ),
    Mutant(
        "an order stays open when its workflow has ended",
        OrderConfirmations,
        replaced(workflow.follow_execution, "store.end(order, ended)", "return"),
    ),
    Mutant(
        "an order that exists is written anew",
        OrderConfirmations,
        replaced(store.create, 'attribute_not_exists(pk)"', 'attribute_not_exists(nowhere)"'),
    ),
    Mutant(
        "an order is posted again with other details, and taken",
        OrderConfirmations,
        replaced(store.create, "orderDetails = :same", "(orderDetails = :same OR NOT orderDetails = :same)"),
    ),
    Mutant(
        "an order that was never posted can be confirmed",
        OrderConfirmations,
        replaced(store.offer_confirmation, '"attribute_exists(pk)"', '"attribute_not_exists(nowhere)"'),
    ),
    Mutant(
        "an order is decided again",
        OrderConfirmations,
        replaced(store.decide, " AND attribute_not_exists(settled)", ""),
    ),
    Mutant(
        "an order that was stopped is decided",
        OrderConfirmations,
        replaced(store.decide, 'attribute_not_exists(ended)"\n', 'attribute_exists(pk)"\n'),
    ),
    Mutant(
        "an order is decided when its time is over",
        OrderConfirmations,
        replaced(store.decide, " AND {_IN_TIME}", " AND NOT expiresAt = :now"),
    ),
    Mutant(
        "the decision of a stopped order is accepted once more",
        OrderConfirmations,
        replaced(store.decide, "settled = :same AND attribute_not_exists(ended)", "settled = :same"),
    ),
    Mutant(
        "an order expires although it was decided",
        OrderConfirmations,
        in_state("CloseOrder", " AND attribute_not_exists(settled)", ""),
    ),
    Mutant(
        "a workflow is answered before the decision is stored",
        OrderConfirmations,
        replaced(
            order_api.confirm_order,
            "    order = store.decide(",
            "    waiting = store.waiting_task(order_id)\n"
            "    if waiting:\n"
            "        __import__('order_confirmer').send_task_success(waiting.task_token, {})\n"
            "    order = store.decide(",
        ),
    ),
    Mutant(
        "a status event is taken for the truth",
        OrderConfirmations,
        replaced(
            order_closer.lambda_handler,
            "follow_execution(order_id, arn)",
            "(order := __import__('orders').store.find(order_id)) and event['detail']['status'] == 'ABORTED'"
            " and __import__('orders').store.end(order, 'STOPPED')",
        ),
    ),
    Mutant(
        "the answer is a coin's",
        OrderConfirmations,
        replaced(order_confirmer.answer, 'order.decision == "CONFIRMED"', "sum(task_token.encode()) % 2"),
    ),
    Mutant(
        "a record is given up after two attempts",
        OrderConfirmations,
        template=mapping("OrderStarterFunction", "Orders", MaximumRetryAttempts=1),
    ),
    Mutant(
        "the stream reports decisions only",
        OrderConfirmations,
        template=mapping(
            "OrderConfirmerFunction",
            "DecisionsAndTokens",
            FilterCriteria={"Filters": [{"Pattern": '{"dynamodb": {"NewImage": {"settled": {"S": ["CONFIRMED"]}}}}'}]},
        ),
    ),
    Mutant(
        "a link is logged",
        OrderConfirmations,
        replaced(
            order_processor.process_order,
            'correlation_id=printable_execution_id(event.get("executionId"))',
            "link=confirmation_id",
        ),
    ),
    Mutant(
        "a scanner that posts a form without a choice confirms",
        OrderConfirmations,
        replaced(
            order_api.decide_order,
            'choice, comment = form_field("decision"),',
            'choice, comment = form_field("decision") or list(page.CHOICES)[0],',
        ),
    ),
    Mutant(
        "the decision is read as it was a moment ago",
        OrderConfirmations,
        in_state("ReadDecision", "true", "false"),
    ),
    Mutant(
        "the token of the first wait is kept after the reminder",
        OrderConfirmations,
        in_state("WaitForDecision", "'TOKEN#' & $orderId", "'NEXT#' & $orderId"),
    ),
    Mutant(
        "the stream does not learn of partial failures",
        OrderConfirmations,
        template=without_partial_failures("OrderConfirmerFunction"),
    ),
    Mutant(
        "an order that somebody has deleted is ended",
        OrderConfirmations,
        replaced(store.end, "attribute_exists(pk) AND ", ""),
    ),
    Mutant(
        "an order is ended as it was read, and not as it is",
        OrderConfirmations,
        replaced(store.end, " AND {as_read}", ""),
    ),
    Mutant(
        "an order that somebody has deleted is opened again",
        OrderConfirmations,
        replaced(store.reopen, '"attribute_exists(pk)"', '"attribute_not_exists(nowhere)"'),
    ),
    Mutant(
        "the token of who waits by now is forgotten, too",
        OrderConfirmations,
        replaced(store.forget_task, '"taskToken = :answered"', '"taskToken = :answered OR attribute_exists(pk)"'),
    ),
    Mutant(
        "a decision that nobody carries out is reported after its order has ended",
        OrderConfirmations,
        replaced(
            workflow.follow_execution,
            "            if order.decision:\n"
            "                _report(order, execution_id)\n"
            "            store.end(order, ended)\n",
            "            store.end(order, ended)\n"
            "            if order.decision:\n"
            "                _report(order, execution_id)\n",
        ),
    ),
]
