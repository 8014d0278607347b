from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentlab import (
    AgentId,
    AgentType,
    CantHandleException,
    DefaultSubscription,
    Subscription,
    SubscriptionInstantiationContext,
    TopicId,
    TypePrefixSubscription,
    TypeSubscription,
)
from agentlab.core.subscriptions import SubscriptionTable

TOPIC_TYPES = st.sampled_from(["a", "ab", "abc", "b", "a:", "a:rpc"])
SUBSCRIPTIONS = st.builds(
    lambda cls, topic, agent, id: cls(topic, agent, id=id),
    st.sampled_from([TypeSubscription, TypePrefixSubscription]),
    TOPIC_TYPES,
    st.sampled_from(["x", "y"]),
    st.sampled_from([None, "1", "2"]),
)


class EveryOther:
    """A subscription of the student's own making: every topic whose source is an even number."""

    id = "every-other"

    def is_match(self, topic_id: TopicId) -> bool:
        return topic_id.source.isdigit() and int(topic_id.source) % 2 == 0

    def map_to_agent(self, topic_id: TopicId) -> AgentId:
        return AgentId("even", "all")


def test_a_type_subscription_matches_its_type_exactly() -> None:
    subscription = TypeSubscription("news", "reader")
    assert subscription.is_match(TopicId("news", "any"))
    assert not subscription.is_match(TopicId("newspaper", "any"))


def test_a_prefix_subscription_matches_what_begins_so() -> None:
    subscription = TypePrefixSubscription("news", "reader")
    assert subscription.is_match(TopicId("news", "any"))
    assert subscription.is_match(TopicId("newspaper", "any"))
    assert not subscription.is_match(TopicId("old.news", "any"))


@pytest.mark.parametrize("cls", [TypeSubscription, TypePrefixSubscription])
def test_the_source_becomes_the_key(cls: type[Any]) -> None:
    assert cls("news", "reader").map_to_agent(TopicId("news", "user-1")) == AgentId("reader", "user-1")


@pytest.mark.parametrize("cls", [TypeSubscription, TypePrefixSubscription])
def test_a_topic_that_does_not_match_cannot_be_mapped(cls: type[Any]) -> None:
    with pytest.raises(CantHandleException, match=r"'news'.*other/s"):
        cls("news", "reader").map_to_agent(TopicId("other", "s"))


@pytest.mark.parametrize("cls", [TypeSubscription, TypePrefixSubscription])
def test_subscriptions_are_equal_with_the_same_id_or_the_same_topic_and_agent_type(cls: type[Any]) -> None:
    assert cls("a", "x", id="1") == cls("b", "y", id="1")
    assert cls("a", "x", id="1") == cls("a", "x", id="2")
    assert cls("a", "x", id="1") != cls("b", "x", id="2")
    assert cls("a", "x", id="1") != cls("a", "y", id="2")


def test_the_two_kinds_are_never_equal() -> None:
    assert TypeSubscription("a", "x", id="1") != TypePrefixSubscription("a", "x", id="1")


@given(SUBSCRIPTIONS, SUBSCRIPTIONS)
def test_equal_subscriptions_have_equal_hashes(one: Subscription, other: Subscription) -> None:
    assert one != other or hash(one) == hash(other)


def test_each_subscription_gets_an_id_of_its_own() -> None:
    assert TypeSubscription("a", "x").id != TypeSubscription("a", "x").id


def test_a_given_id_is_kept() -> None:
    assert TypeSubscription("a", "x", id="mine").id == TypePrefixSubscription("a", "x", id="mine").id == "mine"


def test_what_a_subscription_was_made_of_can_be_read() -> None:
    exact, prefix = TypeSubscription("news", AgentType("reader")), TypePrefixSubscription("n", AgentType("reader"))
    assert (exact.topic_type, exact.agent_type) == ("news", "reader")
    assert (prefix.topic_type_prefix, prefix.agent_type) == ("n", "reader")


@pytest.mark.parametrize("cls", [TypeSubscription, TypePrefixSubscription])
def test_a_subscription_for_an_illegal_agent_type_is_refused(cls: type[Any]) -> None:
    with pytest.raises(ValueError, match="Invalid agent type"):
        cls("news", "no such type!")


def test_both_kinds_keep_the_protocol() -> None:
    assert isinstance(TypeSubscription("a", "x"), Subscription)
    assert isinstance(TypePrefixSubscription("a", "x"), Subscription)


def test_the_default_subscription_takes_the_type_being_registered() -> None:
    with SubscriptionInstantiationContext.populate_context(AgentType("reader")):
        assert DefaultSubscription() == TypeSubscription("default", "reader")
        assert DefaultSubscription("news") == TypeSubscription("news", "reader")


def test_the_default_subscription_takes_an_agent_type_by_hand() -> None:
    assert DefaultSubscription(agent_type="reader") == TypeSubscription("default", "reader")


def test_outside_of_a_registration_the_default_subscription_says_what_to_do() -> None:
    with pytest.raises(CantHandleException, match="pass agent_type"):
        DefaultSubscription()


def test_an_equal_subscription_is_refused() -> None:
    table = SubscriptionTable()
    table.add(TypeSubscription("a", "x"))
    with pytest.raises(ValueError, match="Subscription already exists"):
        table.add(TypeSubscription("a", "x"))
    with pytest.raises(ValueError, match="Subscription already exists"):
        table.add(DefaultSubscription("a", agent_type="x"))


def test_an_id_that_is_taken_is_refused() -> None:
    table = SubscriptionTable()
    table.add(TypeSubscription("a", "x", id="1"))
    with pytest.raises(ValueError, match="Subscription already exists"):
        table.add(TypePrefixSubscription("b", "y", id="1"))


def test_removing_an_unknown_id_is_refused() -> None:
    with pytest.raises(ValueError, match="nobody"):
        SubscriptionTable().remove("nobody")


def test_a_removed_subscription_can_be_added_again() -> None:
    table = SubscriptionTable()
    table.add(TypeSubscription("a", "x", id="1"))
    table.remove("1")
    assert table.recipients(TopicId("a", "s")) == []
    table.add(TypeSubscription("a", "x", id="2"))
    assert table.recipients(TopicId("a", "s")) == [AgentId("x", "s")]
    assert len(table) == 1


def test_a_subscription_is_found_by_its_id() -> None:
    table, subscription = SubscriptionTable(), TypeSubscription("a", "x", id="1")
    table.add(subscription)
    assert table.get("1") is subscription
    assert table.get("2") is None


def test_two_subscriptions_that_map_to_one_agent_name_it_once() -> None:
    table = SubscriptionTable()
    table.add(TypeSubscription("news", "reader"))
    table.add(TypePrefixSubscription("new", "reader"))
    assert table.recipients(TopicId("news", "s")) == [AgentId("reader", "s")]


def test_a_subscription_of_ones_own_making_works() -> None:
    table = SubscriptionTable()
    table.add(EveryOther())
    assert table.recipients(TopicId("any", "4")) == [AgentId("even", "all")]
    assert table.recipients(TopicId("any", "3")) == []
    table.remove("every-other")
    assert len(table) == 0


@given(
    st.lists(st.one_of(SUBSCRIPTIONS, st.builds(EveryOther), st.integers(0, 5)), max_size=12),
    TOPIC_TYPES,
    st.sampled_from(["s", "4"]),
)
def test_the_table_finds_whom_reading_all_subscriptions_finds(steps: list[Any], topic_type: str, source: str) -> None:
    """A number among the steps removes that one of the subscriptions there are."""
    table, naive = SubscriptionTable(), list[Subscription]()
    for step in steps:
        if isinstance(step, int):
            if step < len(naive):
                table.remove(naive.pop(step).id)
        elif any(step == other or step.id == other.id for other in naive):
            with pytest.raises(ValueError, match="already exists"):
                table.add(step)
        else:
            table.add(step)
            naive.append(step)
    topic = TopicId(topic_type, source)
    wanted = {s.map_to_agent(topic) for s in naive if s.is_match(topic)}
    found = table.recipients(topic)
    assert len(found) == len(set(found))
    assert set(found) == wanted
    assert list(table) == naive
