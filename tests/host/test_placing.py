"""Which of several workers has an agent."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentlab import AgentId, TopicId, TypeSubscription
from agentlab.host.directory import Directory
from agentlab.host.placing import Placement, rendezvous

from .receivers import receivers

AGENTS = [AgentId("sky", f"key-{n}") for n in range(3000)]

names = st.sets(st.text(min_size=1, max_size=8), min_size=2, max_size=6).map(lambda found: {f"c-{n}": n for n in found})


@given(names, st.text(max_size=20))
def test_when_a_worker_leaves_only_its_own_agents_go_elsewhere(workers: dict[str, str], key: str) -> None:
    agent = AgentId("sky", key)
    before = rendezvous(agent, workers)
    for leaver in workers:
        after = rendezvous(agent, {client: name for client, name in workers.items() if client != leaver})
        assert leaver == before or after == before


@given(names, st.text(max_size=20))
def test_a_place_depends_on_the_names_alone(workers: dict[str, str], key: str) -> None:
    agent = AgentId("sky", key)
    others = {f"other {client}": name for client, name in reversed(workers.items())}
    assert workers[rendezvous(agent, workers)] == others[rendezvous(agent, others)]


def test_a_place_is_the_same_in_every_process() -> None:
    workers = {"a": "worker-1", "b": "worker-2", "c": "worker-3"}
    places = "".join(rendezvous(AgentId("counter", str(n)), workers) for n in range(20))
    assert places == "bcaaacbccacccbaabcbc"


def test_agents_are_spread_evenly() -> None:
    workers = {"a": "worker-1", "b": "worker-2", "c": "worker-3"}
    shares = Counter(rendezvous(agent, workers) for agent in AGENTS)
    assert min(shares.values()) > 0.9 * len(AGENTS) / 3


def test_an_agent_stays_where_it_is_when_another_worker_joins() -> None:
    placement = Placement()
    two = {"a": "worker-1", "b": "worker-2"}
    three = two | {"c": "worker-3"}
    before = {agent: placement.place(agent, two, two) for agent in AGENTS}
    assert {agent: placement.place(agent, three, three) for agent in AGENTS} == before
    assert "c" in {rendezvous(agent, three) for agent in AGENTS}


def test_what_is_remembered_of_places_is_bounded() -> None:
    placement = Placement(capacity=100)
    workers = {"a": "worker-1", "b": "worker-2"}
    for agent in AGENTS:
        placement.place(agent, workers, workers)
        placement.place(AGENTS[0], workers, workers)
    assert len(placement) == 100
    assert placement.known(AGENTS[0]) is not None  # it was in use all the time
    assert placement.known(AGENTS[1]) is None


@pytest.fixture
def directory() -> Directory:
    """Two workers that share the type ``sky``."""
    directory = Directory()
    for client_id, name in ("a", "worker-1"), ("b", "worker-2"):
        directory.connect(client_id, name)
        directory.register(client_id, "sky", shared=True)
    return directory


def places(directory: Directory) -> dict[AgentId, str | None]:
    return {agent: directory.holder_of(agent) for agent in AGENTS[:200]}


def test_two_workers_hold_a_type_when_both_say_that_they_share_it(directory: Directory) -> None:
    assert directory.types == ["sky"]
    assert directory.types_of("a") == directory.types_of("b") == ["sky"]
    assert directory.holders("sky") == ["a", "b"]
    assert set(places(directory).values()) == {"a", "b"}


@pytest.mark.parametrize(("first", "second"), [(False, True), (True, False), (False, False)])
def test_a_type_that_not_both_share_stays_exclusive(first: bool, second: bool) -> None:
    directory = Directory()
    directory.connect("a", "worker-1")
    directory.connect("b", "worker-2")
    directory.register("a", "sky", shared=first)
    with pytest.raises(ValueError, match=r"^Agent type sky already registered with client a\.") as refused:
        directory.register("b", "sky", shared=second)
    assert ("shared=True" in str(refused.value)) == (first != second)
    assert directory.holder_of(AGENTS[0]) == "a"


def test_a_worker_cannot_share_with_itself(directory: Directory) -> None:
    with pytest.raises(ValueError, match="already registered"):
        directory.register("a", "sky", shared=True)


def test_agents_move_when_their_worker_dies_and_no_others_do(directory: Directory) -> None:
    before = places(directory)
    directory.disconnect("a")
    assert set(places(directory).values()) == {"b"}
    directory.connect("a again", "worker-1")
    directory.register("a again", "sky", shared=True)
    assert set(places(directory).values()) == {"b"}, "an agent in use does not move back"
    assert set(before.values()) == {"a", "b"}


def test_a_worker_that_comes_back_under_its_name_has_the_agents_that_nobody_used_meanwhile(
    directory: Directory,
) -> None:
    before = places(directory)
    directory.disconnect("a")
    directory.connect("a again", "worker-1")
    directory.register("a again", "sky", shared=True)
    after = places(directory)
    assert {agent for agent, at in before.items() if at == "a"} == {agent for agent, at in after.items() if at != "b"}


def test_a_shared_type_can_be_registered_before_the_channel_opens(directory: Directory) -> None:
    assert not directory.register("c", "sky", shared=True)
    assert directory.connect("c", "worker-3") == []
    assert directory.holders("sky") == ["a", "b", "c"]


def test_workers_that_share_a_type_subscribe_alike_and_each_agent_gets_one_copy(directory: Directory) -> None:
    directory.subscribe("a", TypeSubscription("weather", "sky", "1"))
    directory.subscribe("b", TypeSubscription("weather", "sky", "2"))
    assert receivers(directory, TopicId("weather", "x")) == [AgentId("sky", "x")]
    assert [s.id for s in directory.subscriptions] == ["1"]
    assert [s.id for s in directory.subscriptions_of("b")] == ["2"]
    with pytest.raises(ValueError, match="Subscription already exists"):
        directory.subscribe("b", TypeSubscription("weather", "sky", "3"))
    with pytest.raises(PermissionError):
        directory.unsubscribe("b", "1")


@pytest.mark.parametrize("order", ["abc", "bac", "cab", "cba"])
def test_a_shared_subscription_lasts_as_long_as_one_of_its_owners(directory: Directory, order: str) -> None:
    directory.connect("c", "worker-3")
    directory.register("c", "sky", shared=True)
    for client_id in "abc":
        directory.subscribe(client_id, TypeSubscription("weather", "sky", f"of {client_id}"))
    for left, client_id in zip((2, 1, 0), order, strict=True):
        assert receivers(directory, TopicId("weather", "x")) == [AgentId("sky", "x")]
        directory.disconnect(client_id)
        assert sum(len(directory.subscriptions_of(other)) for other in "abc") == left
    assert receivers(directory, TopicId("weather", "x")) == []
    assert directory.subscriptions == []


def test_who_does_not_hold_a_type_cannot_subscribe_for_it_like_those_who_do(directory: Directory) -> None:
    directory.connect("c", "worker-3")
    directory.subscribe("a", TypeSubscription("weather", "sky", "1"))
    with pytest.raises(ValueError, match="Subscription already exists"):
        directory.subscribe("c", TypeSubscription("weather", "sky", "2"))


def test_a_worker_that_leaves_keeps_the_agents_it_has_and_gets_no_new_ones(directory: Directory) -> None:
    before = places(directory)
    directory.leave("a")
    assert places(directory) == before
    new = [AgentId("sky", f"new-{n}") for n in range(100)]
    assert {directory.holder_of(agent) for agent in new} == {"b"}
    directory.stay("a")
    newer = [AgentId("sky", f"newer-{n}") for n in range(100)]
    assert {directory.holder_of(agent) for agent in newer} == {"a", "b"}


def test_an_agent_that_was_handed_over_is_where_it_went(directory: Directory) -> None:
    moving = next(agent for agent in AGENTS if directory.holder_of(agent) == "a")
    directory.leave("a")
    assert directory.heir(moving) == "b"
    directory.move(moving, "b")
    assert directory.holder_of(moving) == "b"


def test_nobody_inherits_a_type_that_only_the_leaving_worker_holds() -> None:
    directory = Directory()
    directory.connect("a", "worker-1")
    directory.register("a", "sky", shared=True)
    directory.leave("a")
    assert directory.heir(AGENTS[0]) is None
    assert directory.holder_of(AGENTS[0]) == "a"


@pytest.mark.parametrize("shared", [False, True])
def test_another_worker_may_take_the_place_of_one_that_leaves(shared: bool) -> None:
    directory = Directory()
    for client_id in "abc":
        directory.connect(client_id, f"worker {client_id}")
    directory.register("a", "sky", shared=shared)
    directory.subscribe("a", TypeSubscription("weather", "sky", "1"))
    directory.leave("a")
    directory.register("b", "sky")
    directory.subscribe("b", TypeSubscription("weather", "sky", "2"))
    with pytest.raises(ValueError, match="already registered"):
        directory.register("c", "sky")
    moved, other = AGENTS[:2]
    assert directory.heir(moved) == "b"
    directory.move(moved, "b")
    assert directory.holder_of(moved) == "b"
    assert directory.holder_of(other) == ("b" if shared else "a")
    directory.disconnect("a")
    assert directory.holder_of(other) == "b"
    assert receivers(directory, TopicId("weather", "x")) == [AgentId("sky", "x")]
    assert not directory.is_shared("sky")


def test_a_worker_that_comes_back_keeps_the_agents_that_nobody_else_was_given(directory: Directory) -> None:
    given = {agent for agent, at in places(directory).items() if at == "b"}
    directory.disconnect("a")
    taken = AgentId("sky", "taken")
    assert directory.holder_of(taken) == "b"
    new = [AgentId("sky", f"new-{n}") for n in range(50)]
    directory.connect("a again", "worker-1")
    directory.register("a again", "sky", shared=True)
    directory.keep("a again", [taken, *given, *new])
    assert {directory.holder_of(agent) for agent in new} == {"a again"}
    assert {directory.holder_of(agent) for agent in [taken, *given]} == {"b"}


def test_agents_of_a_type_that_is_not_shared_need_no_keeping() -> None:
    directory = Directory()
    for client_id in "ab":
        directory.connect(client_id, f"worker {client_id}")
    directory.register("a", "sky")
    for client_id in "ab":
        directory.keep(client_id, [AgentId("sky", "k"), AgentId("sea", "k")])
    assert directory.holder_of(AgentId("sky", "k")) == "a"
    assert directory.holder_of(AgentId("sea", "k")) is None
