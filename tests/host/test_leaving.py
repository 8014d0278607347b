"""What becomes of messages for a worker that is about to leave."""

from __future__ import annotations

import pytest

from agentlab import AgentId
from agentlab.core import journal as j
from agentlab.host.connection import Limits

from .world import Peer, World

SKY = AgentId("sky", "k")


class Sharing(World):
    """Two workers that share the type ``sky``, a third that asks them, and who has the agent ``sky/k``."""

    def __init__(self, limits: Limits | None = None) -> None:
        super().__init__(limits)
        self.asker = self.worker("asker")
        one, two = self.worker("one"), self.worker("two")
        for peer in one, two:
            self.router.register(peer.client_id, "sky", shared=True)
            peer.subscribe("weather", "sky")
        first = self.router.directory.holder_of(SKY) == one.client_id
        self.leaver, self.heir = (one, two) if first else (two, one)

    def leave(self) -> None:
        self.router.leave(self.leaver.client_id)

    def hand_over(self) -> None:
        """What the host does when the agent's state has been carried."""
        leaving = self.leaver.connection.leaving
        assert leaving is not None
        assert self.router.directory.heir(SKY) == self.heir.client_id
        self.router.directory.move(SKY, self.heir.client_id)
        leaving.release([SKY])

    def busy(self) -> set[str]:
        leaving = self.leaver.connection.leaving
        assert leaving is not None
        return leaving.busy()


@pytest.fixture
def world() -> Sharing:
    return Sharing()


def errors(peer: Peer) -> list[str]:
    return [response.failure.kind for response in peer.read_responses() if response.failure is not None]


def test_messages_wait_and_go_in_order_to_who_has_the_agent_then(world: Sharing) -> None:
    world.leave()
    for n in range(3):
        world.asker.ask(f"r{n}", "sky")
    world.asker.publish("weather", "e1")
    assert world.leaver.read() == world.heir.read() == []
    assert len(world.router.sessions) == 3
    world.hand_over()
    first, second, third, event = world.heir.read()
    assert [parcel.message_id.partition(":")[2] for parcel in (first, second, third)] == ["r0", "r1", "r2"]  # type: ignore[union-attr]
    assert event.recipients[0][0] == SKY  # type: ignore[union-attr]
    world.heir.answer(second)  # type: ignore[arg-type]
    assert [response.request_id for response in world.asker.read_responses()] == ["r1"]
    world.heir.leave()
    assert errors(world.asker) == ["WorkerLostError", "WorkerLostError"]


def test_an_agent_is_busy_until_its_handlers_have_ended_and_not_for_what_waits(world: Sharing) -> None:
    world.asker.ask("r1", "sky")
    (request,) = world.leaver.read_requests()
    world.leave()
    world.asker.ask("r2", "sky")
    assert world.busy() == {"sky/k"}
    world.leaver.answer(request)
    assert world.busy() == set()


def test_a_cancelled_request_is_busy_until_its_handler_has_ended(world: Sharing) -> None:
    world.asker.ask("r1", "sky")
    (request,) = world.leaver.read_requests()
    world.leave()
    world.asker.cancel("r1")
    assert world.busy() == {"sky/k"}
    world.leaver.report(request.delivery_id, j.FAILED)
    assert world.busy() == set()


def test_what_work_under_way_asks_for_is_not_held(world: Sharing) -> None:
    other = world.worker("other", "sea")
    world.asker.ask("r1", "sky")
    (request,) = world.leaver.read_requests()
    world.leave()
    # sky asks sea, and sea asks sky: the first would wait for the second
    world.leaver.ask("r2", "sea", cause=request.message_id)
    (at_sea,) = other.read_requests()
    other.ask("r3", "sky", cause=at_sea.message_id)
    (needed,) = world.leaver.read_requests()
    assert needed.cause == at_sea.message_id
    other.ask("r4", "sky", cause="something else")
    assert world.leaver.read_requests() == []


def test_nothing_reaches_an_agent_whose_state_is_on_the_way(world: Sharing) -> None:
    world.asker.ask("r1", "sky")
    (request,) = world.leaver.read_requests()
    world.leave()
    leaving = world.leaver.connection.leaving
    assert leaving is not None
    leaving.freeze(SKY)
    world.leaver.ask("r2", "sky", cause=request.message_id)
    assert world.leaver.read_requests() == []
    world.hand_over()
    assert len(world.heir.read_requests()) == 1


def test_what_may_wait_is_bounded() -> None:
    world = Sharing(Limits(queue_messages=3))
    world.leave()
    for n in range(5):
        world.asker.ask(f"r{n}", "sky")
    assert errors(world.asker) == ["QueueFullError"] * 2
    world.asker.publish("weather", "e1")
    assert world.router.counters == {"QueueFullError": 2, "queue full": 1}
    leaving = world.leaver.connection.leaving
    assert leaving is not None
    assert len(leaving) == 3
    world.hand_over()
    assert len(leaving) == 0


def test_a_request_that_ended_while_it_waited_goes_nowhere(world: Sharing) -> None:
    world.leave()
    world.asker.ask("r1", "sky", deadline_s=5.0)
    world.asker.ask("r2", "sky")
    gone = world.worker("gone")
    gone.ask("r3", "sky")
    world.asker.ask("r4", "sky", deadline_s=50.0)
    world.asker.cancel("r2")
    world.pass_time(10)
    assert errors(world.asker) == ["DeadlineExceededError"]
    gone.leave()
    world.hand_over()
    (only,) = world.heir.read_requests()
    assert only.message_id.endswith("r4")
    assert only.deadline_s == pytest.approx(40)
    ends = [e.what for e in world.events(j.REQUEST) if e.what in j.ENDINGS]
    assert sorted(ends) == [j.FAILED, j.FAILED, j.LOST]


def test_what_waits_for_a_worker_that_is_lost_goes_to_the_others(world: Sharing) -> None:
    world.asker.ask("r1", "sky")
    world.leaver.read()
    world.leave()
    world.asker.ask("r2", "sky")
    world.leaver.leave()
    assert errors(world.asker) == ["WorkerLostError"]
    (waited,) = world.heir.read_requests()
    assert waited.message_id.endswith("r2")


def test_what_waits_for_a_type_that_nobody_has_any_more_is_told_so(world: Sharing) -> None:
    world.leave()
    world.asker.ask("r1", "sky")
    world.asker.publish("weather", "e1")
    world.heir.leave()
    world.leaver.leave()
    assert errors(world.asker) == ["AgentNotFoundError"]
    assert [e.what for e in world.events(j.EVENT) if e.recipient] == [j.DROPPED]


def test_a_worker_that_stays_gets_what_waited(world: Sharing) -> None:
    world.leave()
    world.leave()  # twice is once
    world.asker.ask("r1", "sky")
    world.router.stay(world.leaver.client_id)
    world.router.stay(world.leaver.client_id)
    assert len(world.leaver.read_requests()) == 1
    words = [e.what for e in world.events(j.PROCESS) if e.process == world.leaver.connection.name]
    assert words[-2:] == [j.LEAVING, j.STAYING]


def test_what_waits_for_a_type_that_was_given_up_goes_on(world: Sharing) -> None:
    world.leave()
    world.asker.ask("r1", "sky")
    world.router.withdraw(world.leaver.client_id, "sky")
    assert len(world.heir.read_requests()) == 1


def test_when_all_leave_messages_wait_for_who_comes(world: Sharing) -> None:
    world.leave()
    world.router.leave(world.heir.client_id)
    world.asker.ask("r1", "sky")
    assert world.router.directory.heir(SKY) is None
    third = world.worker("third")
    world.router.register(third.client_id, "sky")
    assert world.router.directory.heir(SKY) == third.client_id
    world.router.withdraw(world.leaver.client_id, "sky")
    world.router.withdraw(world.heir.client_id, "sky")
    assert len(third.read_requests()) == 1
