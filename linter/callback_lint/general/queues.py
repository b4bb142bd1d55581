"""Queues between a wait and whoever answers it, and where a message ends that nobody could handle."""

from collections.abc import Iterator

from callback_lint.documents import Problem, number
from callback_lint.rules import template_rule
from callback_lint.templates import DEFAULT_BATCH_SIZE, Resource, Template

# What AWS takes where a template says nothing
_DEFAULT_FUNCTION_TIMEOUT = 3
_DEFAULT_VISIBILITY_TIMEOUT = 30
_DEFAULT_RETENTION = 345_600

_FEWEST_RECEIVES = 5  # https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
_VISIBILITY_PER_FUNCTION_TIMEOUT = 6  # the same page


@template_rule("EC2004")
def messages_outlive_the_wait(template: Template) -> Iterator[Problem]:
    """A message that expires before its wait does is a callback lost without a trace."""
    for wait in template.waits:
        retention = wait.queue.number("MessageRetentionPeriod", _DEFAULT_RETENTION)
        if retention is not None and wait.timeout is not None and retention <= wait.timeout:
            what = f"MessageRetentionPeriod {retention} does not exceed the {wait.timeout} s of {wait.state.name}"
            yield wait.queue.says(what, "MessageRetentionPeriod")


@template_rule("EC2006")
def messages_stay_hidden_while_they_are_worked_on(template: Template) -> Iterator[Problem]:
    for feed in template.feeds:
        queue = template.queues.get(feed.queue or "")
        if queue and feed.function:
            visibility = queue.number("VisibilityTimeout", _DEFAULT_VISIBILITY_TIMEOUT)
            timeout = feed.function.number("Timeout", _DEFAULT_FUNCTION_TIMEOUT)
            if visibility is None or timeout is None:
                continue
            if visibility < _VISIBILITY_PER_FUNCTION_TIMEOUT * timeout:
                what = f"VisibilityTimeout {visibility} is under 6 x the Timeout {timeout} of {feed.function.id}"
                yield queue.says(what, "VisibilityTimeout")


@template_rule("EC2007")
def messages_that_fail_are_put_aside(template: Template) -> Iterator[Problem]:
    for name, queue in _at_work(template).items():
        if "RedrivePolicy" not in queue.properties and name not in _dead_letter_queues(template):
            yield queue.says("RedrivePolicy is missing: what fails comes back until it expires, and is lost then")


@template_rule("EC2008")
def batches_fail_in_part(template: Template) -> Iterator[Problem]:
    for feed in template.feeds:
        size = number(feed.properties.get("BatchSize", DEFAULT_BATCH_SIZE))
        types = feed.properties.get("FunctionResponseTypes", [])
        if size and size > 1 and isinstance(types, list) and "ReportBatchItemFailures" not in types:
            what = f"FunctionResponseTypes lacks ReportBatchItemFailures: one bad message brings back all {size}"
            yield feed.says(what, "FunctionResponseTypes")


@template_rule("EC2018")
def messages_get_enough_tries(template: Template) -> Iterator[Problem]:
    """With fewer a message is given up for what its neighbours did, or for a throttle."""
    for queue in _at_work(template).values():
        receives = number(queue.get("RedrivePolicy", "maxReceiveCount"))
        if receives is not None and receives < _FEWEST_RECEIVES:
            what = f"maxReceiveCount {receives} is under the {_FEWEST_RECEIVES} that AWS advises"
            yield queue.says(what, "RedrivePolicy", "maxReceiveCount")


@template_rule("EC5001")
def dead_letters_are_read(template: Template) -> Iterator[Problem]:
    """Else what waits for a message that nobody could handle waits until its timeout."""
    for queue in {wait.queue.id: wait.queue for wait in template.waits}.values():
        follower = template.dead_letter_queue(queue)
        if follower == queue.id or (follower in template.queues and follower not in template.read_queues):
            what = f"its dead letters go to {follower}, which no function reads: the workflow waits for its timeout"
            yield queue.says(what, "RedrivePolicy", "deadLetterTargetArn")


def _at_work(template: Template) -> dict[str, Resource]:
    """The queues that feed a function or that a wait sends to."""
    sent_to = {wait.queue.id for wait in template.waits}
    fed_from = {feed.queue for feed in template.feeds}
    return {name: queue for name, queue in template.queues.items() if name in sent_to | fed_from}


def _dead_letter_queues(template: Template) -> set[str | None]:
    return {template.dead_letter_queue(queue) for queue in template.queues.values()}
