"""The exercises of ``08_any_language.ipynb``: the protocol itself, and an agent outside of agentlab."""

from __future__ import annotations

import contextlib
import inspect
import json
import tempfile
import textwrap
from pathlib import Path
from typing import Any, Final

from ..core.exceptions import RemoteHandlerError, UndeliverableException
from ..lab.errors import LabError
from ..lab.foreign import ForeignWorker
from ..lab.lab import Lab
from ..wire.codec import decode_plain
from ..wire.parcels import Request, WireError
from .exercises import exercise
from .expecting import Wrong, attempt, expect

NAME: Final = "weigher"
"""The worker that runs a student's agent."""

_PROGRAM: Final = """
import asyncio, os, sys, threading
sys.path.insert(0, {folder!r})
from plain_grpc import Worker

{source}

threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
asyncio.run(Worker(sys.argv[1], {{"scale": {name}}}).run())
"""


@exercise(
    "08.1",
    "What says that it failed?",
    "Read `message RpcResponse` in the contract that is printed above, and the comment before it.",
    "A reply has a payload or an error; both are fields of RpcResponse.",
    "A text in a protobuf message that nobody set is empty: ''.",
)
async def failed(answer: Any) -> str:
    expect(
        isinstance(answer, list | tuple) and len(answer) == 2,
        "two texts: the field's name, and what is in it when all went well",
        answer,
    )
    field, content = answer
    expect(field == "error", "the field of RpcResponse that makes it a failure", field)
    expect(content == "", "what a text field holds that nobody set", content)
    return "An empty error means success, so a failure must never have an empty text."


@exercise(
    "08.2",
    "By hand",
    "`pb.Message(request=pb.RpcRequest(…))` is the message, `.SerializeToString()` are its bytes.",
    "A request needs request_id, target (a pb.AgentId) and payload (a pb.Payload).",
    "The payload: data_type 'Shout', data_content_type 'application/json', data json.dumps({'text': text}).encode().",
)
async def by_hand(answer: Any) -> str:
    data = await attempt(answer, "42", "grüß dich")
    expect(isinstance(data, bytes), "bytes", data)
    try:
        parcel = decode_plain(data)
    except WireError as error:
        raise Wrong("bytes that are a legal agents.Message", str(error)) from error
    if not isinstance(parcel, Request):
        raise Wrong("a request", f"a message of another kind: {type(parcel).__name__}")
    expect(parcel.request_id == "42", "the request id that it was given, '42'", parcel.request_id)
    expect(str(parcel.target) == "shouter/me", "the target shouter/me", str(parcel.target))
    name, content_type, content = parcel.payload
    expect((name, content_type) == ("Shout", "application/json"), "a Shout, as application/json", (name, content_type))
    try:
        text = json.loads(content)
    except ValueError as error:
        raise Wrong("JSON in the payload's data", content) from error
    expect(text == {"text": "grüß dich"}, "{'text': 'grüß dich'} in the payload's data", text)
    return f"{len(data)} bytes, which any host understands."


def _program(lab: Lab, agent: Any, script: Path) -> Path:
    """Write a program that runs a student's function in the plain worker, which the notebook has started before."""
    workers = [lab[name] for name in lab.workers]
    scripts = [worker.script.path for worker in workers if isinstance(worker, ForeignWorker)]
    folders = [str(path.parent) for path in scripts if path.stem == "plain_grpc"]
    if not folders:
        raise Wrong("the worker plain in the lab", lab.workers, "Run the cell that starts plain_grpc.py.")
    source = textwrap.dedent(inspect.getsource(agent))
    script.write_text(_PROGRAM.format(folder=folders[0], source=source, name=agent.__name__), encoding="utf-8")
    return script


@exercise(
    "08.3",
    "An agent of your own, without agentlab",
    "`content` is a dict; what you return is a message type's name and another dict.",
    "return 'Shout', {'text': …}: the number of letters, as text.",
    "An exception in the function becomes the response's error: raise ValueError('…') when the text is empty.",
    limit_s=20,
)
async def weigh(lab: Lab, Shout: Any, answer: Any) -> str:
    if not inspect.iscoroutinefunction(answer):
        raise Wrong("an async function", answer)
    with contextlib.suppress(LabError):
        await lab.remove_worker(NAME)
    with tempfile.TemporaryDirectory() as folder:
        script = _program(lab, answer, Path(folder, "weigh.py"))
        try:
            await lab.add_worker(NAME, script=script, types=["scale"], timeout_s=10)
        except LabError as error:
            raise Wrong("a worker that joins", str(error)) from error
        try:
            for text in ("feather", "brick"):
                try:
                    reply = await lab.send_message(Shout(text), "scale/a", deadline_s=5)
                except UndeliverableException as error:
                    if "NotImplementedError" in str(error):  # the plain worker passes on what was raised as text
                        raise NotImplementedError from error
                    raise Wrong(f"Shout('{len(text)}') for {text!r}", error) from error
                expect(reply == Shout(str(len(text))), f"Shout('{len(text)}') for {text!r}", reply)
            try:
                reply = await lab.send_message(Shout(""), "scale/a", deadline_s=5)
            except RemoteHandlerError as error:
                return f"It weighs, and refuses an empty text: {error}".splitlines()[0]
            raise Wrong("an error for an empty text", reply)
        finally:
            await lab.remove_worker(NAME)
