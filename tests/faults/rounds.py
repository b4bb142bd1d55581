"""How a round is played, the rounds that fit any workflow, and the one that brings every fault at once."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from tests.faults.adapter import Round
from tests.faults.ledger import Count, Ledger, Progress
from tests.faults.messages import forged_messages, oversized_message, unreadable_messages, waiting_elsewhere
from tests.faults.proxy import NETWORK_FAULTS, Fault, no_fault, seeded
from tests.faults.world import World

WAVE = 50  # executions of one disturbance, about

Run = Callable[[World, Ledger, int, Random], None]


@dataclass(frozen=True)
class Result:
    name: str
    injected: dict[str, int]
    count: Count
    seconds: float
    problems: list[str]


def play(
    round_: Round,
    world: World,
    executions: int,
    seed: object,
    progress: Progress | None = None,
    patience: float | None = None,
    make_ledger: Callable[..., Ledger] = Ledger,
) -> Result:
    """Plays a round to its end and balances the ledger. `patience`: seconds until what has not ended counts as lost."""
    started = time.monotonic()
    random = Random(f"{seed} {round_.name}")  # noqa: S311 - reproducible is meant
    traffic = world.proxy.begin()
    ledger = make_ledger(world, traffic, random, *([progress] if progress else []))
    slowest = patience or 12 * round_.redelivery + 60 + executions
    with world.stack.quick_redelivery(*world.adapter.queues, seconds=round_.redelivery), ledger.outside():
        try:
            round_.run(world, ledger, executions, random)
        except AssertionError as error:
            ledger.problems.append(str(error))
        count = ledger.balance(slowest)
    ledger.require(
        count.reported <= round_.reported * count.executions, f"{count.reported} executions were reported undeliverable"
    )
    if ledger.problems:
        world.clean()
    injected = {**{str(fault): times for fault, times in traffic.injected.items()}, **ledger.injected}
    return Result(round_.name, injected, count, time.monotonic() - started, ledger.problems)


# ------------------------------------------------------------------ between the functions and the services
def api_fault(fault: Fault, most: int, share: float = 1) -> Run:
    """A share of the calls meet the fault 1 to `most` times in a row; the functions try 3 times an invocation."""

    def run(world: World, ledger: Ledger, count: int, random: Random) -> None:
        world.proxy.follow(seeded(random, {fault: 1}, most, share))
        ledger.start_some("api", count)

    return run


def killed(world: World, ledger: Ledger, count: int, random: Random) -> None:
    """Functions are killed at their work, twice: some of a batch is done, the rest is held."""
    world.proxy.follow(seeded(random, {Fault.HOLD_BEFORE: 1, Fault.HOLD_AFTER: 1}, most=1, share=0.5))
    ledger.start_some("killed", count)
    for _ in range(2):
        if world.proxy.wait_for_held(20):
            ledger.inject("kill", world.kill_workers())
            world.proxy.release()
    world.proxy.follow(no_fault)
    world.proxy.release()


NETWORK_ROUNDS = [
    Round("throttled", api_fault(Fault.THROTTLE, most=5), redelivery=5),
    Round("error 500", api_fault(Fault.ERROR, most=5), redelivery=5),
    Round("access denied", api_fault(Fault.REFUSE, most=2), redelivery=5),
    Round("slow answers", api_fault(Fault.SLOW, most=2), redelivery=9),
    Round("cut before", api_fault(Fault.CUT_BEFORE, most=5), redelivery=5),
    Round("cut after", api_fault(Fault.CUT_AFTER, most=2), redelivery=5),
    Round("killed at work", killed, redelivery=5),
]


def network_rounds(share: float, redelivery: int, refused_too_often: float = 0) -> list[Round]:
    """For functions that make many calls for one message or record: as above, for a share of the calls.

    What is refused no SDK tries again: of the messages, `refused_too_often` may use up their receives.
    """
    return [
        Round(
            round_.name,
            api_fault(fault, most, share / 4 if fault is Fault.SLOW else share),
            redelivery,
            reported=refused_too_often if fault is Fault.REFUSE else 0,
        )
        for round_, fault, most in zip(NETWORK_ROUNDS, NETWORK_FAULTS, [3, 3, 1, 2, 3, 2], strict=False)
    ]


# ------------------------------------------------------------------ in the queue of the requests
def twice(world: World, ledger: Ledger, count: int, _: Random) -> None:
    """Every message is delivered twice."""
    with ledger.consumer_off():
        ledger.start_some("twice", count)
        world.wait_for_depth(count)
        ledger.send_twice(world.take(count))


def consumer_off(world: World, ledger: Ledger, count: int, _: Random) -> None:
    """Nothing reads the queue for a while."""
    with ledger.consumer_off():
        ledger.start_some("unread", count)
        world.wait_for_depth(count)
        ledger.require(ledger.look() == count, "an execution ended while nothing read its message")
        ledger.inject("unread message", count)


def stopped(world: World, ledger: Ledger, count: int, random: Random) -> None:
    """StopExecution while the message waits, for a quarter, and while it may be answered, for another."""
    with ledger.consumer_off():
        waiting = ledger.start_some("stopped", count)
        world.wait_for_depth(count)
        ledger.stop(random.sample(waiting, count // 2))
    ledger.stop(random.sample(ledger.start_some("stopped-late", count), count // 2))


QUEUE_ROUNDS = [
    Round("delivered twice", twice, redelivery=3),
    Round("consumer off", consumer_off, redelivery=3),
    Round("stopped under way", stopped, redelivery=3),
]


# ------------------------------------------------------------------ everything at once
def all_of(disturbances: Sequence[Run], share: float = 0.5) -> Run:
    """A wave of executions for each disturbance in turn, and network faults all the while, for a share of the calls."""

    def run(world: World, ledger: Ledger, count: int, random: Random) -> None:
        weights = dict.fromkeys(NETWORK_FAULTS, 5) | {Fault.SLOW: 1}
        world.proxy.follow(seeded(random, weights, most=2, share=share))
        waves = list(disturbances) * max(1, count // (WAVE * len(disturbances)))
        for number, disturb in enumerate(waves):
            size = count * (number + 1) // len(waves) - count * number // len(waves)
            disturb(world, ledger, size, random)
            ledger.look()

    return run


def kill(world: World, ledger: Ledger, count: int, _: Random) -> None:
    """Every function that works or waits for work is killed; the next kill is a wave away: longer than a cold start."""
    ledger.start_some("killed", count)
    ledger.inject("kill", world.poll("a worker to kill", lambda: world.kill_workers() or None))


def deliver_late_and_twice(world: World, ledger: Ledger, count: int, _: Random) -> None:
    with ledger.consumer_off():
        ledger.start_some("late", count)
        world.wait_for_depth(count)
        ledger.send_twice(world.take(count // 2))
    ledger.inject("unread message", count)


def stop_some(_: World, ledger: Ledger, count: int, random: Random) -> None:
    ledger.stop(random.sample(ledger.start_some("stopped", count), count // 5))


def break_worker(world: World, ledger: Ledger, count: int, _: Random) -> None:
    """Every invocation of the worker fails for a while."""
    assert world.adapter.worker
    assert world.adapter.variable
    with world.stack.without_variable(world.adapter.worker, world.adapter.variable):
        ledger.start_some("broken", count)
    ledger.inject("broken worker")


def send_unreadable(world: World, ledger: Ledger, count: int, random: Random) -> None:
    ledger.send_unreadable(*unreadable_messages(random, 9), oversized_message())
    ledger.start_some("beside-unreadable", count)


def forge(world: World, ledger: Ledger, count: int, random: Random) -> None:
    """Messages with tokens that nobody gave out, or that another state machine did."""
    with waiting_elsewhere(world) as message:
        messages = [*forged_messages(random), message]
        ledger.inject("forged or foreign token", len(messages))
        world.send(*messages)
        ledger.start_some("beside-forged", count)


COMMON_DISTURBANCES: list[Run] = [send_unreadable, forge, kill, deliver_late_and_twice, stop_some]
