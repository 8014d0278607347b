"""Who advertises what, and who receives what."""

from __future__ import annotations

import pytest

from agentlab import AgentId, TopicId, TypePrefixSubscription, TypeSubscription
from agentlab.host.directory import PENDING_CLIENTS, PENDING_WISHES, Directory

from .receivers import receivers


@pytest.fixture
def directory() -> Directory:
    directory = Directory()
    directory.connect("a")
    directory.connect("b")
    return directory


def test_a_type_belongs_to_the_worker_that_registered_it(directory: Directory) -> None:
    assert directory.register("a", "sky")
    assert directory.holder("sky") == "a"
    assert directory.types_of("a") == ["sky"]
    assert directory.types_of("b") == []
    assert directory.holder("sea") is None


@pytest.mark.parametrize("client", ["a", "b", "not connected"])
def test_a_type_that_is_held_cannot_be_registered_again(directory: Directory, client: str) -> None:
    directory.register("a", "sky")
    with pytest.raises(ValueError, match=r"^Agent type sky already registered"):
        directory.register(client, "sky")
    assert directory.holder("sky") == "a"


def test_an_illegal_type_is_refused(directory: Directory) -> None:
    with pytest.raises(ValueError, match="Invalid agent type"):
        directory.register("a", "no type!")


def test_what_was_registered_before_the_channel_opened_takes_effect_when_it_opens(directory: Directory) -> None:
    assert not directory.register("c", "sea")
    directory.subscribe("c", TypeSubscription("waves", "sea"))
    assert directory.holder("sea") is None
    assert receivers(directory, TopicId("waves", "x")) == []
    assert directory.connect("c") == []
    assert directory.holder("sea") == "c"
    assert receivers(directory, TopicId("waves", "x")) == [AgentId("sea", "x")]


def test_a_registration_without_a_channel_locks_nothing(directory: Directory) -> None:
    directory.register("c", "sea")
    directory.subscribe("c", TypeSubscription("waves", "sea", "the id"))
    assert directory.register("a", "sea")
    directory.subscribe("a", TypeSubscription("waves", "sea", "the id"))
    refused = directory.connect("c")
    assert len(refused) == 2
    assert directory.holder("sea") == "a"


def test_registering_twice_before_the_channel_opens_is_registering_once(directory: Directory) -> None:
    directory.register("c", "sea")
    directory.register("c", "sea")
    assert directory.connect("c") == []


def test_clients_that_never_open_a_channel_are_forgotten(directory: Directory) -> None:
    for n in range(3 * PENDING_CLIENTS):
        directory.register(f"ghost-{n}", f"type-{n}")
    assert len(directory._pending) <= PENDING_CLIENTS
    assert directory.connect("ghost-0") == []
    assert directory.holder("type-0") is None
    newest = 3 * PENDING_CLIENTS - 1
    directory.connect(f"ghost-{newest}")
    assert directory.holder(f"type-{newest}") == f"ghost-{newest}"


def test_one_client_cannot_register_without_end_before_its_channel_opens(directory: Directory) -> None:
    for n in range(PENDING_WISHES):
        directory.subscribe("ghost", TypeSubscription(f"t{n}", "sea"))
    with pytest.raises(ValueError, match="Open a channel first"):
        directory.subscribe("ghost", TypeSubscription("one more", "sea"))


def test_nothing_of_a_worker_that_disconnected_stays(directory: Directory) -> None:
    directory.register("a", "sky")
    directory.subscribe("a", TypeSubscription("weather", "sky", "1"))
    directory.subscribe("b", TypeSubscription("weather", "sea", "2"))
    assert directory.disconnect("a") == ["sky"]
    assert directory.types == []
    assert [s.id for s in directory.subscriptions] == ["2"]
    assert directory.register("b", "sky")
    assert directory.disconnect("a") == []


def test_withdrawing_a_type_takes_its_subscriptions_with_it_and_no_others(directory: Directory) -> None:
    directory.register("a", "sky")
    directory.subscribe("a", TypeSubscription("weather", "sky"))
    directory.subscribe("a", TypePrefixSubscription("sky:", "sky"))
    directory.subscribe("a", TypeSubscription("weather", "sea", "stays"))
    directory.withdraw("a", "sky")
    assert [s.id for s in directory.subscriptions] == ["stays"]
    assert directory.holder("sky") is None


@pytest.mark.parametrize("agent_type", ["sky", "unknown"])
def test_only_the_holder_can_withdraw_a_type(directory: Directory, agent_type: str) -> None:
    directory.register("a", "sky")
    with pytest.raises(ValueError, match="is not registered with client b"):
        directory.withdraw("b", agent_type)
    assert directory.holder("sky") == "a"


def test_only_the_owner_can_remove_a_subscription(directory: Directory) -> None:
    directory.subscribe("a", TypeSubscription("weather", "sky", "1"))
    with pytest.raises(PermissionError, match="belongs to another worker"):
        directory.unsubscribe("b", "1")
    with pytest.raises(ValueError, match="Subscription does not exist"):
        directory.unsubscribe("a", "2")
    directory.unsubscribe("a", "1")
    assert directory.subscriptions == []


@pytest.mark.parametrize("again", [TypeSubscription("weather", "sky"), TypeSubscription("other", "sea", "1")])
def test_an_equal_subscription_is_refused(directory: Directory, again: TypeSubscription) -> None:
    directory.subscribe("a", TypeSubscription("weather", "sky", "1"))
    with pytest.raises(ValueError, match="Subscription already exists"):
        directory.subscribe("b", again)


def test_two_subscriptions_for_one_agent_deliver_one_copy(directory: Directory) -> None:
    directory.subscribe("a", TypeSubscription("weather", "sky"))
    directory.subscribe("a", TypePrefixSubscription("wea", "sky"))
    directory.subscribe("b", TypeSubscription("weather", "sea"))
    assert receivers(directory, TopicId("weather", "x")) == [AgentId("sky", "x"), AgentId("sea", "x")]
