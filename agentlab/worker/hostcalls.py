"""What a worker asks of its host beside the stream of messages.

Read next: `agentlab.worker.advertising`, `agentlab.host.streams`.
"""

from __future__ import annotations

import asyncio
import logging

import grpc

from ..core.exceptions import HostLostError
from ..wire import calls, watching
from .connection import HostConnection
from .opening import code_of

logger = logging.getLogger("agentlab.worker")


class HostCalls:
    """Host calls: the host's methods, called over a worker's connection.

    Where nothing else is said they raise grpc.RpcError, and HostLostError without a connection.
    """

    def __init__(self, connection: HostConnection) -> None:
        self._connection = connection

    async def register(self, method: str, request: bytes, *more: tuple[str, str]) -> None:
        """A registration call. Raises ValueError when the host refuses, HostLostError when there is none."""
        try:
            await self._connection.call(calls.AGENT_RPC, method, request, *more)
        except grpc.RpcError as error:
            if code_of(error) == grpc.StatusCode.UNAVAILABLE:
                raise HostLostError(f"The connection to the host was lost: {details_of(error)}") from error
            raise ValueError(details_of(error)) from error

    async def register_again(self, method: str, request: bytes, *more: tuple[str, str]) -> None:
        """A registration call for what was registered over an earlier stream; that it is refused now is logged."""
        # A link takes its earlier one's place. A plain stream may begin before the host has seen the earlier one's end.
        for pause_s in (0.0,) if self._connection.link else (0.05, 0.1, 0.2, 0.4, 0.8, 0.0):
            try:
                await self._connection.call(calls.AGENT_RPC, method, request, *more)
                return
            except grpc.RpcError as error:
                if code_of(error) not in {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.RESOURCE_EXHAUSTED}:
                    raise
                if not pause_s:
                    logger.error("The host took back a registration: %s", details_of(error))
            await asyncio.sleep(pause_s)

    async def link(self, method: str, request: bytes) -> bytes:
        """A call that only agentlab's host knows. Raises ValueError when it refuses, HostLostError when there is
        none."""
        try:
            return await self._connection.call(calls.LINK, method, request)
        except grpc.RpcError as error:
            if code_of(error) == grpc.StatusCode.INVALID_ARGUMENT:
                raise ValueError(details_of(error)) from error
            raise HostLostError(f"The host could not be asked: {details_of(error)}") from error

    async def snapshot(self) -> watching.Snapshot:
        """What the host knows."""
        return watching.decode_snapshot(await self._connection.call(calls.LINK, "Snapshot", b""))

    async def holder(self, agent_type: str) -> str:
        """Who has a type, in words; empty when nobody has."""
        try:
            workers = (await self.snapshot()).workers
        except grpc.RpcError as error:
            if code_of(error) != grpc.StatusCode.PERMISSION_DENIED:
                raise
            # With a worker's token one does not see who has what, only that somebody subscribed it.
            listed = calls.decode_subscriptions(await self._connection.call(calls.AGENT_RPC, "GetSubscriptions", b""))
            return "another worker" if any(s.agent_type == agent_type for s in listed) else ""
        return next((f"the worker {worker.name}" for worker in workers if agent_type in worker.types), "")

    async def cancel_session(self, id: str, reason: str) -> bool:
        """Have the host give up a direct message; False when it has ended already."""
        request = watching.encode_cancel_session(id, reason)
        return watching.decode_cancelled(await self._connection.call(calls.LINK, "CancelSession", request))

    async def note_process(self, process: str, what: str, detail: str) -> None:
        """Have the host's journal say what was done to a process."""
        await self._connection.call(calls.LINK, "NoteProcess", watching.encode_note_process(process, what, detail))


def details_of(error: grpc.RpcError) -> str:
    """What the host said about a call that it refused."""
    return str(getattr(error, "details", lambda: "")() or error)
