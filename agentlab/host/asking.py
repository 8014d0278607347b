"""The host's own questions to workers, over the control channel: will this agent take on that state?

Read next: `agentlab.host.control`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from itertools import count
from typing import Any, Final

from ..core.ids import AgentId
from ..wire.control import Answer, Control, LoadState, decode_answer, decode_control, encode_question
from .control import ControlDesk

CLIENT_ID: Final = "agentlab-host"
"""The host's own name on the control channel. The desk has it from the start, so that no client can take it."""

ANSWER_S: Final = 60.0
"""How long a worker may take to answer; see `agentlab.worker.control.CONTROL_DEADLINE_S`."""


class HostQuestions:
    """Host questions: asks as if the host were one of the desk's clients."""

    def __init__(self, desk: ControlDesk) -> None:
        self._desk = desk
        self._numbers = count(1)
        self._waiting: dict[str, asyncio.Future[Answer]] = {}
        desk.connect(CLIENT_ID, self._receive)

    async def load_state(self, client_id: str, agent: AgentId, state: Mapping[str, Any]) -> str:
        """Have a worker give an agent there a state. Returns why that failed; empty when it did not."""
        rpc_id = f"host-{next(self._numbers)}"
        body = encode_question(LoadState(agent, state))
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting[rpc_id] = future
        try:
            control = Control(rpc_id, f"clientid={client_id}", f"clientid={CLIENT_ID}", body)
            problem = self._desk.receive(CLIENT_ID, control)
            if problem:
                return problem
            async with asyncio.timeout(ANSWER_S):
                answer = await future
            return answer.error
        except TimeoutError:
            return f"its new worker did not answer within {ANSWER_S:g} s"
        finally:
            del self._waiting[rpc_id]

    def _receive(self, data: bytes) -> None:
        control = decode_control(data)
        future = self._waiting.get(control.rpc_id)
        if future is not None and not future.done():
            future.set_result(decode_answer(control.body))
