"""Agents from cells and modules, registered in real worker processes."""

from __future__ import annotations

import os
import sys
from types import ModuleType
from typing import Any

import pytest
from until import until

from agentlab import ClosureContext, Lab, MessageContext, RemoteHandlerError
from agentlab.lab.errors import LabError, RegistrationError

from .cast import Echo, Say
from .cells import Notebook


async def ask(lab: Lab, message: Any, recipient: str) -> Any:
    """A reply, soon."""
    return await lab.send_message(message, recipient, deadline_s=10)


async def test_a_class_of_a_module_travels_by_name(lab: Lab) -> None:
    assert await lab.register("worker-1", "by-name", Echo, "module") == "by-name: Echo('module') on worker-1"
    said = await ask(lab, Say("hi"), "by-name")
    assert (said.text, said.pid) == ("module hi", lab["worker-1"].pid)


async def test_a_class_of_a_cell_travels_by_value(lab: Lab, notebook: Notebook) -> None:
    notebook.run("""
        import os

        @dataclass
        class Question:
            text: str
            tags: list[str] = field(default_factory=list)
            times: int = 2

        @dataclass
        class Answer:
            text: str
            pid: int

        def repeated(text, times):
            return " ".join([text] * times)

        class Parrot(RoutedAgent):
            def __init__(self, word, *, loud=False):
                super().__init__("a parrot")
                self.word, self.loud = word, loud

            @message_handler
            async def on_question(self, message: Question, ctx: MessageContext) -> Answer:
                text = repeated(f"{self.word} {message.text}{message.tags}", message.times)
                return Answer(text.upper() if self.loud else text, os.getpid())
    """)
    done = await lab.register("worker-1", "parrot", notebook.Parrot, "so", loud=True)
    assert done == "parrot: Parrot('so', loud=True) on worker-1"
    answer = await ask(lab, notebook.Question("what"), "parrot")
    assert answer == notebook.Answer("SO WHAT[] SO WHAT[]", lab["worker-1"].pid)
    assert answer.pid != os.getpid()


async def test_annotations_may_be_text(lab: Lab, notebook: Notebook) -> None:
    notebook.run("""
        from __future__ import annotations
        from enum import Enum
        from pydantic import BaseModel

        class Colour(Enum):
            RED = "red"
            BLUE = "blue"

        @dataclass
        class Point:
            x: int
            y: int = 7

        @dataclass
        class Shape:
            points: list[Point]
            colour: Colour
            name: str | None = None

        class Report(BaseModel):
            shape: Shape
            corners: int

        class Drawer(RoutedAgent):
            def __init__(self):
                super().__init__("draws")

            @message_handler
            async def on_shape(self, message: Shape, ctx: MessageContext) -> Report:
                assert isinstance(message.points[0], Point)
                assert message.colour is Colour.RED
                return Report(shape=message, corners=len(message.points))
    """)
    await lab.register("worker-1", "drawer", notebook.Drawer)
    shape = notebook.Shape([notebook.Point(1), notebook.Point(2, 3)], notebook.Colour.RED)
    assert await ask(lab, shape, "drawer") == notebook.Report(shape=shape, corners=2)


async def test_pydantic_models_nested_dataclasses_and_enums_travel(lab: Lab, notebook: Notebook) -> None:
    notebook.run("""
        from enum import Enum
        from pydantic import BaseModel, Field, field_validator

        class Mood(Enum):
            GOOD = 1
            BAD = 2

        @dataclass
        class Where:
            place: str

        class Letter(BaseModel):
            to: Where
            mood: Mood = Mood.GOOD
            stamps: list[int] = Field(default_factory=lambda: [5])

            @field_validator("stamps")
            @classmethod
            def some_stamps(cls, value):
                if not value:
                    raise ValueError("no stamps")
                return value

        @dataclass(frozen=True, kw_only=True)
        class Receipt:
            mood: Mood
            postage: int = 0

        class PostOffice(RoutedAgent):
            def __init__(self):
                super().__init__("a post office")

            @rpc
            async def on_letter(self, message: Letter, ctx: MessageContext) -> Receipt:
                return Receipt(mood=Mood.BAD, postage=sum(message.stamps))
    """)
    await lab.register("worker-1", "post-office", notebook.PostOffice)
    receipt = await ask(lab, notebook.Letter(to=notebook.Where("home")), "post-office")
    assert receipt == notebook.Receipt(mood=notebook.Mood.BAD, postage=5)


async def test_a_function_makes_agents_from_arguments(lab: Lab, notebook: Notebook) -> None:
    notebook.run("""
        @dataclass
        class Ping:
            n: int

        @dataclass
        class Pong:
            n: int

        class Adder(RoutedAgent):
            def __init__(self, step):
                super().__init__("adds")
                self.step = step

            @message_handler
            async def on_ping(self, message: Ping, ctx: MessageContext) -> Pong:
                return Pong(message.n + self.step)

        def make_adder(step, *, twice=False):
            return Adder(step * 2 if twice else step)

        async def make_adder_slowly(step) -> Adder:
            import asyncio
            await asyncio.sleep(0.01)
            return Adder(step)
    """)
    assert await lab.register("worker-1", "adder", notebook.make_adder, 3, twice=True) == (
        "adder: make_adder(3, twice=True) on worker-1"
    )
    await lab.register("worker-2", "slow-adder", notebook.make_adder_slowly, 10)
    assert await ask(lab, notebook.Ping(1), "adder") == notebook.Pong(7)
    assert await ask(lab, notebook.Ping(1), "slow-adder") == notebook.Pong(11)
    assert await ask(lab, notebook.Ping(1), "adder/another") == notebook.Pong(7)


async def test_the_notebook_reads_replies_of_agents_that_a_plain_function_or_lambda_makes(
    lab: Lab, notebook: Notebook
) -> None:
    notebook.run("""
        @dataclass
        class Knock:
            pass

        @dataclass
        class WhoIsThere:
            name: str

        class Door(RoutedAgent):
            def __init__(self, name):
                super().__init__("a door")
                self.name = name

            @message_handler
            async def on_knock(self, message: Knock, ctx: MessageContext) -> WhoIsThere:
                return WhoIsThere(self.name)

        def door():
            return Door("front")

        back = lambda: Door("back")
    """)
    await lab.register("worker-1", "front-door", notebook.door)
    await lab.register("worker-1", "back-door", notebook.back)
    assert await ask(lab, notebook.Knock(), "front-door") == notebook.WhoIsThere("front")
    assert await ask(lab, notebook.Knock(), "back-door") == notebook.WhoIsThere("back")


@pytest.mark.parametrize("agent", ["lambda: Listener('x')", "listener", "partial(Listener, 'x')"])
async def test_agents_that_a_function_makes_hear_what_their_class_subscribes(
    lab: Lab, notebook: Notebook, agent: str
) -> None:
    notebook.run("""
        from functools import partial

        @dataclass
        class Tune:
            name: str

        @type_subscription("radio")
        class Listener(RoutedAgent):
            def __init__(self, name):
                super().__init__("listens")
                self.name = name

            @event
            async def on_tune(self, message: Tune, ctx: MessageContext) -> None:
                print(f"{self.id} hears {message.name}")

        def listener():
            return Listener("x")
    """)
    notebook.run(f"agent = {agent}")
    await lab.register("worker-2", "listener", notebook.agent)
    try:
        await lab.publish_message(notebook.Tune(agent), "radio")
        await until(lambda: f"listener/default hears {agent}\n" in lab.logs("worker-2"))
    finally:
        await lab.unregister("worker-2", "listener")


async def test_an_async_function_of_three_parameters_is_an_agent(lab: Lab, notebook: Notebook) -> None:
    notebook.run("""
        from __future__ import annotations

        @dataclass
        class Number:
            value: int

        @dataclass
        class Square:
            value: int

        async def square(closure: ClosureContext, message: Number, ctx: MessageContext) -> Square:
            print("squaring for", ctx.sender, "as", closure.id)
            return Square(message.value ** 2)
    """)
    assert await lab.register("worker-1", "square", notebook.square) == "square: square() on worker-1"
    assert await ask(lab, notebook.Number(5), "square") == notebook.Square(25)
    assert "squaring for None as square/default" in lab.logs("worker-1")


async def test_code_that_a_worker_cannot_run_is_an_error_that_shows_the_students_line(
    lab: Lab, notebook: Notebook
) -> None:
    notebook.run("""
        @dataclass
        class Order:
            dish: str

        class Cook(RoutedAgent):
            def __init__(self):
                super().__init__("cooks")

            @message_handler
            async def on_order(self, message: Order, ctx: MessageContext) -> Order:
                return Order(self.recipe(message.dish))

            def recipe(self, dish):
                return {"soup": "hot"}[dish]  # the student's own line
    """)
    await lab.register("worker-1", "cook", notebook.Cook)
    with pytest.raises(RemoteHandlerError) as caught:
        await ask(lab, notebook.Order("cake"), "cook")
    text = str(caught.value)
    assert caught.value.remote_type == "KeyError"
    assert "return Order(self.recipe(message.dish))" in text
    assert "# the student's own line" in text
    assert "agentlab/worker" not in text
    assert "agentlab/core" not in text


async def test_an_agent_whose_init_raises_is_an_error_of_the_message(lab: Lab, notebook: Notebook) -> None:
    notebook.run("""
        @dataclass
        class Anything:
            pass

        class Broken(RoutedAgent):
            def __init__(self):
                super().__init__("broken")
                raise OSError("no coffee")

            @message_handler
            async def on_anything(self, message: Anything, ctx: MessageContext) -> None: ...
    """)
    await lab.register("worker-1", "broken", notebook.Broken)
    with pytest.raises(RemoteHandlerError, match=r"while making the agent broken/default: OSError: no coffee"):
        await ask(lab, notebook.Anything(), "broken")


async def test_a_class_that_cannot_travel_is_refused_with_advice(lab: Lab, notebook: Notebook) -> None:
    notebook.run("""
        import threading
        lock = threading.Lock()

        class Locked(RoutedAgent):
            def __init__(self):
                super().__init__("locked")

            @message_handler
            async def on_text(self, message: AgentId, ctx: MessageContext) -> None:
                with lock:
                    pass
    """)
    with pytest.raises(RegistrationError, match=r"Locked\(\) cannot be sent to a worker: .*make such things in"):
        await lab.register("worker-1", "locked", notebook.Locked)
    assert "locked" not in lab.directory().column("agent types")[1]


async def test_a_class_that_does_not_load_in_the_worker_is_refused_with_advice(
    lab: Lab, notebook: Notebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = ModuleType("only_in_this_notebook")
    exec("def trick():\n    return 1\n", mine.__dict__)
    monkeypatch.setitem(sys.modules, "only_in_this_notebook", mine)
    notebook.run("""
        from only_in_this_notebook import trick

        @dataclass
        class Please:
            pass

        class Magician(RoutedAgent):
            def __init__(self):
                super().__init__("a magician")

            @message_handler
            async def on_please(self, message: Please, ctx: MessageContext) -> None:
                trick()
    """)
    with pytest.raises(RegistrationError) as caught:
        await lab.register("worker-1", "magician", notebook.Magician)
    assert "could not be registered on worker-1" in str(caught.value)
    assert "No module named 'only_in_this_notebook'" in str(caught.value)
    assert "beside the notebook" in str(caught.value)
    assert "magician" not in str(lab.directory())
    # Nothing is left of the attempt: with the module in reach, the same works.
    notebook.run("def trick(): return 1")
    await lab.register("worker-1", "magician", notebook.Magician)
    assert await ask(lab, notebook.Please(), "magician") is None


@pytest.mark.parametrize(
    ("agent", "arguments", "says"),
    [
        (Echo("ready-made"), (), r"A ready-made Echo cannot move .*lab\.register\(worker, type, Echo"),
        (Echo, (1, 2, 3), r"Echo\(1, 2, 3\) cannot be called so: too many positional arguments"),
        (Say, ("x",), r"Say is no agent class: it should extend RoutedAgent or BaseAgent"),
        (42, (), r"42 makes no agents: pass an agent class"),
        ("Echo", (), r"'Echo' makes no agents"),
    ],
)
async def test_what_makes_no_agents_is_refused(lab: Lab, agent: Any, arguments: Any, says: str) -> None:
    with pytest.raises(RegistrationError, match=says):
        await lab.register("worker-1", "refused", agent, *arguments)


async def test_a_class_without_handlers_is_refused(lab: Lab, notebook: Notebook) -> None:
    notebook.run("""
        class Deaf(RoutedAgent):
            def __init__(self):
                super().__init__("its handler has no mark")

            async def on_say(self, message: str, ctx: MessageContext) -> None: ...
    """)
    with pytest.raises(RegistrationError, match="Deaf has no handlers: mark the methods .* with @message_handler"):
        await lab.register("worker-1", "deaf", notebook.Deaf)


async def test_a_function_of_another_shape_than_a_handlers_is_refused_with_the_right_one(lab: Lab) -> None:
    async def two(message: Say, ctx: MessageContext) -> None: ...
    def plain(closure_ctx: ClosureContext, message: Say, ctx: MessageContext) -> None: ...

    for function in (two, plain):
        with pytest.raises(
            RegistrationError, match=r"handles messages is async, and takes \(closure_ctx, message, ctx\)"
        ):
            await lab.register("worker-1", "refused", function)


async def test_an_abstract_class_is_refused(lab: Lab, notebook: Notebook) -> None:
    notebook.run("""
        class Half(BaseAgent):
            pass
    """)
    with pytest.raises(RegistrationError, match="Half is abstract: it does not implement on_message_impl"):
        await lab.register("worker-1", "half", notebook.Half, "a description")


async def test_a_function_that_returns_no_agent_is_an_error_of_the_message(lab: Lab, notebook: Notebook) -> None:
    notebook.run("""
        def make():
            return "no agent"
    """)
    await lab.register("worker-1", "no-agent", notebook.make)
    with pytest.raises(RemoteHandlerError, match="making the agent no-agent/default"):
        await ask(lab, Say("hi"), "no-agent")


@pytest.mark.parametrize("agent_type", ["white space", "a/b", "", "naïve!", "type:x"])
async def test_an_illegal_type_is_refused(lab: Lab, agent_type: str) -> None:
    with pytest.raises(ValueError, match="Invalid agent type"):
        await lab.register("worker-1", agent_type, Echo)


async def test_an_unknown_worker_is_refused_by_name(lab: Lab) -> None:
    with pytest.raises(LabError, match=r"no process 'worker-9'.*There are: host, worker-1, worker-2, worker-3"):
        await lab.register("worker-9", "echo", Echo)
    with pytest.raises(LabError, match="The host has no agents"):
        await lab.register("host", "echo", Echo)
    with pytest.raises(LabError, match="no process 'worker-9'"):
        await lab.unregister("worker-9", "echo")


async def test_the_same_type_on_another_worker_is_refused_and_the_owner_is_named(lab: Lab) -> None:
    await lab.register("worker-1", "mine", Echo, "first")
    for other in ("worker-2", "notebook"):
        with pytest.raises(RegistrationError, match=r"'mine' is already registered on worker-1\..*lab\.unregister"):
            await lab.register(other, "mine", Echo, "second")
    assert (await ask(lab, Say("hi"), "mine")).text == "first hi"
    await lab.unregister("worker-1", "mine")
    await lab.register("worker-2", "mine", Echo, "second")
    assert (await ask(lab, Say("hi"), "mine")).text == "second hi"


async def test_the_notebook_can_have_agents_too(lab: Lab, notebook: Notebook) -> None:
    await lab.register("notebook", "here", Echo, "notebook")
    said = await ask(lab, Say("hi"), "here")
    assert (said.text, said.pid) == ("notebook hi", os.getpid())
    assert await lab.register("notebook", "here", Echo, "again") == (
        "here: now Echo('again') on notebook, 1 running agent replaced"
    )
    assert (await ask(lab, Say("hi"), "here")).heard == 2
    await lab.unregister("notebook", "here")
    with pytest.raises(LabError, match="notebook has no agent type 'here'"):
        await lab.unregister("notebook", "here")


async def test_replacing_carries_the_state_across_in_the_running_process(lab: Lab, notebook: Notebook) -> None:
    notebook.run("""
        import os

        @dataclass
        class Add:
            n: int

        @dataclass
        class Total:
            n: int
            by: str
            pid: int

        class Sum(RoutedAgent):
            def __init__(self, start=0):
                super().__init__("sums")
                self.n = start

            @message_handler
            async def on_add(self, message: Add, ctx: MessageContext) -> Total:
                self.n += message.n
                return Total(self.n, "first", os.getpid())

            async def save_state(self):
                return {"n": self.n}

            async def load_state(self, state):
                self.n = state["n"]
    """)
    await lab.register("worker-1", "sum", notebook.Sum)
    first = await ask(lab, notebook.Add(5), "sum")
    await ask(lab, notebook.Add(1), "sum/other")
    notebook.run("""
        class Sum(RoutedAgent):
            def __init__(self, start=0):
                super().__init__("sums, and says so")
                self.n = start

            @message_handler
            async def on_add(self, message: Add, ctx: MessageContext) -> Total:
                self.n += message.n
                return Total(self.n, "second", os.getpid())

            async def save_state(self):
                return {"n": self.n}

            async def load_state(self, state):
                self.n = state["n"]
    """)
    done = await lab.register("worker-1", "sum", notebook.Sum, 100)
    assert done == "sum: now Sum(100) on worker-1, 2 running agents replaced"
    assert await ask(lab, notebook.Add(2), "sum") == notebook.Total(7, "second", first.pid)
    assert await ask(lab, notebook.Add(2), "sum/other") == notebook.Total(3, "second", first.pid)
    assert await ask(lab, notebook.Add(2), "sum/new") == notebook.Total(102, "second", first.pid)


async def test_a_message_class_that_is_defined_again_reaches_the_agents_that_run(lab: Lab, notebook: Notebook) -> None:
    definition = """
        @dataclass
        class Twice:
            n: int
    """
    notebook.run(definition)
    notebook.run("""
        class Doubler(RoutedAgent):
            def __init__(self):
                super().__init__("doubles")

            @message_handler
            async def on_twice(self, message: Twice, ctx: MessageContext) -> Twice:
                return Twice(message.n * 2)
    """)
    await lab.register("worker-1", "doubler", notebook.Doubler)
    notebook.run(definition)
    assert (await ask(lab, notebook.Twice(4), "doubler")).n == 8


@pytest.mark.parametrize("where", ["init", "load"])
async def test_a_new_class_that_fails_leaves_the_old_one(lab: Lab, notebook: Notebook, where: str) -> None:
    agent_type = f"keeps-{where}"
    await lab.register("worker-1", agent_type, Echo, "old")
    assert (await ask(lab, Say("hi"), agent_type)).heard == 1
    notebook.run(f"""
        class Fails(RoutedAgent):
            def __init__(self):
                super().__init__("fails")
                if {where == "init"}:
                    raise OSError("cannot do that")  # line of the student

            async def on_unhandled_message(self, message, ctx):
                pass

            async def save_state(self):
                return {{}}

            async def load_state(self, state):
                raise OSError("cannot do that")  # line of the student
    """)
    with pytest.raises(RegistrationError, match="OSError: cannot do that") as caught:
        await lab.register("worker-1", agent_type, notebook.Fails)
    assert "# line of the student" in str(caught.value)
    said = await ask(lab, Say("hi"), agent_type)
    assert (said.text, said.heard) == ("old hi", 2)


async def test_subscriptions_follow_the_new_class(lab: Lab, notebook: Notebook) -> None:
    notebook.run("""
        @dataclass
        class News:
            text: str

        @type_subscription("morning")
        class Reader(RoutedAgent):
            def __init__(self):
                super().__init__("reads")

            @event
            async def on_news(self, message: News, ctx: MessageContext) -> None:
                print("read", message.text)
    """)

    def subscribed() -> str:
        return str(next(row for row in lab.directory() if row["worker"] == "worker-3")["subscriptions"])

    await lab.register("worker-3", "reader", notebook.Reader)
    assert "morning → reader" in subscribed()
    notebook.run("""
        @type_subscription("evening")
        @type_subscription("night")
        class Reader(Reader):
            pass
    """)
    await lab.register("worker-3", "reader", notebook.Reader)
    await lab.publish_message(notebook.News("m1"), "morning")
    await lab.publish_message(notebook.News("e1"), "evening")
    await lab.publish_message(notebook.News("n1"), "night")
    await until(lambda: "read n1" in lab.logs("worker-3"))
    assert "read e1" in lab.logs("worker-3")
    assert ("evening → reader" in subscribed(), "night → reader" in subscribed()) == (True, True)
    notebook.run("""
        @type_subscription("evening")
        class Reader(RoutedAgent):
            def __init__(self):
                super().__init__("reads")

            @event
            async def on_news(self, message: News, ctx: MessageContext) -> None:
                print("read", message.text)
    """)
    await lab.register("worker-3", "reader", notebook.Reader)
    assert "morning" not in subscribed()
    assert "night" not in subscribed()
    await lab.publish_message(notebook.News("n2"), "night")
    await lab.publish_message(notebook.News("e2"), "evening")
    await until(lambda: "read e2" in lab.logs("worker-3"))
    assert "read n2" not in lab.logs("worker-3")
    assert "read m1" not in lab.logs("worker-3")
    await lab.unregister("worker-3", "reader")
    assert "reader" not in str(lab.directory())


async def test_a_class_and_a_closure_replace_each_other(lab: Lab, notebook: Notebook) -> None:
    notebook.run("""
        from lab.cast import Said, Say

        async def whisper(closure: ClosureContext, message: Say, ctx: MessageContext) -> Said:
            return Said(message.text.lower(), 0, 0)
    """)
    await lab.register("worker-1", "changing", Echo)
    assert (await ask(lab, Say("HI"), "changing")).text == "echo HI"
    await lab.register("worker-1", "changing", notebook.whisper)
    assert (await ask(lab, Say("HI"), "changing")).text == "hi"
    await lab.register("worker-1", "changing", Echo)
    assert (await ask(lab, Say("HI"), "changing")).text == "echo HI"


async def test_an_unregistered_type_can_be_registered_again(lab: Lab) -> None:
    await lab.register("worker-2", "again", Echo)
    assert (await ask(lab, Say("hi"), "again")).heard == 1
    await lab.unregister("worker-2", "again")
    with pytest.raises(LabError, match="worker-2 has no agent type 'again'"):
        await lab.unregister("worker-2", "again")
    await lab.register("worker-2", "again", Echo)
    assert (await ask(lab, Say("hi"), "again")).heard == 1


async def test_a_reply_of_a_type_that_only_the_other_workers_code_mentions_is_read(
    lab: Lab, notebook: Notebook
) -> None:
    notebook.run("""
        @dataclass
        class Ask:
            via: str

        @dataclass
        class Hidden:
            text: str

        @dataclass
        class Told:
            text: str

        class Middle(RoutedAgent):
            def __init__(self):
                super().__init__("asks another")

            @message_handler
            async def on_ask(self, message: Ask, ctx: MessageContext) -> Told:
                reply = await self.send_message(message, AgentId(message.via, "default"))
                return Told(f"{type(reply).__name__} {reply.text}")

        class Source(RoutedAgent):
            def __init__(self):
                super().__init__("knows")

            @message_handler
            async def on_ask(self, message: Ask, ctx: MessageContext) -> Hidden:
                return Hidden("treasure")
    """)
    await lab.register("worker-1", "middle", notebook.Middle)
    await lab.register("worker-2", "source", notebook.Source)
    assert await ask(lab, notebook.Ask("source"), "middle") == notebook.Told("Hidden treasure")
