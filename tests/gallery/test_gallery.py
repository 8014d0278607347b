"""The agents of the gallery, each in the standalone runtime, and some of them on workers."""

from __future__ import annotations

import ast
import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from until import until

from agentlab import (
    AgentId,
    BaseAgent,
    DeadlineExceededError,
    HostService,
    Journal,
    RemoteHandlerError,
    Run,
    SequentialRoutedAgent,
    SingleThreadedAgentRuntime,
    TopicId,
    gallery,
)
from agentlab.core import journal as j
from agentlab.exports import compare, message_copies
from agentlab.gallery.cascade import MOST, Cascade, Wave
from agentlab.gallery.counter import Add, Counter, Total
from agentlab.gallery.debate import Judge, Motion, Player
from agentlab.gallery.echo import Echo, Text
from agentlab.gallery.flaky import Attempt, Flaky, Success
from agentlab.gallery.pingpong import Ball, PingPong
from agentlab.gallery.slow import Done, Slow, Work

FOLDER = Path(gallery.__file__).parent


@pytest.fixture
async def runtime() -> AsyncIterator[SingleThreadedAgentRuntime]:
    runtime = SingleThreadedAgentRuntime(journal=Journal())
    runtime.start()
    yield runtime
    with suppress(RuntimeError):  # the test stopped it
        await runtime.stop()


def handled(runtime: SingleThreadedAgentRuntime, outcome: str = j.HANDLED) -> list[str]:
    assert runtime.journal is not None
    return [copy.recipient for copy in message_copies(runtime.journal) if copy.outcome == outcome]


async def test_echo_answers_with_what_it_got(
    runtime: SingleThreadedAgentRuntime, capsys: pytest.CaptureFixture[str]
) -> None:
    await Echo.register(runtime, "echo", Echo)
    assert await runtime.send_message(Text("hello"), AgentId("echo", "me")) == Text("hello")
    await runtime.publish_message(Text("hi"), TopicId("echo:", "me"))
    await runtime.stop_when_idle()
    assert capsys.readouterr().out == "echo/me heard 'hello' from outside\necho/me heard 'hi' from outside\n"


async def test_each_counter_has_a_total_of_its_own_that_can_be_saved(runtime: SingleThreadedAgentRuntime) -> None:
    await Counter.register(runtime, "counter", Counter)
    red, blue = AgentId("counter", "red"), AgentId("counter", "blue")
    await runtime.send_message(Add(3), red)
    assert await runtime.send_message(Add(), blue) == Total(1)
    state = await runtime.agent_save_state(red)
    assert await runtime.send_message(Add(4), red) == Total(7)
    await runtime.agent_load_state(red, state)
    assert await runtime.send_message(Add(0), red) == Total(3)


async def test_a_ball_is_hit_as_often_as_it_says(runtime: SingleThreadedAgentRuntime) -> None:
    await PingPong.register(runtime, "ping", lambda: PingPong("pong"))
    await PingPong.register(runtime, "pong", lambda: PingPong("ping"))
    assert await runtime.send_message(Ball(5), AgentId("ping", "x")) == Ball(0, "ping pong ping pong ping")
    assert runtime.journal is not None
    requests = [copy for copy in message_copies(runtime.journal) if copy.kind == j.REQUEST]
    assert [(copy.sender, copy.recipient) for copy in requests] == [
        ("", "ping/x"),
        *[("ping/x", "pong/x"), ("pong/x", "ping/x")] * 2,
    ]


class OneAtATime(SequentialRoutedAgent, PingPong):
    """What the module says to try."""


async def test_players_that_finish_one_message_first_wait_until_the_deadline(
    runtime: SingleThreadedAgentRuntime,
) -> None:
    await OneAtATime.register(runtime, "ping", lambda: OneAtATime("pong"))
    await OneAtATime.register(runtime, "pong", lambda: OneAtATime("ping"))
    ping = AgentId("ping", "x")
    assert await runtime.send_message(Ball(2), ping) == Ball(0, "ping pong")
    with pytest.raises(DeadlineExceededError):
        await runtime.send_message(Ball(3), ping, deadline_s=0.1)


@pytest.mark.parametrize("blocking", [False, True])
async def test_slow_takes_as_long_as_it_is_told(runtime: SingleThreadedAgentRuntime, blocking: bool) -> None:
    await Slow.register(runtime, "slow", Slow)
    done: Done = await runtime.send_message(Work(0.05, blocking), AgentId("slow", "x"))
    assert done.seconds >= 0.049  # clocks tick


async def test_slow_stops_when_nobody_waits_any_more(runtime: SingleThreadedAgentRuntime) -> None:
    await Slow.register(runtime, "slow", Slow)
    start_s = time.monotonic()
    with pytest.raises(DeadlineExceededError):
        await runtime.send_message(Work(60), AgentId("slow", "x"), deadline_s=0.05)
    await runtime.stop_when_idle()
    assert time.monotonic() - start_s < 30


async def attempts(seed: int) -> tuple[list[bool], Run]:
    runtime = SingleThreadedAgentRuntime(journal=Journal())
    await Flaky.register(runtime, "flaky", lambda: Flaky(0.5, seed))
    runtime.start()
    replies = await asyncio.gather(
        *(runtime.send_message(Attempt("this"), AgentId("flaky", "x")) for _ in range(20)), return_exceptions=True
    )
    for number, reply in enumerate(replies, 1):
        assert reply == Success("this", number) or str(reply) == f"attempt {number} failed: this"
    await runtime.stop()
    assert runtime.journal is not None
    return [isinstance(reply, Success) for reply in replies], Run(list(runtime.journal))


async def test_flaky_fails_in_the_same_places_for_the_same_seed() -> None:
    (one, first), (two, second), (other, third) = [await attempts(seed) for seed in (1, 1, 2)]
    assert one == two
    assert one != other
    assert True in one
    assert False in one
    assert compare(first, second).is_same
    assert len(compare(first, third).outcomes) == sum(a != b for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize(("depth", "children", "agents"), [(0, 2, 1), (3, 2, 15), (2, 3, 13), (5, 0, 1), (4, 1, 5)])
async def test_a_cascade_makes_an_agent_for_every_node_of_its_tree(
    runtime: SingleThreadedAgentRuntime, depth: int, children: int, agents: int
) -> None:
    await Cascade.register(runtime, "cascade", lambda: Cascade(children))
    await runtime.publish_message(Wave(depth), TopicId("cascade", "0"))
    await runtime.stop_when_idle()
    names = handled(runtime)
    assert len(names) == len(set(names)) == agents
    assert max(name.count(".") for name in names) == (depth if children else 0)


async def test_a_cascade_of_too_many_messages_does_not_begin(runtime: SingleThreadedAgentRuntime) -> None:
    await Cascade.register(runtime, "cascade", Cascade)
    await runtime.publish_message(Wave(40), TopicId("cascade", "0"))
    await runtime.stop_when_idle()
    assert handled(runtime) == []
    assert handled(runtime, j.FAILED) == ["cascade/0"]
    assert str(MOST) in next(e.detail for e in runtime.journal or () if e.what == j.FAILED)


async def test_a_debate_ends_with_a_verdict_that_the_players_hear(runtime: SingleThreadedAgentRuntime) -> None:
    await Player.register(runtime, "player-a", lambda: Player("for"))
    await Player.register(runtime, "player-b", lambda: Player("against"))
    await Judge.register(runtime, "judge", Judge)
    verdict = await runtime.send_message(Motion("A framework?", rounds=2), AgentId("judge", "x"))
    await runtime.stop_when_idle()
    assert verdict.winner == "for"
    assert verdict.score == {"for": 7, "against": 5}
    assert len([name for name in handled(runtime) if name.startswith("player")]) == 6


async def test_the_same_agents_play_on_two_workers(cast: Any, host: HostService) -> None:
    notebook, left, right = [await cast.worker(host, name) for name in ("notebook", "left", "right")]
    await PingPong.register(left, "ping", lambda: PingPong("pong"))
    await PingPong.register(right, "pong", lambda: PingPong("ping"))
    await Cascade.register(right, "cascade", Cascade)
    await Flaky.register(left, "flaky", lambda: Flaky(1))
    assert await notebook.send_message(Ball(4), AgentId("ping", "x")) == Ball(0, "ping pong ping pong")
    with pytest.raises(RemoteHandlerError, match="attempt 1 failed: it"):
        await notebook.send_message(Attempt(), AgentId("flaky", "x"))
    await notebook.publish_message(Wave(2), TopicId("cascade", "0"))

    def ended() -> list[str]:
        copies = message_copies(host.journal)
        return [copy.recipient for copy in copies if copy.kind == j.EVENT and copy.outcome == j.HANDLED]

    await until(lambda: len(ended()) == 7)
    assert "cascade/0.1.0" in ended()


def test_every_agent_of_the_gallery_can_be_had_from_it_and_only_then_is_imported() -> None:
    for name in gallery.__all__:
        assert getattr(gallery, name).__name__ == name
    things = [getattr(gallery, name) for name in gallery.__all__]
    agents = [thing.__name__ for thing in things if isinstance(thing, type) and issubclass(thing, BaseAgent)]
    assert {"Echo", "Counter", "PingPong", "Slow", "Flaky", "Cascade", "Player", "Judge"} == set(agents)
    code = (
        "import sys, agentlab.gallery as gallery; gallery.Echo; "
        "print(*[name for name in sys.modules if name.startswith('agentlab.gallery.')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["agentlab.gallery.echo"]
    with pytest.raises(AttributeError, match="no attribute 'Ecko'"):
        gallery.Ecko  # noqa: B018


def test_the_gallery_lists_every_class_of_its_modules() -> None:
    classes = {
        node.name
        for path in FOLDER.glob("*.py")
        if path.stem != "rule_model"  # a plugin of a library that may be missing: only that library imports it
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef)
    }
    assert set(gallery.__all__) == {*classes, "seat"}
    assert classes <= set(dir(gallery))


@pytest.mark.parametrize("path", [p for p in FOLDER.glob("*.py") if p.stem != "__init__"], ids=lambda path: path.stem)
def test_an_agent_is_small_and_its_module_says_what_to_try(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            assert (node.end_lineno or 0) - node.lineno < 40
    assert "Try: " in (ast.get_docstring(tree) or "")
