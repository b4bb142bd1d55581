"""Queues between a wait and whoever answers it, and where a message ends that nobody could handle."""

from collections.abc import Iterator

from callback_lint import sources
from callback_lint.asl import State
from callback_lint.documents import Problem, fields, number
from callback_lint.integrations import service_call
from callback_lint.rules import template_rule
from callback_lint.templates import DEFAULT_BATCH_SIZE, Resource, Template, Thresholds, Wait, referenced

# What AWS takes where a template says nothing
_DEFAULT_FUNCTION_TIMEOUT = 3
_DEFAULT_VISIBILITY_TIMEOUT = 30
_DEFAULT_RETENTION = 345_600


@template_rule("EC2004", sources.STUCK)
def messages_outlive_the_wait(template: Template) -> Iterator[Problem]:
    """Messages of the queue expire before the wait times out, before they are dead letters, or before they do in
    the queue that they come from. What is not read in time is gone without a trace, and the workflow waits on.
    Raise `MessageRetentionPeriod` above `TimeoutSeconds`.
    """
    for wait in template.waits:
        retention = wait.queue.number("MessageRetentionPeriod", _DEFAULT_RETENTION)
        if retention is not None and wait.timeout is not None and retention <= wait.timeout:
            what = f"MessageRetentionPeriod {retention} does not exceed the {wait.timeout} s of {wait.state.name}"
            yield wait.queue.says(what, "MessageRetentionPeriod")
    for queue in {wait.queue.id: wait.queue for wait in template.waits}.values():
        follower = template.queues.get(template.dead_letter_queue(queue) or "")
        own = queue.number("MessageRetentionPeriod", _DEFAULT_RETENTION)
        kept = follower.number("MessageRetentionPeriod", _DEFAULT_RETENTION) if follower else None
        if follower and kept is not None and own is not None and kept < own:
            what = f"MessageRetentionPeriod {kept} is under the {own} of {queue.id}: its age goes on in a dead letter"
            yield follower.says(what, "MessageRetentionPeriod")

    for queue in _at_work(template).values():
        retention = queue.number("MessageRetentionPeriod", _DEFAULT_RETENTION)
        visibility = queue.number("VisibilityTimeout", _DEFAULT_VISIBILITY_TIMEOUT)
        receives = number(queue.get("RedrivePolicy", "maxReceiveCount"))
        if retention is not None and visibility and receives and retention <= visibility * receives:
            what = (
                f"MessageRetentionPeriod {retention} does not exceed VisibilityTimeout {visibility} x maxReceiveCount"
            )
            yield queue.says(
                f"{what} {receives}: what fails expires before it is a dead letter", "MessageRetentionPeriod"
            )


@template_rule("EC2006", sources.QUEUES_OF_LAMBDA)
def messages_stay_hidden_while_they_are_worked_on(template: Template) -> Iterator[Problem]:
    """`VisibilityTimeout` is under six times the function's `Timeout`. A message comes back while it is still
    worked on, and is done twice. AWS advises six times.
    """
    for feed in template.feeds:
        queue = template.queues.get(feed.queue or "")
        if queue and feed.function:
            visibility = queue.number("VisibilityTimeout", _DEFAULT_VISIBILITY_TIMEOUT)
            timeout = feed.function.number("Timeout", _DEFAULT_FUNCTION_TIMEOUT)
            if visibility is None or timeout is None:
                continue
            factor = template.thresholds.visibility_per_timeout
            if visibility < factor * timeout:
                what = f"VisibilityTimeout {visibility} is under {factor} x the Timeout {timeout} of {feed.function.id}"
                yield queue.says(what, "VisibilityTimeout")


@template_rule("EC2007", sources.DEAD_LETTERS)
def messages_that_fail_are_put_aside(template: Template) -> Iterator[Problem]:
    """A queue that feeds a function, or that a wait sends to, has no `RedrivePolicy`. What cannot be handled
    comes back until it expires, and costs an invocation each time. Add a dead-letter queue.
    """
    for name, queue in _at_work(template).items():
        if "RedrivePolicy" not in queue.properties and name not in _dead_letter_queues(template):
            yield queue.says("RedrivePolicy is missing: what fails comes back until it expires, and is lost then")


@template_rule("EC2008", sources.BATCH_FAILURES)
def batches_fail_in_part(template: Template) -> Iterator[Problem]:
    """Batches without `ReportBatchItemFailures`. One bad message brings back its whole batch: good ones are done
    again, and end in the dead-letter queue with it. Add it to `FunctionResponseTypes`, and return
    `batchItemFailures`.
    """
    for feed in template.feeds:
        size = number(feed.properties.get("BatchSize", DEFAULT_BATCH_SIZE))
        types = feed.properties.get("FunctionResponseTypes", [])
        if size and size > 1 and isinstance(types, list) and "ReportBatchItemFailures" not in types:
            what = f"FunctionResponseTypes lacks ReportBatchItemFailures: one bad message brings back all {size}"
            yield feed.says(what, "FunctionResponseTypes")


@template_rule("EC2018", sources.QUEUES_OF_LAMBDA)
def messages_get_enough_tries(template: Template) -> Iterator[Problem]:
    """`maxReceiveCount` is under 5. A throttle or a bad neighbour uses up the tries of a good message. AWS
    advises 5 or more.
    """
    for queue in _at_work(template).values():
        receives = number(queue.get("RedrivePolicy", "maxReceiveCount"))
        fewest = template.thresholds.fewest_receives
        if receives is not None and receives < fewest:
            by = "that AWS advises" if fewest == Thresholds().fewest_receives else "of the configuration"
            what = f"maxReceiveCount {receives} is under the {fewest} {by}"
            yield queue.says(what, "RedrivePolicy", "maxReceiveCount")


@template_rule("EC5001", sources.DEAD_LETTERS)
def dead_letters_are_read(template: Template) -> Iterator[Problem]:
    """Nobody reads the dead-letter queue of a queue that a wait sends to. The workflow behind a dead letter waits
    for its timeout. Let a function read it that calls SendTaskFailure with the token in the message.
    """
    for queue in {wait.queue.id: wait.queue for wait in template.waits}.values():
        follower = template.dead_letter_queue(queue)
        if follower == queue.id or (follower in template.queues and follower not in template.read_queues):
            what = f"its dead letters go to {follower}, which no function reads: the workflow waits for its timeout"
            yield queue.says(what, "RedrivePolicy", "deadLetterTargetArn")


@template_rule("EC2025", sources.STUCK)
def queues_deliver_within_the_wait(template: Template) -> Iterator[Problem]:
    """A queue holds a message back for longer than the wait for its answer: by `DelaySeconds`, or because a
    message that fails comes back only after `VisibilityTimeout`, `maxReceiveCount` times, before it is a dead
    letter. The answer, or the report that nobody could work on it, comes when nobody waits any more. Lower them,
    or raise `TimeoutSeconds`. A wait that is shorter than the one `VisibilityTimeout` which AWS advises for the
    function is left alone.
    """
    for wait in template.waits:
        delay = number(fields(wait.state.arguments).get("DelaySeconds"))
        on_message = delay is not None
        delay = delay if on_message else wait.queue.number("DelaySeconds", 0)
        if delay and wait.patience is not None and delay >= wait.patience:
            what = f"DelaySeconds {delay} is not below the {wait.patience} s for which {wait.state.name} waits"
            if on_message:
                yield wait.state.says(what, wait.state.arguments_field, "DelaySeconds")
            else:
                yield wait.queue.says(what, "DelaySeconds")
        visibility = wait.queue.number("VisibilityTimeout", _DEFAULT_VISIBILITY_TIMEOUT)
        receives = number(wait.queue.get("RedrivePolicy", "maxReceiveCount"))
        late = wait.timeout is not None and visibility and receives and visibility * receives >= wait.timeout
        if late and not _is_as_advised(template, wait, visibility or 0):
            what = f"VisibilityTimeout {visibility} x maxReceiveCount {receives} is not below the {wait.timeout} s"
            yield wait.queue.says(f"{what} for which {wait.state.name} waits", "VisibilityTimeout")


def _is_as_advised(template: Template, wait: Wait, visibility: int) -> bool:
    functions = [feed.function for feed in template.feeds if feed.queue == wait.queue.id and feed.function]
    timeouts = [function.number("Timeout", _DEFAULT_FUNCTION_TIMEOUT) or 0 for function in functions]
    advised = template.thresholds.visibility_per_timeout * max(timeouts, default=0)
    return wait.timeout is not None and wait.timeout <= visibility <= advised


@template_rule("EC2020", sources.FIFO)
def messages_to_fifo_queues_have_a_group(template: Template) -> Iterator[Problem]:
    """A message goes to a FIFO queue or topic without `MessageGroupId`, with `DelaySeconds`, or without
    `MessageDeduplicationId` where the queue does not deduplicate by content. Each send fails. Add them, or take
    them out.
    """
    for machine in template.state_machines:
        for state in machine.tasks:
            call = service_call(state.resource)
            if call in {"sqs:sendMessage", "sns:publish"} and isinstance(state.arguments, dict):
                name = "QueueUrl" if call == "sqs:sendMessage" else "TopicArn"
                yield from _fifo_problems(template, state, name)


def _fifo_problems(template: Template, state: State, name: str) -> Iterator[Problem]:
    given = {key.removesuffix(".$") for key in state.arguments}
    value = state.arguments.get(name)
    resource = template.resources.get(referenced(state.machine.substituted(value)) or referenced(value) or "")
    flag = "FifoQueue" if name == "QueueUrl" else "FifoTopic"
    if not (isinstance(value, str) and value.endswith(".fifo")) and not (resource and _is_true(resource.get(flag))):
        return
    where = state.arguments_field
    if "MessageGroupId" not in given:
        yield state.says(f"{where}.MessageGroupId is missing: a FIFO queue or topic refuses the message", where)
    if "DelaySeconds" in given:
        what = f"{where}.DelaySeconds is there: a FIFO queue has a delay for all messages only"
        yield state.says(what, where, "DelaySeconds")
    if resource and "ContentBasedDeduplication" not in resource.properties and "MessageDeduplicationId" not in given:
        yield state.says(f"{where}.MessageDeduplicationId is missing, and {resource.id} makes none by itself", where)


@template_rule("EC2021", sources.DEAD_LETTERS)
def dead_letter_queues_are_of_the_same_kind(template: Template) -> Iterator[Problem]:
    """The dead-letter queue of a FIFO queue is a standard queue, or the reverse. SQS refuses the redrive policy.
    Make both of one kind.
    """
    for queue in template.queues.values():
        follower = template.queues.get(template.dead_letter_queue(queue) or "")
        if follower and _is_true(queue.get("FifoQueue")) != _is_true(follower.get("FifoQueue")):
            kinds = ("a FIFO queue", "a standard queue")
            own, other = kinds if _is_true(queue.get("FifoQueue")) else kinds[::-1]
            what = f"is {own}, and its dead-letter queue {follower.id} is {other}"
            yield queue.says(what, "RedrivePolicy", "deadLetterTargetArn")


def _is_true(value: object) -> bool:
    return value in (True, "true", "True")


def _at_work(template: Template) -> dict[str, Resource]:
    """The queues that feed a function or that a wait sends to."""
    sent_to = {wait.queue.id for wait in template.waits}
    fed_from = {feed.queue for feed in template.feeds}
    return {name: queue for name, queue in template.queues.items() if name in sent_to | fed_from}


def _dead_letter_queues(template: Template) -> set[str | None]:
    return {template.dead_letter_queue(queue) for queue in template.queues.values()}
