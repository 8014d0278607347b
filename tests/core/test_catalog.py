from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from agentlab import JSON_DATA_CONTENT_TYPE, Agent, AgentId, AgentType, SingleThreadedAgentRuntime
from agentlab.core.catalog import Catalog

from .cast import LIMIT_S, Echo, Recorder

A1, A2, B1 = AgentId("a", "1"), AgentId("a", "2"), AgentId("b", "1")


@pytest.fixture
def catalog() -> Catalog:
    return Catalog(SingleThreadedAgentRuntime())


class SlowFactory:
    """Makes recorders, each when it is let go."""

    def __init__(self) -> None:
        self.calls = 0
        self.called, self.go = asyncio.Event(), asyncio.Event()

    async def __call__(self) -> Recorder:
        self.calls += 1
        self.called.set()
        await self.go.wait()
        return Recorder()


async def test_an_agent_is_made_when_it_is_asked_for_and_kept(catalog: Catalog) -> None:
    catalog.add_factory("a", Recorder, Recorder)
    assert dict(catalog.agents) == {}
    agent = await catalog.agent(A1)
    assert await catalog.agent(A1) is agent
    assert dict(catalog.agents) == {A1: agent}
    assert await catalog.agent(A2) is not agent


async def test_one_agent_is_made_however_many_ask_while_the_factory_runs(catalog: Catalog) -> None:
    factory = SlowFactory()
    catalog.add_factory("a", factory, Recorder)
    asking = [asyncio.create_task(catalog.agent(A1)) for _ in range(20)]
    async with asyncio.timeout(LIMIT_S):
        await factory.called.wait()
        asking += [asyncio.create_task(catalog.agent(A1)) for _ in range(20)]
        factory.go.set()
        agents = await asyncio.gather(*asking)
    assert factory.calls == 1
    assert all(agent is agents[0] for agent in agents)


async def test_one_who_no_longer_waits_does_not_keep_the_agent_from_being_made(catalog: Catalog) -> None:
    factory = SlowFactory()
    catalog.add_factory("a", factory, Recorder)
    first, second = asyncio.create_task(catalog.agent(A1)), asyncio.create_task(catalog.agent(A1))
    async with asyncio.timeout(LIMIT_S):
        await factory.called.wait()
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        factory.go.set()
        assert await second is await catalog.agent(A1)
    assert factory.calls == 1


async def test_a_factory_that_raises_is_logged_and_asked_again_next_time(
    catalog: Catalog, caplog: pytest.LogCaptureFixture
) -> None:
    results = [ZeroDivisionError("no luck"), Recorder()]

    def factory() -> Any:
        result = results.pop(0)
        if isinstance(result, Exception):
            raise result
        return result

    catalog.add_factory("a", factory, Recorder)
    with pytest.raises(ZeroDivisionError, match="no luck"):
        await catalog.agent(A1)
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert record.getMessage() == "Error constructing agent a/1"
    assert record.exc_info is not None
    assert record.exc_info[0] is ZeroDivisionError
    assert isinstance(await catalog.agent(A1), Recorder)


async def test_a_factory_that_makes_another_class_is_refused(catalog: Catalog) -> None:
    catalog.add_factory("a", Recorder, Echo)
    with pytest.raises(ValueError, match="made a Recorder, and was registered for Echo"):
        await catalog.agent(A1)
    assert dict(catalog.agents) == {}


async def test_an_agent_made_beforehand_is_told_its_id(catalog: Catalog) -> None:
    agent = Recorder()
    catalog.add_factory("a", lambda: agent, None)
    assert (await catalog.agent(A1)).id == A1


async def test_an_agent_whose_constructor_does_not_call_its_base_is_told_its_id(catalog: Catalog) -> None:
    class Careless(Recorder):
        def __init__(self) -> None:
            self._description = ""

    catalog.add_factory("a", Careless, Careless)
    assert (await catalog.agent(A1)).id == A1


async def test_an_unknown_type_raises_lookup_error_with_the_closest_name(catalog: Catalog) -> None:
    catalog.add_factory("writer", Recorder, None)
    with pytest.raises(LookupError, match=r"writter not found\. Did you mean 'writer'\?"):
        await catalog.agent(AgentId("writter", "1"))
    with pytest.raises(LookupError, match=r"xyz not found\.$"):
        await catalog.agent(AgentId("xyz", "1"))


async def test_an_instance_only_type_says_so_for_another_key(catalog: Catalog) -> None:
    catalog.add_instance(Recorder(), A1)
    with pytest.raises(RuntimeError, match="There is no agent a/2: the type 'a' has only the instances"):
        await catalog.agent(A2)


@pytest.mark.parametrize(
    ("factory", "says"),
    [
        (Recorder(), "made by a function without arguments, and not by <Recorder not registered>"),
        (lambda side: Recorder(side), "cannot make the agents of 'a' without arguments .*'side'.*pass lambda"),
    ],
)
def test_what_cannot_make_agents_is_refused_at_once(catalog: Catalog, factory: Any, says: str) -> None:
    with pytest.raises(TypeError, match=says):
        catalog.add_factory("a", factory, None)
    assert "a" not in catalog


async def test_a_factory_that_returns_no_agent_is_refused(catalog: Catalog) -> None:
    catalog.add_factory("a", lambda: None, None)  # type: ignore[arg-type, return-value]
    with pytest.raises(TypeError, match="The factory of 'a' should return an agent, and returned None"):
        await catalog.agent(A1)


def test_a_type_is_taken_once(catalog: Catalog) -> None:
    catalog.add_factory("a", Recorder, None)
    with pytest.raises(ValueError, match="a already exists"):
        catalog.add_factory("a", Recorder, None)
    with pytest.raises(ValueError, match="same type"):
        catalog.add_instance(Recorder(), A1)


def test_an_instance_that_is_taken_back_frees_its_type(catalog: Catalog) -> None:
    catalog.add_instance(Recorder(), A1)
    catalog.add_instance(Recorder(), A2)
    catalog.remove_instance(A1)
    assert "a" in catalog
    catalog.remove_instance(A2)
    assert "a" not in catalog
    assert catalog.types == []


async def test_removing_a_type_returns_its_agents(catalog: Catalog) -> None:
    for name in ("a", "b"):
        catalog.add_factory(name, Recorder, None)
    agents = [await catalog.agent(agent_id) for agent_id in (A1, A2, B1)]
    assert catalog.remove("a") == agents[:2]
    assert catalog.types == ["b"]
    assert list(catalog.agents) == [B1]


def test_removing_an_unknown_type_raises_lookup_error(catalog: Catalog) -> None:
    with pytest.raises(LookupError, match="a not found"):
        catalog.remove("a")


async def test_an_agent_that_is_still_being_made_when_its_type_is_removed_never_appears(catalog: Catalog) -> None:
    factory = SlowFactory()
    catalog.add_factory("a", factory, Recorder)
    asking = asyncio.create_task(catalog.agent(A1))
    async with asyncio.timeout(LIMIT_S):
        await factory.called.wait()
        catalog.remove("a")
        factory.go.set()
        with pytest.raises(asyncio.CancelledError):
            await asking
    assert dict(catalog.agents) == {}


async def test_one_agent_is_made_when_a_type_is_registered_again_while_the_old_factory_runs(catalog: Catalog) -> None:
    old, new = SlowFactory(), SlowFactory()
    catalog.add_factory("a", old, Recorder)
    asking = asyncio.create_task(catalog.agent(A1))

    async def ask_while_the_new_factory_runs() -> Agent:
        await new.called.wait()
        asyncio.get_running_loop().call_soon(new.go.set)
        return await catalog.agent(A1)

    async with asyncio.timeout(LIMIT_S):
        await old.called.wait()
        second = asyncio.create_task(ask_while_the_new_factory_runs())
        await asyncio.sleep(0)
        catalog.remove("a")
        catalog.add_factory("a", new, Recorder)
        assert await catalog.agent(A1) is await second
        await asyncio.gather(asking, return_exceptions=True)
    assert new.calls == 1


async def test_an_agent_of_a_removed_type_is_not_kept_even_if_its_factory_resists(catalog: Catalog) -> None:
    called = asyncio.Event()

    async def resists() -> Recorder:
        called.set()
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            return Recorder()
        raise AssertionError("it was never cancelled")

    catalog.add_factory("a", resists, Recorder)
    asking = asyncio.create_task(catalog.agent(A1))
    async with asyncio.timeout(LIMIT_S):
        await called.wait()
        catalog.remove("a")
        await asyncio.gather(asking, return_exceptions=True)
    assert dict(catalog.agents) == {}


def test_a_type_knows_the_messages_that_its_handlers_take(catalog: Catalog) -> None:
    catalog.add_factory("a", Echo, Echo)
    messages = catalog.messages_of("a", "Text")
    assert messages is not None
    assert messages.is_registered("Text", JSON_DATA_CONTENT_TYPE)
    assert not messages.is_registered("Number", JSON_DATA_CONTENT_TYPE)


@pytest.mark.parametrize(("name", "known"), [("Number", True), ("NoSuchMessage", False), ("Gate", False)])
def test_a_type_knows_the_message_classes_that_its_code_could_name(catalog: Catalog, name: str, known: bool) -> None:
    catalog.add_factory("a", Echo, Echo)
    messages = catalog.messages_of("a", name)
    assert messages is not None
    assert messages.is_registered(name, JSON_DATA_CONTENT_TYPE) is known


def test_an_unknown_type_knows_no_messages(catalog: Catalog) -> None:
    assert catalog.messages_of("a", "Text") is None


async def test_the_factory_and_the_agents_of_a_type_can_be_swapped(catalog: Catalog) -> None:
    catalog.add_factory("a", Recorder, Recorder)
    await catalog.agent(A1)
    agent = await catalog.make(A1, Echo, Echo)
    catalog.swap("a", Echo, Echo, {A1: agent})
    assert await catalog.agent(A1) is agent
    assert isinstance(await catalog.agent(A2), Echo)


async def test_get_answers_with_an_id_and_makes_the_agent_only_when_told(catalog: Catalog) -> None:
    catalog.add_factory("a", Recorder, None)
    for asked in ("a", AgentType("a"), A1):
        assert await catalog.get(asked, "1", lazy=True) == A1
    assert dict(catalog.agents) == {}
    assert await catalog.get("a", "1", lazy=False) == A1
    assert list(catalog.agents) == [A1]


async def test_the_object_of_an_agent_is_had_by_its_class(catalog: Catalog) -> None:
    catalog.add_factory("a", Recorder, None)
    agent = await catalog.instance(A1, Agent)
    assert await catalog.instance(A1, Recorder) is agent
    with pytest.raises(TypeError, match="a is a Recorder, not a Echo"):
        await catalog.instance(A1, Echo)


async def test_an_agent_whose_close_raises_does_not_keep_the_others_from_closing(
    catalog: Catalog, caplog: pytest.LogCaptureFixture
) -> None:
    closed = list[AgentId]()

    class Closes(Recorder):
        async def close(self) -> None:
            closed.append(self.id)
            if self.id == A1:
                raise ZeroDivisionError

    catalog.add_factory("a", Closes, Closes)
    for agent_id in (A1, A2):
        await catalog.agent(agent_id)
    await catalog.close()
    assert closed == [A1, A2]
    assert [record.getMessage() for record in caplog.records] == ["Error closing agent a/1"]
