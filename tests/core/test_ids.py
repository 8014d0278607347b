from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentlab import AgentId, AgentMetadata, AgentType

TYPES = st.from_regex(r"[\w\-\.]+", fullmatch=True)
ILLEGAL = ["", " ", "a b", "a/b", "a:b", "a=b", "a\n", "é!", "*"]


@given(TYPES, st.text())
def test_an_agent_id_survives_the_way_through_text(agent_type: str, key: str) -> None:
    assert AgentId.from_str(str(AgentId(agent_type, key))) == AgentId(agent_type, key)


def test_an_agent_id_reads_as_type_slash_key() -> None:
    assert str(AgentId("writer", "session-1")) == "writer/session-1"


def test_a_key_may_hold_slashes() -> None:
    assert AgentId.from_str("writer/a/b/") == AgentId("writer", "a/b/")


@pytest.mark.parametrize("text", ["", "writer", "/key", "a b/key"])
def test_text_that_is_no_agent_id_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="Invalid agent"):
        AgentId.from_str(text)


@pytest.mark.parametrize("illegal", ILLEGAL)
def test_an_illegal_agent_type_is_refused(illegal: str) -> None:
    with pytest.raises(ValueError, match="Invalid agent type"):
        AgentId(illegal, "key")


@pytest.mark.parametrize("illegal", ILLEGAL)
def test_an_agent_type_object_is_checked_too(illegal: str) -> None:
    with pytest.raises(ValueError, match="Invalid agent type"):
        AgentType(illegal)


def test_the_error_of_an_illegal_type_says_what_is_legal() -> None:
    with pytest.raises(ValueError, match="letters, digits, '_', '-' and '\\.'"):
        AgentType("my agent")


@pytest.mark.parametrize("wrong", [None, 5, b"bytes"])
def test_type_and_key_are_text(wrong: object) -> None:
    with pytest.raises(ValueError, match="type"):
        AgentId(wrong, "key")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="key is text"):
        AgentId("type", wrong)  # type: ignore[arg-type]


def test_an_agent_id_takes_an_agent_type_object() -> None:
    assert AgentId(AgentType("writer"), "k") == AgentId("writer", "k")


def test_an_agent_type_reads_as_its_name() -> None:
    assert str(AgentType("writer")) == AgentType("writer").type == "writer"


def test_agent_ids_are_hashable() -> None:
    assert len({AgentId("a", "1"), AgentId("a", "1"), AgentId("a", "2"), AgentId("b", "1")}) == 3


@given(st.lists(st.tuples(TYPES, st.text())))
def test_agent_ids_sort_by_type_then_key(pairs: list[tuple[str, str]]) -> None:
    assert [(i.type, i.key) for i in sorted(AgentId(*pair) for pair in pairs)] == sorted(pairs)


def test_agent_ids_are_immutable() -> None:
    with pytest.raises(FrozenInstanceError):
        AgentId("a", "1").key = "2"  # type: ignore[misc]


def test_agent_metadata_is_a_mapping_with_attributes() -> None:
    metadata = AgentMetadata(type="a", key="1", description="writes")
    assert metadata == {"type": "a", "key": "1", "description": "writes"}
    assert (metadata.type, metadata.key, metadata.description) == ("a", "1", "writes")
