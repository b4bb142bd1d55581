"""All faults at once: a wave of executions for each disturbance, and network faults all the while."""

from collections.abc import Callable
from random import Random

from tests.faults.ledger import Ledger, orders
from tests.faults.messages import enlarged, foreign_workflow, forged_messages, oversized_message, unreadable_messages
from tests.faults.proxy import NETWORK_FAULTS, Fault, seeded
from tests.faults.world import WORKER, World
from tools.stack import poll

WAVE = 50  # executions, about

Disturbance = Callable[[World, Ledger, int, Random], None]


def everything(world: World, ledger: Ledger, count: int, random: Random) -> None:
    weights = dict.fromkeys(NETWORK_FAULTS, 5) | {Fault.SLOW: 1}
    world.proxy.follow(seeded(random, weights, most=2, share=0.5))
    waves = DISTURBANCES * max(1, count // (WAVE * len(DISTURBANCES)))
    for number, disturb in enumerate(waves):
        size = count * (number + 1) // len(waves) - count * number // len(waves)
        disturb(world, ledger, size, random)
        ledger.look()


def _send_unreadable(world: World, ledger: Ledger, count: int, random: Random) -> None:
    ledger.send_unreadable(*unreadable_messages(random, 9), oversized_message())
    ledger.start(enlarged(order, "note") for order in orders("oversized", count))
    ledger.injected["oversized payload"] += count


def _forge(world: World, ledger: Ledger, count: int, random: Random) -> None:
    with foreign_workflow(world) as (message, ticket):
        ledger.foreign_tickets.add(ticket)
        messages = [*forged_messages(random), message]
        ledger.injected["forged or foreign token"] += len(messages)
        world.send(*messages)
        ledger.start(orders("forged", count))


def _kill(world: World, ledger: Ledger, count: int, random: Random) -> None:
    ledger.start(orders("killed", count))
    ledger.injected["kill"] += poll("a worker to kill", lambda: world.kill_workers() or None)


def _deliver_late_and_twice(world: World, ledger: Ledger, count: int, random: Random) -> None:
    with world.stack.consumer_off(WORKER):
        ledger.start(orders("late", count))
        poll("messages", lambda: world.stack.depth("PaymentQueueUrl") >= count or None, 60)
        ledger.send_twice(world.take(count // 2), random)
    ledger.injected["unread message"] += count


def _stop(world: World, ledger: Ledger, count: int, random: Random) -> None:
    ledger.stop(random.sample(ledger.start(orders("stopped", count)), count // 5))


def _break_worker(world: World, ledger: Ledger, count: int, random: Random) -> None:
    with world.stack.without_variable(WORKER, "PAYMENT_SUCCESS_RATE"):
        ledger.start(orders("broken", count))
    ledger.injected["broken worker"] += 1


DISTURBANCES: list[Disturbance] = [_send_unreadable, _forge, _kill, _deliver_late_and_twice, _stop, _break_worker]
