"""Writing to one side of a stream: at once where that is possible, and in order."""

from __future__ import annotations

import asyncio
import gc

import pytest

from agentlab.core.begun import Begun, begin
from agentlab.wire.pace import UNANSWERED
from agentlab.wire.writing import Writer


async def test_begun_work_has_done_its_first_step_and_is_finished_by_who_awaits_it() -> None:
    steps: list[str] = []
    gate = asyncio.Event()

    async def work() -> None:
        steps.append("first")
        await gate.wait()
        await asyncio.sleep(0)
        steps.append("last")

    begun = begin(work())
    assert steps == ["first"]
    gate.set()
    assert begun is not None
    await begun
    assert steps == ["first", "last"]


async def test_begun_work_that_needs_no_wait_is_done() -> None:
    steps: list[int] = []

    async def work() -> None:
        steps.append(1)

    assert begin(work()) is None
    assert steps == [1]


@pytest.mark.parametrize("waits", [True, False])
async def test_what_begun_work_raises_is_told_to_who_awaits_it(waits: bool) -> None:
    async def work() -> None:
        if waits:
            await asyncio.sleep(0)
        raise ConnectionError("gone")

    begun = begin(work())
    assert begun is not None
    with pytest.raises(ConnectionError, match="gone"):
        await begun


async def test_a_call_that_was_cancelled_does_not_cancel_who_begins_to_write() -> None:
    async def work() -> None:
        raise asyncio.CancelledError

    begun = begin(work())
    assert begun is not None
    with pytest.raises(asyncio.CancelledError):
        await begun


async def test_who_awaits_begun_work_can_be_cancelled_and_the_work_with_it() -> None:
    ended: list[str] = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0)  # tidies up first
            ended.append("cancelled")
            raise

    async def finish(begun: Begun | None) -> None:
        assert begun is not None
        await begun

    task = asyncio.ensure_future(finish(begin(work())))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == ["cancelled"]


class Stream:
    """A stream that takes one frame at a time, and takes its time."""

    def __init__(self) -> None:
        self.queue: list[bytes] = []
        self.written: list[bytes] = []
        self.wake = asyncio.Event()
        self.free = asyncio.Event()
        self.free.set()
        self.answer: asyncio.Future[None] | None = None
        """How the network took the frame, if a test is to say."""
        self._writing = False
        self.writer = Writer(self.write, lambda: self.queue.pop(0) if self.queue else b"", self.waits, self.wake)

    def waits(self) -> bool:
        return bool(self.queue)

    def put(self, frame: bytes) -> None:
        self.queue.append(frame)
        self.wake.set()

    async def write(self, frame: bytes) -> None:
        assert not self._writing, "two frames at once"
        self._writing = True
        self.written.append(frame)
        if self.answer is not None:
            await self.answer
        await asyncio.sleep(0)
        await self.free.wait()
        self._writing = False


@pytest.fixture
async def stream() -> Stream:
    return Stream()


async def test_a_frame_is_begun_at_once_when_nothing_is_written(stream: Stream) -> None:
    writing = asyncio.ensure_future(stream.writer.write())
    await asyncio.sleep(0)
    stream.put(b"1")
    stream.writer.begin()
    assert stream.written == [b"1"]
    await writing


async def test_while_a_frame_is_written_the_next_waits_its_turn(stream: Stream) -> None:
    stream.free.clear()
    writing = asyncio.ensure_future(stream.writer.write())
    await asyncio.sleep(0)
    for frame in (b"1", b"2", b"3"):
        stream.put(frame)
        stream.writer.begin()
    assert stream.written == [b"1"]
    for _ in range(5):
        await asyncio.sleep(0)
        stream.writer.begin()
    assert stream.written == [b"1"]
    stream.free.set()
    await writing
    assert stream.written == [b"1", b"2", b"3"]


async def test_to_a_reader_that_is_behind_nothing_is_begun(stream: Stream) -> None:
    for n in range(UNANSWERED + 1):
        writing = asyncio.ensure_future(stream.writer.write())
        await asyncio.sleep(0)
        stream.put(str(n).encode())
        stream.writer.begin()
        assert len(stream.written) == min(n + 1, UNANSWERED)
        await writing
    assert len(stream.written) == UNANSWERED + 1
    stream.writer.pace.heard()
    writing = asyncio.ensure_future(stream.writer.write())
    await asyncio.sleep(0)
    stream.put(b"heard")
    stream.writer.begin()
    assert stream.written[-1] == b"heard"
    await writing


@pytest.mark.parametrize("failed", [True, False])
async def test_a_frame_that_was_begun_is_given_up_with_its_writer(
    stream: Stream, failed: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Else the stream's library tells nobody in particular how the write ended, and asyncio logs it as an error."""
    writing = asyncio.ensure_future(stream.writer.write())
    await asyncio.sleep(0)
    stream.put(b"1")
    answer = stream.answer = asyncio.get_running_loop().create_future()
    stream.writer.begin()
    assert stream.written == [b"1"]
    if failed:
        answer.set_exception(ConnectionError("gone"))
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)
    assert answer.cancelled() is not failed
    del answer
    stream.answer = None
    gc.collect()
    assert "never retrieved" not in caplog.text
    stream.put(b"2")
    stream.writer.begin()  # nobody would finish it
    assert stream.written == [b"1"]
