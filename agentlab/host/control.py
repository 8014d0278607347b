"""The control channel at the host: questions about agents' states, and their answers, passed between workers.

Pure: no gRPC, no asyncio. A question that cannot be passed on, or whose target is lost, is answered by the host with
an error, so that nobody waits for nothing. Read next: `agentlab.host.control_stream`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..core.exceptions import agent_not_found
from ..wire.control import Answer, Control, encode_answer, encode_control
from ..wire.control import decode_question as _decode_question
from ..wire.parcels import WireError
from .directory import Directory

Send = Callable[[bytes], None]
"""Puts one encoded control message on a client's control stream."""


@dataclass(slots=True)
class _Asked:
    question: Control
    asker: str
    target: str


class ControlDesk:
    """A control desk: knows the control streams, and passes messages between them."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._streams: dict[str, Send] = {}
        self._asked: dict[tuple[str, str], _Asked] = {}

    def connect(self, client_id: str, send: Send) -> None:
        """A control stream opened. Raises ValueError when the client has one."""
        if client_id in self._streams:
            raise ValueError(f"The client {client_id!r} already has a control channel.")
        self._streams[client_id] = send

    def has(self, client_id: str) -> bool:
        """Whether the client has a control stream."""
        return client_id in self._streams

    def disconnect(self, client_id: str) -> None:
        """A control stream ended: who waits for its answers is told."""
        self._streams.pop(client_id, None)
        for key, asked in list(self._asked.items()):
            if asked.asker == client_id:
                del self._asked[key]
            elif asked.target == client_id:
                del self._asked[key]
                self._answer_error(asked.asker, asked.question, "The worker was lost before it answered.")

    def receive(self, client_id: str, control: Control) -> str:
        """A client sent a control message. Returns why it could not be passed on, or "" if it was."""
        if not control.respond_to:
            return self._pass_answer(client_id, control)
        try:
            target = control.target()
        except WireError as error:
            return self._answer_error(client_id, control, str(error))
        if isinstance(target, str):
            holder: str | None = target
            problem = f"There is no worker with the client id {target!r:.100}."
        else:
            holder = self._directory.holder_of(target)
            problem = str(agent_not_found(target.type, self._directory.types))
        send = self._streams.get(holder) if holder is not None else None
        if holder is None or (send is None and isinstance(target, str)):
            return self._answer_error(client_id, control, problem)
        if send is None:
            return self._answer_error(client_id, control, f"The worker that has {target} opened no control channel.")
        if (client_id, control.rpc_id) in self._asked:
            return f"the rpc id {control.rpc_id!r:.100} is already in use by another open question"
        self._asked[client_id, control.rpc_id] = _Asked(control, client_id, holder)
        # The answer comes back to whoever asked, whatever it says about itself.
        send(encode_control(Control(control.rpc_id, control.destination, f"clientid={client_id}", control.body)))
        return ""

    def _pass_answer(self, client_id: str, control: Control) -> str:
        try:
            asker = control.target()
        except WireError as error:
            return str(error)
        asked = self._asked.get((asker, control.rpc_id)) if isinstance(asker, str) else None
        if asked is None or asked.target != client_id:
            return f"an answer to {control.rpc_id!r:.100}, which nobody asked for"
        del self._asked[asked.asker, control.rpc_id]
        self._streams[asked.asker](encode_control(control))
        return ""

    def _answer_error(self, client_id: str, control: Control, problem: str) -> str:
        send = self._streams.get(client_id)
        try:
            body = encode_answer(_decode_question(control.body), Answer(error=problem))
        except WireError as error:
            return f"{problem} {error}"
        if send is not None:
            send(encode_control(Control(control.rpc_id, f"clientid={client_id}", "", body)))
        return problem
