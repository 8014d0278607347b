"""Asking other workers' agents for their state, and answering for one's own: the control channel of a worker."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any

import grpc
import grpc.aio

from ..core.catalog import Catalog
from ..core.exceptions import HostLostError, RemoteHandlerError
from ..wire.channel import end_call
from ..wire.control import (
    Answer,
    Control,
    Describe,
    LoadState,
    Question,
    SaveState,
    decode_answer,
    decode_control,
    decode_question,
    encode_answer,
    encode_control,
    encode_question,
)
from ..wire.parcels import WireError

logger = logging.getLogger("agentlab.worker")

CONTROL_DEADLINE_S = 60.0
"""How long to wait for the answer about an agent's state."""


class ControlChannel:
    """A control channel: one stream of questions and answers. `answer` is asked what others ask of this worker."""

    def __init__(self, answer: Callable[[Question], Awaitable[Answer]]) -> None:
        self._answer = answer
        self._numbers = count(1)
        self._waiting: dict[str, asyncio.Future[Answer]] = {}
        self._stream: Any = None
        self._client_id = ""
        self._reading: asyncio.Task[None] | None = None
        self._answering: set[asyncio.Task[None]] = set()
        self._turn = asyncio.Lock()

    async def open(self, stream: Any, client_id: str) -> None:
        """Use this stream from now on; a host that has none refuses it, and then only what is asked over it fails."""
        await self.close("a new connection was opened")
        self._stream, self._client_id = stream, client_id
        try:
            await stream.wait_for_connection()
        except grpc.aio.AioRpcError as error:  # only if the host was faster than we were
            if error.code() != grpc.StatusCode.UNIMPLEMENTED:
                raise
        self._reading = asyncio.ensure_future(self._read(stream))

    async def close(self, why: str) -> None:
        """Give up the stream, and with it every question that is open."""
        stream, self._stream = self._stream, None
        if stream is not None:
            end_call(stream)  # closing the channel alone left it open with grpcio 1.80
        tasks = [task for task in (self._reading, *self._answering) if task is not None]
        self._reading = None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.lose_all(why)

    def lose_all(self, why: str) -> None:
        """The connection was lost, and with it every question that is open."""
        waiting, self._waiting = self._waiting, {}
        for future in waiting.values():
            if not future.done():
                future.set_exception(HostLostError(f"The connection to the host was lost ({why})."))

    async def ask(self, question: Question) -> Any:
        """Ask the worker that has the agent.

        Raises RemoteHandlerError when there is no such agent or it failed, HostLostError, TimeoutError, and
        ValueError for a state that is not JSON.
        """
        body = encode_question(question)
        if self._stream is None:
            raise HostLostError("There is no connection to the host.")
        rpc_id = str(next(self._numbers))
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting[rpc_id] = future
        try:
            async with asyncio.timeout(CONTROL_DEADLINE_S):
                await self._write(Control(rpc_id, f"agentid={question.agent}", f"clientid={self._client_id}", body))
                answer = await future
        finally:
            self._waiting.pop(rpc_id, None)
        if answer.error:
            raise RemoteHandlerError(answer.error)
        return answer.value

    async def _write(self, control: Control) -> None:
        async with self._turn:  # gRPC takes one message at a time
            try:
                if self._stream is not None:
                    await self._stream.write(encode_control(control))
            except (grpc.RpcError, asyncio.InvalidStateError) as error:  # the latter: gRPC's word for an ended stream
                raise HostLostError(f"The connection to the host was lost: {error}") from error

    async def _read(self, stream: Any) -> None:
        while True:
            try:
                data = await stream.read()
            except grpc.RpcError:
                return  # the message stream ends with it, and reports it
            if data is grpc.aio.EOF:
                return
            try:
                control = decode_control(data)
                if control.respond_to:
                    task = asyncio.ensure_future(self._respond(control, decode_question(control.body)))
                    self._answering.add(task)
                    task.add_done_callback(self._answering.discard)
                    continue
                future = self._waiting.get(control.rpc_id)
                if future is not None and not future.done():
                    future.set_result(decode_answer(control.body))
            except WireError as error:
                logger.warning("An illegal control message came: %s", error)

    async def _respond(self, control: Control, question: Question) -> None:
        answer = await self._answer(question)
        try:
            body = encode_answer(question, answer)
        except ValueError as error:
            body = encode_answer(question, Answer(error=str(error)))
        with contextlib.suppress(HostLostError):  # who asked is told by the host
            await self._write(Control(control.rpc_id, control.respond_to, "", body))


async def answer_about(catalog: Catalog, question: Question) -> Answer:
    """Answer what another worker asks about an agent here; what cannot be answered is an answer that says why."""
    try:
        agent = await catalog.agent(question.agent)
        match question:
            case SaveState():
                return Answer(dict(await agent.save_state()))
            case LoadState():
                await agent.load_state(question.state)
                return Answer()
            case Describe():
                return Answer(agent.metadata["description"])
    except Exception as error:
        logger.warning("%s could not answer about its state", question.agent, exc_info=error)
        return Answer(error=f"{question.agent}: {type(error).__name__}: {error}")
