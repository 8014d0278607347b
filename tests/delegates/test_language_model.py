"""Language models inside agents, through the `llm` library itself."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from until import until

from agentlab import (
    AgentId,
    CancellationToken,
    ClosureAgent,
    ClosureContext,
    DeadlineExceededError,
    HostService,
    MessageContext,
    RemoteHandlerError,
    SingleThreadedAgentRuntime,
    TypeSubscription,
    WorkerRuntime,
)
from agentlab.delegates import Answer, Ask, Assistant, DelegateError, LanguageModel, Token

from .models import SECRET, Endless, EndlessBlocking, Repeats

Pair = tuple[WorkerRuntime, WorkerRuntime]
HERE, THERE = AgentId("it", "here"), AgentId("it", "there")


async def register(runtime: Any, *args: Any, tokens_to: str | None = None, **options: Any) -> None:
    inside = LanguageModel(*args, **options)
    await Assistant.register(runtime, "it", lambda: Assistant(inside, tokens_to=tokens_to))


async def ask(runtime: Any, text: str, agent: AgentId = HERE) -> str:
    answer = await runtime.send_message(Ask(text), agent)
    assert isinstance(answer, Answer)
    return answer.text.strip()


async def test_a_conversation_is_kept_for_each_key(runtime: SingleThreadedAgentRuntime) -> None:
    await register(runtime, "repeats", system="Be brief.")
    assert await ask(runtime, "one") == "system: Be brief. | user: one"
    assert await ask(runtime, "other", THERE) == "system: Be brief. | user: other"
    second = await ask(runtime, "two")
    assert second == "system: Be brief. | user: one | assistant: system: Be brief. | user: one  | user: two"


async def test_a_plugin_of_the_older_kind_sees_the_same_conversation(runtime: SingleThreadedAgentRuntime) -> None:
    await register(runtime, "remembers", system="Be brief.")
    first = await ask(runtime, "one")
    assert first == "[] then ('Be brief.', 'one')"
    assert await ask(runtime, "two") == f"{[('Be brief.', 'one', first)]} then ('Be brief.', 'two')"


async def test_a_model_that_takes_no_history_gets_none(runtime: SingleThreadedAgentRuntime) -> None:
    await register(runtime, "forgets")
    assert [await ask(runtime, "one"), await ask(runtime, "two")] == ["user: one", "user: two"]


async def test_a_saved_conversation_goes_on_elsewhere_with_this_model_or_another(
    runtime: SingleThreadedAgentRuntime,
) -> None:
    await register(runtime, "repeats")
    await ask(runtime, "one")
    state = json.loads(json.dumps(await runtime.agent_save_state(HERE)))
    await runtime.agent_load_state(THERE, state)
    assert await ask(runtime, "two", THERE) == "user: one | assistant: user: one  | user: two"
    await Assistant.register(runtime, "older", lambda: Assistant(LanguageModel("remembers", system="New.")))
    await runtime.agent_load_state(AgentId("older", "x"), state)
    assert await ask(runtime, "three", AgentId("older", "x")) == (
        f"{[('New.', 'one', 'user: one ')]} then ('New.', 'three')"
    )


@pytest.mark.parametrize("name", ["repeats", "parrot"])
async def test_pieces_of_an_answer_are_published_in_order_if_asked(
    runtime: SingleThreadedAgentRuntime, name: str
) -> None:
    heard: list[tuple[str, Token]] = []

    async def hear(closure: ClosureContext, message: Token, ctx: MessageContext) -> None:
        heard.append((closure.id.key, message))

    await ClosureAgent.register_closure(runtime, "ear", hear, subscriptions=lambda: [TypeSubscription("tokens", "ear")])
    await register(runtime, name, tokens_to="tokens")
    assert await ask(runtime, "a b") == "user: a b"
    await runtime.stop_when_idle()
    assert [(key, token.text, token.number) for key, token in heard] == [
        ("here", "user: ", 1),
        ("here", "a ", 2),
        ("here", "b ", 3),
    ]
    assert len({token.message_id for _, token in heard}) == 1
    assert heard[0][1].message_id


@pytest.mark.parametrize(("name", "model"), [("endless", Endless), ("endless-blocking", EndlessBlocking)])
async def test_a_model_stops_when_nobody_waits_and_the_turn_did_not_happen(
    runtime: SingleThreadedAgentRuntime, name: str, model: Any
) -> None:
    await register(runtime, name)
    assert await ask(runtime, "stop at once") == "history: 0"
    for history in (1, 2):
        started, stopped, token = model.started, model.stopped, CancellationToken()
        asking = asyncio.ensure_future(runtime.send_message(Ask("go on"), HERE, cancellation_token=token))
        await until(lambda started=started: model.started > started)
        assert not asking.done()
        token.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await until(lambda stopped=stopped: model.stopped > stopped)
        assert await ask(runtime, "stop now") == f"history: {history}"


async def test_the_deadline_of_a_sender_in_another_process_stops_the_model(pair: Pair) -> None:
    notebook, worker = pair
    await register(worker, "endless")
    await ask(notebook, "stop at once")
    before = Endless.stopped
    with pytest.raises(DeadlineExceededError):
        await notebook.send_message(Ask("go on"), HERE, deadline_s=0.5)
    await until(lambda: Endless.stopped == before + 1)


async def test_an_unknown_model_is_named_with_the_closest_known_one(runtime: SingleThreadedAgentRuntime) -> None:
    await register(runtime, "repeets")
    with pytest.raises(DelegateError, match="llm knows no model 'repeets'. Did you mean 'repeats'"):
        await runtime.send_message(Ask("hi"), HERE)


async def test_a_wrong_option_is_an_error_that_names_it(runtime: SingleThreadedAgentRuntime) -> None:
    await register(runtime, "debate-rules", options={"pause_s": "long"})
    with pytest.raises(DelegateError, match=r"(?s)the language model debate-rules did not answer.*pause_s"):
        await runtime.send_message(Ask("hi"), HERE)


async def test_a_missing_key_is_an_error_that_says_where_to_put_it(runtime: SingleThreadedAgentRuntime) -> None:
    await register(runtime, "locked")
    with pytest.raises(DelegateError, match=r"NeedsKeyException: No key found.*llm keys set locked.*LOCKED_KEY"):
        await runtime.send_message(Ask("open"), HERE)


async def test_a_key_is_in_no_message_no_error_no_log_and_no_journal(
    pair: Pair, host: HostService, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("LOCKED_KEY", SECRET)
    caplog.set_level("DEBUG")
    notebook, worker = pair
    await register(worker, "locked")
    assert await ask(notebook, "open, please") == "come in"
    with pytest.raises(RemoteHandlerError, match=r"did not answer. ModelError: 401: \[key\] is not allowed") as caught:
        await notebook.send_message(Ask("who goes there?"), HERE)
    state = await notebook.agent_save_state(HERE)
    await until(lambda: any(event.detail for event in host.journal))
    seen = [str(caught.value), repr(state), caplog.text, *(repr(event) for event in host.journal)]
    assert "401" in "".join(seen)
    assert [text for text in seen if SECRET in text] == []


@pytest.mark.parametrize("name", ["key", "api_key"])
def test_a_key_is_not_taken_as_an_option(name: str) -> None:
    with pytest.raises(ValueError, match=f"The option '{name}' would travel with the agent") as caught:
        LanguageModel("locked", options={name: SECRET})
    assert SECRET not in str(caught.value)


async def test_a_model_of_ones_own_needs_no_name(runtime: SingleThreadedAgentRuntime) -> None:
    await register(runtime, Repeats)
    assert await ask(runtime, "hi") == "user: hi"
    assert (await runtime.agent_metadata(HERE)).description == "a delegate for the language model Repeats"


async def test_the_rule_model_is_found_by_llm_and_does_not_repeat_itself(runtime: SingleThreadedAgentRuntime) -> None:
    await register(runtime, "debate-rules", system="You argue against it.")
    answers = [await ask(runtime, "Do we need a framework?") for _ in range(4)]
    assert answers[-1] == "I have said all I have to say."
    assert len(set(answers)) == 4
    assert await ask(runtime, "What about sockets?", THERE) == (
        "We have two agents. A function call and our own code would do."
    )
