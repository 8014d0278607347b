"""The pipe between a lab and its children."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from agentlab.lab import pipe


@pytest.fixture
def ends() -> Iterator[tuple[int, int]]:
    """Where to read, and where to write."""
    reading, writing = os.pipe()
    yield reading, writing
    for end in (reading, writing):
        try:
            os.close(end)
        except OSError:
            continue


def test_a_command_comes_out_as_it_went_in(ends: tuple[int, int]) -> None:
    reading, writing = ends
    os.write(writing, pipe.encode_command(7, "register", {"type": "a", "code": b"\x00\n\xff"}))
    os.write(writing, pipe.encode_command(8, "stop", {}))
    assert pipe._read_command(reading) == (7, "register", {"type": "a", "code": b"\x00\n\xff"})
    assert pipe._read_command(reading) == (8, "stop", {})


def test_a_command_larger_than_the_pipe_arrives_whole(ends: tuple[int, int]) -> None:
    reading, writing = ends
    big = os.urandom(3_000_000)

    def write() -> None:
        with os.fdopen(os.dup(writing), "wb") as out:
            out.write(pipe.encode_command(1, "big", {"data": big}))

    writer = threading.Thread(target=write)
    writer.start()
    command = pipe._read_command(reading)
    writer.join()
    assert command == (1, "big", {"data": big})


@pytest.mark.parametrize("kept", [0, 1, 3, 4, 5, 20])
def test_a_command_that_was_cut_off_is_the_end(ends: tuple[int, int], kept: int) -> None:
    reading, writing = ends
    os.write(writing, pipe.encode_command(1, "register", {"type": "cut off"})[:kept])
    os.close(writing)
    assert pipe._read_command(reading) is None


HOST: dict[str, Any] = {
    "address": "127.0.0.1:0", "keepalive_s": 5.0, "deadline_s": 60.0, "journal_capacity": 100, "limits": {},
    "log_level": "WARNING", "path": [], "tokens": None, "tls": None, "expected": {},
    "record_payload_bytes": 0,
}  # fmt: skip


def start_child(*commands: bytes) -> subprocess.Popen[bytes]:
    """A host, told these commands."""
    child = subprocess.Popen(
        [sys.executable, "-m", "agentlab.lab.child", "host"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    assert child.stdin is not None
    for command in commands:
        child.stdin.write(command)
    child.stdin.flush()
    return child


def test_a_child_whose_lab_is_gone_before_it_said_anything_ends() -> None:
    child = start_child()
    out, err = child.communicate(timeout=20)
    assert (child.returncode, out, err) == (0, b"", b"")


def test_a_child_answers_what_it_does_not_know_with_an_error_and_ends_with_its_stdin() -> None:
    child = start_child(pipe.encode_command(1, "configure", HOST), pipe.encode_command(2, "nonsense", {}))
    assert child.stdout is not None
    ready = json.loads(child.stdout.readline())["ready"]
    assert ready["pid"] == child.pid
    assert ready["address"].startswith("127.0.0.1:")
    answer = json.loads(child.stdout.readline())
    assert answer["reply"] == 2
    assert answer["error"]["type"] == "ValueError"
    assert "nonsense" in answer["error"]["text"]
    out, err = child.communicate(timeout=20)
    assert (child.returncode, out, err) == (0, b"", b"")


def test_a_child_that_is_told_to_stop_answers_and_ends() -> None:
    child = start_child(pipe.encode_command(1, "configure", HOST), pipe.encode_command(2, "stop", {}))
    assert child.stdout is not None
    child.stdout.readline()
    assert json.loads(child.stdout.readline()) == {"reply": 2, "value": None}
    out, err = child.communicate(timeout=20)
    assert (child.returncode, out, err) == (0, b"", b"")
