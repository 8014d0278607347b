"""How a lab talks to a child: commands down its stdin, answers up its stdout.

Down go length-prefixed pickles (the child belongs to the lab, which may run any code in it); up come JSON lines. The
end of stdin means that the lab is gone, however it went. What else the child prints goes to its log.
"""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import struct
import sys
import threading
from collections.abc import Awaitable, Callable
from typing import Any, Final

_LENGTH: Final = struct.Struct(">I")

LAST_WORDS_S: Final = 3.0
"""How long a child whose lab is gone may take to end in order, before it ends at once: its event loop may be stuck in
an agent's code."""


def encode_command(number: int, name: str, arguments: dict[str, Any]) -> bytes:
    """A command as it goes down the pipe."""
    body = pickle.dumps((number, name, arguments))
    return _LENGTH.pack(len(body)) + body


def _read(stdin: int, size: int) -> bytes:
    """Exactly `size` bytes, or fewer at the end. Not through sys.stdin: a thread that waits in its buffer's lock would
    bring the interpreter down at exit."""
    pieces = []
    while size and (piece := os.read(stdin, size)):
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)


def _read_command(stdin: int) -> tuple[int, str, dict[str, Any]] | None:
    head = _read(stdin, _LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    body = _read(stdin, length)
    if len(body) < length:
        return None
    command: tuple[int, str, dict[str, Any]] = pickle.loads(body)
    return command


class ParentPipe:
    """A parent pipe: the child's end. Takes over stdin and stdout; whatever else is printed goes to stderr's file."""

    def __init__(self) -> None:
        self._stdin = sys.stdin.fileno()
        self._out = os.fdopen(os.dup(1), "w", encoding="utf-8")
        self._out_lock = threading.Lock()
        self._ended = threading.Event()
        os.dup2(2, 1)
        for stream in (sys.stdout, sys.stderr):
            # A line at a time, so that the log can be followed while an agent runs.
            stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]

    def configuration(self) -> dict[str, Any]:
        """The first command: how to start. Raises SystemExit when the lab is already gone."""
        command = _read_command(self._stdin)
        if command is None:
            raise SystemExit(0)
        return command[2]

    def send(self, record: dict[str, Any]) -> None:
        """One JSON line up the pipe."""
        with self._out_lock:
            try:
                print(json.dumps(record), file=self._out, flush=True)
            except (BrokenPipeError, ValueError):
                return  # the lab is gone: the end of stdin says so too

    async def serve(self, answer: Callable[[str, dict[str, Any]], Awaitable[Any]]) -> None:
        """Answer commands, one after the other, until the lab says stop or is gone."""
        loop = asyncio.get_running_loop()
        commands: asyncio.Queue[tuple[int, str, dict[str, Any]] | None] = asyncio.Queue()

        def listen() -> None:
            while (command := _read_command(self._stdin)) is not None:
                loop.call_soon_threadsafe(commands.put_nowait, command)
            try:
                loop.call_soon_threadsafe(commands.put_nowait, None)
            except RuntimeError:
                return  # the loop has ended already
            if not self._ended.wait(LAST_WORDS_S):
                os._exit(1)

        threading.Thread(target=listen, name="agentlab-parent-pipe", daemon=True).start()
        while (command := await commands.get()) is not None:
            number, name, arguments = command
            if name == "stop":
                self.send({"reply": number, "value": None})
                return
            try:
                self.send({"reply": number, "value": await answer(name, arguments)})
            except Exception as error:
                self.send({"reply": number, "error": _described(error)})

    def ended(self) -> None:
        """The child has ended in order."""
        self._ended.set()


def _described(error: Exception) -> dict[str, str]:
    from ..worker.inbox import one_line, own_trace

    return {"type": type(error).__name__, "text": one_line(error), "traceback": own_trace(error)}
