"""Where a published message goes, and that what is remembered of it is what would be found."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from itertools import product

from hypothesis import example, given
from hypothesis import strategies as st

from agentlab import AgentId, TopicId, TypeSubscription
from agentlab.host.directory import ROUTES, Directory

CLIENTS = "abc"
TYPES = ("sky", "sea")
WEATHER = TopicId("weather", "x")

Deed = Callable[[Directory], object]


def _deeds() -> dict[str, Deed]:
    """Everything that may change where a message goes."""
    deeds: dict[str, Deed] = {}
    for client in CLIENTS:
        deeds[f"connect {client}"] = lambda d, c=client: d.connect(c, f"worker {c}")
        deeds[f"disconnect {client}"] = lambda d, c=client: d.disconnect(c)
        deeds[f"leave {client}"] = lambda d, c=client: d.leave(c)
        deeds[f"stay {client}"] = lambda d, c=client: d.stay(c)
    for client, kind in product(CLIENTS, TYPES):
        topic = TypeSubscription(WEATHER.type, kind, f"{kind} of {client}")
        agent = AgentId(kind, WEATHER.source)
        deeds[f"register {client} {kind}"] = lambda d, c=client, k=kind: d.register(c, k)
        deeds[f"share {client} {kind}"] = lambda d, c=client, k=kind: d.register(c, k, shared=True)
        deeds[f"withdraw {client} {kind}"] = lambda d, c=client, k=kind: d.withdraw(c, k)
        deeds[f"subscribe {client} {kind}"] = lambda d, c=client, s=topic: d.subscribe(c, s)
        deeds[f"unsubscribe {client} {kind}"] = lambda d, c=client, s=topic: d.unsubscribe(c, s.id)
        deeds[f"move {client} {kind}"] = lambda d, c=client, a=agent: d.holder_of(a) and d.move(a, c)
        deeds[f"keep {client} {kind}"] = lambda d, c=client, a=agent: d.keep(c, [a])
    return deeds


DEEDS = _deeds()


def _check(directory: Directory) -> None:
    routes = directory.routes(WEATHER)
    for client_id, agents in routes:
        assert agents
        for agent, text in agents:
            assert text == str(agent)
            assert directory.holder_of(agent) == client_id
    subscribed = {s.map_to_agent(WEATHER) for s in directory.subscriptions if s.is_match(WEATHER)}
    found = [agent for _, agents in routes for agent, _ in agents]
    assert set(found) == subscribed
    assert len(found) == len(subscribed)
    assert len({client_id for client_id, _ in routes}) == len(routes)


@given(st.lists(st.sampled_from(sorted(DEEDS)), max_size=40))
@example(["register a sky", "subscribe b sky", "withdraw a sky"])
@example(["register a sky", "subscribe b sky", "disconnect a", "register b sky"])
def test_a_message_goes_to_who_subscribes_now_where_they_are_now(names: list[str]) -> None:
    directory = Directory()
    for client in CLIENTS:
        directory.connect(client, f"worker {client}")
    for name in names:
        with contextlib.suppress(ValueError, PermissionError):  # some deeds are refused, and then change nothing
            DEEDS[name](directory)
        _check(directory)


def test_of_very_many_topics_not_all_are_remembered() -> None:
    directory = Directory()
    directory.connect("a")
    directory.register("a", "sky")
    directory.subscribe("a", TypeSubscription("weather", "sky"))
    for n in range(3 * ROUTES):
        agent = AgentId("sky", str(n))
        assert directory.routes(TopicId("weather", str(n))) == [("a", [(agent, str(agent))])]
    assert len(directory._routes) <= ROUTES
