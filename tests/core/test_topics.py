from __future__ import annotations

import asyncio
from dataclasses import FrozenInstanceError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentlab import AgentId, DefaultTopicId, MessageHandlerContext, TopicId

TYPES = st.from_regex(r"[\w\-\.\:\=]+", fullmatch=True)


@given(TYPES, st.text())
def test_a_topic_id_survives_the_way_through_text(topic_type: str, source: str) -> None:
    assert TopicId.from_str(str(TopicId(topic_type, source))) == TopicId(topic_type, source)


def test_a_topic_type_may_hold_colons_and_equals_signs() -> None:
    assert str(TopicId("worker:rpc_request=1", "s")) == "worker:rpc_request=1/s"


@pytest.mark.parametrize("illegal", ["", "a b", "a/b", "a\n", "#", None, 5])
def test_an_illegal_topic_type_is_refused(illegal: str) -> None:
    with pytest.raises(ValueError, match="Invalid topic type"):
        TopicId(illegal, "source")


@pytest.mark.parametrize("source", [None, 5])
def test_a_source_that_is_no_text_is_refused(source: str) -> None:
    with pytest.raises(ValueError, match="source is text"):
        TopicId("news", source)


@pytest.mark.parametrize("text", ["", "news", "/source"])
def test_text_that_is_no_topic_id_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="Invalid topic"):
        TopicId.from_str(text)


def test_topic_ids_are_immutable_and_hashable() -> None:
    topic = TopicId("news", "s")
    assert {topic: 1}[TopicId("news", "s")] == 1
    with pytest.raises(FrozenInstanceError):
        topic.source = "t"  # type: ignore[misc]


def test_topics_differ_by_type_and_by_source() -> None:
    assert len({TopicId("a", "1"), TopicId("a", "2"), TopicId("b", "1")}) == 3


def test_a_topic_does_not_equal_its_text() -> None:
    assert TopicId("a", "1") != "a/1"


def test_outside_of_a_handler_the_default_topic_is_default() -> None:
    assert DefaultTopicId() == TopicId("default", "default")


def test_the_default_topic_takes_what_it_is_given() -> None:
    assert DefaultTopicId("news", "user-1") == TopicId("news", "user-1")


def test_a_default_topic_and_the_topic_it_names_are_one_key() -> None:
    assert {TopicId("default", "default"): "found"}[DefaultTopicId()] == "found"


def test_in_a_handler_the_default_source_is_the_handling_agents_key() -> None:
    with MessageHandlerContext.populate_context(AgentId("a", "session-7")):
        assert DefaultTopicId(type="news") == TopicId("news", "session-7")
        assert DefaultTopicId(source="other").source == "other"
    assert DefaultTopicId().source == "default"


async def test_in_a_handler_the_default_source_stays_after_an_await() -> None:
    async def handler(key: str) -> str:
        with MessageHandlerContext.populate_context(AgentId("a", key)):
            await asyncio.sleep(0)
            return DefaultTopicId().source

    assert await asyncio.gather(handler("1"), handler("2")) == ["1", "2"]
