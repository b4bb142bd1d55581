"""The rounds: each brings one fault from outside over a number of executions; the last brings all of them at once."""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

from tests.faults.ledger import INVALID, UNDELIVERABLE, Count, Ledger, Order, Progress, orders
from tests.faults.messages import (
    INPUT_BYTES,
    enlarged,
    foreign_workflow,
    forged_messages,
    oversized_message,
    unreadable_messages,
)
from tests.faults.mixed import everything
from tests.faults.proxy import Fault, exactly, no_fault, seeded
from tests.faults.world import WORKER, World
from tools.stack import poll

RECEIVES = 5  # maxReceiveCount of the payment queue
REPORT_SECONDS = 10  # from the last receive of a payment request to the end of its execution
BATCH = 10
POISON_REDELIVERY = 2


@dataclass(frozen=True)
class Round:
    """One fault.

    `redelivery` is the visibility timeout of both queues meanwhile, in seconds: more than a batch takes in this round,
    so that no message is redelivered while it is being answered. `reported` is the share of workflows
    that may end with `Callback.Undeliverable`: none, unless the fault is one that no retry fixes.
    """

    name: str
    run: Callable[[World, Ledger, int, Random], None]
    redelivery: int
    reported: float = 0


@dataclass(frozen=True)
class Result:
    name: str
    injected: dict[str, int]
    count: Count
    seconds: float
    problems: list[str]


def play(round_: Round, world: World, executions: int, seed: int, progress: Progress | None = None) -> Result:
    """Plays one round to its end and balances the ledger."""
    started = time.monotonic()
    traffic = world.proxy.begin()
    ledger = Ledger(world, traffic, *([progress] if progress else []))
    slowest = 12 * round_.redelivery + 60 + executions / 10
    with world.stack.quick_redelivery("PaymentQueueUrl", "DeadLetterQueueUrl", seconds=round_.redelivery):
        try:
            round_.run(world, ledger, executions, Random(f"{seed} {round_.name}"))  # noqa: S311 - reproducible is meant
        except AssertionError as error:
            ledger.problems.append(str(error))
        count = ledger.balance(slowest)
        ledger.require(
            count.reported <= round_.reported * count.executions,
            f"{count.reported} executions were reported undeliverable",
        )
        if ledger.problems:
            world.purge()
    injected = {**{str(fault): times for fault, times in traffic.injected.items()}, **ledger.injected}
    return Result(round_.name, injected, count, time.monotonic() - started, ledger.problems)


# ------------------------------------------------------------------ between the functions and Step Functions
def api_fault(fault: Fault, most: int) -> Callable[[World, Ledger, int, Random], None]:
    """Each callback meets the fault 1 to `most` times in a row; the functions try 3 times an invocation."""

    def run(world: World, ledger: Ledger, count: int, random: Random) -> None:
        world.proxy.follow(seeded(random, {fault: 1}, most))
        ledger.start(orders("api", count))

    return run


def five_throttles(world: World, ledger: Ledger, count: int, _: Random) -> None:
    """Full batches whose every call is throttled five times: 3 attempts, redelivery, 2 more, and the answer."""
    world.proxy.follow(exactly(5, Fault.THROTTLE))
    with world.stack.consumer_off(WORKER):
        ledger.start(orders("throttled", count))
        wait_for_depth(world, count)
    ledger.wait(60)
    calls = Counter(world.proxy.traffic.calls.values())
    ledger.require(set(calls) == {6}, f"calls by token: {calls}")
    taken = Counter(map(len, world.proxy.traffic.accepted.values()))
    ledger.require(set(taken) == {1}, f"answers taken by token: {taken}")


# ------------------------------------------------------------------ in the messages
def strange_messages(world: World, ledger: Ledger, count: int, random: Random) -> None:
    """Messages that are not JSON, hold no token, a forged, a foreign or a settled one, among as many real ones."""
    with foreign_workflow(world) as (foreign_message, foreign_ticket):
        with world.stack.consumer_off(WORKER):
            ledger.start(orders("real", count))
            wait_for_depth(world, count)
            real = world.take(count)
            others = [*forged_messages(random), foreign_message]
            ledger.foreign_tickets.add(foreign_ticket)
            ledger.injected["forged or foreign token"] += len(others)
            messages = [*real, *others]
            random.shuffle(messages)
            world.send(*messages)
            ledger.send_unreadable(*unreadable_messages(random, count))
        ledger.wait(60)
        ledger.injected["settled token"] += len(real)
        world.send(*real)


def one_bad_record(world: World, ledger: Ledger, count: int, random: Random) -> None:
    """Batches of nine real messages and one that is unreadable: the nine end in the first delivery."""
    with world.stack.consumer_off(WORKER):
        for depth in range(BATCH, BATCH * -(-count // (BATCH - 1)) + 1, BATCH):
            ledger.start(orders("among-ten", BATCH - 1))
            wait_for_depth(world, depth - 1)
            ledger.send_unreadable(*unreadable_messages(random, 1))
    ledger.wait(60)
    calls = Counter(world.proxy.traffic.calls.values())
    ledger.require(set(calls) == {1}, f"calls by token: {calls}")


def oversized(world: World, ledger: Ledger, count: int, random: Random) -> None:
    """Inputs as large as an execution takes, by a note or by the order id, and messages that are larger still."""

    def inputs() -> Iterator[Order]:
        for order in orders("large", count):
            field = random.choice(["note", "orderId", "nothing"])
            yield order if field == "nothing" else enlarged(order, field)

    with world.stack.consumer_off(WORKER):
        ledger.start(inputs())
        wait_for_depth(world, count)
        messages: list[dict[str, Any]] = [json.loads(body) for body in world.take(count)]
        for message in messages:
            message["payload"].setdefault("note", "x" * 2 * INPUT_BYTES)
        world.send(*map(json.dumps, messages))
        ledger.injected["oversized payload"] += count
        ledger.send_unreadable(oversized_message())


def twice(world: World, ledger: Ledger, count: int, random: Random) -> None:
    """Every message is delivered twice."""
    with world.stack.consumer_off(WORKER):
        ledger.start(orders("twice", count))
        wait_for_depth(world, count)
        ledger.send_twice(world.take(count), random)


def poison(world: World, ledger: Ledger, count: int, _: Random) -> None:
    """Messages that always break the worker, unless they are no payments: all fail long before their timeout."""
    with world.stack.without_variable(WORKER, "PAYMENT_SUCCESS_RATE"):
        ledger.start(orders("poison", count))
        ledger.injected["poison message"] += count
        poll("ends of the poisoned", lambda: ledger.look() == 0 or None, 120)
    pauses = -(-count // BATCH)  # the embedded AWS receives nothing for a second after a batch that failed
    limit = RECEIVES * (POISON_REDELIVERY + pauses) + REPORT_SECONDS
    slowest = max(end.seconds for end in ledger.ends.values())
    ledger.require(slowest <= limit, f"the slowest took {slowest:.1f} s; the limit is {limit} s")
    ledger.require({end.how for end in ledger.ends.values()} == {INVALID, UNDELIVERABLE}, "some were not reported")


# ------------------------------------------------------------------ in the worker and the workflow
def killed(world: World, ledger: Ledger, count: int, random: Random) -> None:
    """The worker is killed in the middle of a batch, twice: some of the batch is answered, the rest is held."""
    world.proxy.follow(seeded(random, {Fault.HOLD_BEFORE: 1, Fault.HOLD_AFTER: 1}, most=1, share=0.5))
    ledger.start(orders("killed", count))
    for _ in range(2):
        if world.proxy.wait_for_held(20):
            ledger.injected["kill"] += world.kill_workers()
            world.proxy.release()
    world.proxy.follow(no_fault)
    world.proxy.release()


def consumer_off(world: World, ledger: Ledger, count: int, _: Random) -> None:
    """Nothing reads the queue for a while."""
    with world.stack.consumer_off(WORKER):
        ledger.start(orders("unread", count))
        wait_for_depth(world, count)
        ledger.require(ledger.look() == count, "an execution ended while nothing read its message")
        ledger.injected["unread message"] += count


def stopped(world: World, ledger: Ledger, count: int, random: Random) -> None:
    """StopExecution while the message waits, for a quarter, and while it may be answered, for another."""
    with world.stack.consumer_off(WORKER):
        waiting = ledger.start(orders("stopped", count))
        wait_for_depth(world, count)
        ledger.stop(random.sample(waiting, count // 2))
    ledger.stop(random.sample(ledger.start(orders("stopped-late", count)), count // 2))


def wait_for_depth(world: World, count: int) -> None:
    poll(f"{count} messages", lambda: world.stack.depth("PaymentQueueUrl") == count or None, 60)


ROUNDS = [
    Round("throttled", api_fault(Fault.THROTTLE, most=5), redelivery=5),
    Round("error 500", api_fault(Fault.ERROR, most=5), redelivery=5),
    Round("slow answers", api_fault(Fault.SLOW, most=2), redelivery=9),
    Round("cut before", api_fault(Fault.CUT_BEFORE, most=5), redelivery=5),
    Round("cut after", api_fault(Fault.CUT_AFTER, most=2), redelivery=5),
    Round("five throttles on each of ten", five_throttles, redelivery=5),
    Round("strange messages", strange_messages, redelivery=3),
    Round("one bad record among ten", one_bad_record, redelivery=3),
    Round("oversized payloads", oversized, redelivery=3),
    Round("delivered twice", twice, redelivery=3),
    Round("poison messages", poison, redelivery=POISON_REDELIVERY, reported=1),
    Round("killed mid-batch", killed, redelivery=5),
    Round("consumer off", consumer_off, redelivery=3),
    Round("stopped under way", stopped, redelivery=3),
]
MIXED = Round("all of them", everything, redelivery=9, reported=0.1)
