"""A run: what happened in a lab from start to stop, saved as a file that anybody can open without any process.

The file is JSON lines (https://jsonlines.org): a first line that says what this is, then one journal event a
line. It is data only: opening one never runs code, and one that somebody made to do harm is read a line at a time, and
refused as soon as it is larger than any run. A file that was cut off in the middle of a line (a full disk, a killed
kernel) opens up to there, and `Run.note` says so.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, TextIO

from .exceptions import RunFileError
from .journal import FIELDS, JournalEvent

FORMAT: Final = "agentlab-run"
VERSION: Final = 1
LONGEST_LINE: Final = 32 * 1024 * 1024
"""Characters of a line: an event with the largest message in it, every byte of it escaped, has fewer."""
LARGEST_FILE: Final = 1024 * 1024 * 1024
"""Characters of a file: three times as many as a lab's whole journal."""
MOST_PROCESSES: Final = 10_000
"""Processes in a run, each of which is a lane of the picture: ten times as many as a host takes."""
_INTEGERS: Final = frozenset({"seq", "size", "time_ns", "lamport"})
_INTEGER_LIMIT: Final = 2**64
_OPTIONAL: Final = frozenset({"detail", "trace", "payload"})


@dataclass(frozen=True)
class Run:
    """A run: the journal of a lab, with what is needed to draw it."""

    events: Sequence[JournalEvent]
    """All events, oldest first."""
    lanes: Sequence[str] = ()
    """The names of the processes in the order they should be drawn; those not named come after."""
    let_go: int = 0
    """How many events the journal had to let go before these."""
    note: str = ""
    """What to know about this run: that its file was cut off, for instance."""
    info: dict[str, Any] = field(default_factory=dict)
    """Where and when it was recorded: versions, platform, seed."""

    def __len__(self) -> int:
        return len(self.events)

    def __iter__(self) -> Iterator[JournalEvent]:
        return iter(self.events)

    def __repr__(self) -> str:
        copies = {e.copy for e in self.events if e.message_id}
        extra = "".join(f", {text}" for text in (self.let_go and f"{self.let_go} events let go", self.note) if text)
        return f"<Run: {len(self.events)} events of {len(copies)} message copies{extra}>"

    def save(self, path: str | Path) -> Path:
        """Write the run as JSON lines and return the path. The file appears whole or not at all."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(path.name + ".part")
        head = {
            "format": FORMAT,
            "version": VERSION,
            "events": len(self.events),
            "lanes": list(self.lanes),
            "let_go": self.let_go,
            "note": self.note,
            "info": self.info,
        }
        first_line = json.dumps(head)  # before the file is there: raises TypeError for an `info` that is no JSON
        with unfinished.open("w", encoding="utf-8") as out:
            print(first_line, file=out)
            for event in self.events:
                record = {name: value for name, value in asdict(event).items() if value or name not in _OPTIONAL}
                # Plain ASCII: a file may then be cut off at any byte and still be text.
                print(json.dumps(record, separators=(",", ":")), file=out)
        unfinished.replace(path)
        return path

    @classmethod
    def open(cls, path: str | Path) -> Run:
        """Open a saved run.

        Raises `RunFileError` when the file is missing, is something else, is too large, or is damaged before its last
        line.
        """
        path = Path(path)
        try:
            if path.exists() and not path.is_file():  # a pipe, for instance, would be waited for
                raise RunFileError(f"{path} cannot be read as a run: it is no file.")
            with path.open(encoding="utf-8") as file:
                return cls._read(path, _lines(path, file))
        except FileNotFoundError:
            raise RunFileError(f"There is no run file {path}. Runs are saved with lab.save(path).") from None
        except (OSError, UnicodeDecodeError) as error:
            raise RunFileError(f"{path} cannot be read as a run: {error}.") from error

    @classmethod
    def _read(cls, path: Path, lines: Iterable[str]) -> Run:
        numbered = enumerate(lines, 1)
        head = _head(path, next(numbered, (1, ""))[1])
        events: list[JournalEvent] = []
        notes = [head["note"]] if head["note"] else []
        damaged: tuple[int, str] | None = None
        processes: set[str] = set()
        for number, line in numbered:
            if damaged:  # only the very last line may be damaged: that is what a cut-off file looks like
                raise RunFileError(f"{path}, line {damaged[0]}: {damaged[1]}.")
            try:
                event = _event(json.loads(line))
            except (ValueError, RecursionError) as error:
                damaged = (number, f"{error!s:.500}")
                continue
            events.append(event)
            processes.add(event.process)
            if len(processes) > MOST_PROCESSES:
                raise RunFileError(f"{path} tells of more than {MOST_PROCESSES:,} processes: it is no lab's run.")
        promised = head.get("events")
        if damaged or (isinstance(promised, int) and len(events) < promised):
            notes.append(f"the file was cut off after {len(events)} of {promised} events")
        return cls(events, tuple(head["lanes"]), int(head["let_go"]), "; ".join(notes), head["info"])


def _lines(path: Path, file: TextIO) -> Iterator[str]:
    """The file's lines, none of which is read whole if it is too long."""
    total = 0
    while line := file.readline(LONGEST_LINE + 1):
        total += len(line)
        if len(line) > LONGEST_LINE or total > LARGEST_FILE:
            what = "a line" if len(line) > LONGEST_LINE else "it"
            raise RunFileError(f"{path} is no lab's run: {what} is larger than any. Nothing of it was kept.")
        yield line


def _head(path: Path, line: str) -> dict[str, Any]:
    try:
        head = json.loads(line)
    except (ValueError, RecursionError):
        head = None
    if not isinstance(head, dict) or head.get("format") != FORMAT:
        raise RunFileError(f'{path} is not an agentlab run: its first line should say "format": "{FORMAT}".')
    if head.get("version") != VERSION:
        raise RunFileError(
            f"{path} is a run of format version {head.get('version')}, and this agentlab reads version {VERSION}. "
            "A newer agentlab may open it: pip install -U agentlab."
        )
    lanes, let_go, info = head.get("lanes", []), head.get("let_go", 0), head.get("info", {})
    note = head.get("note", "")
    sound = isinstance(lanes, list) and len(lanes) <= MOST_PROCESSES and all(isinstance(lane, str) for lane in lanes)
    counted = isinstance(let_go, int) and abs(let_go) < _INTEGER_LIMIT
    if not (sound and counted and isinstance(info, dict) and isinstance(note, str)):
        raise RunFileError(f"{path}, line 1: the description of the run is damaged.")
    return head | {"lanes": lanes, "let_go": let_go, "note": note, "info": info}


def _event(record: Any) -> JournalEvent:
    if not isinstance(record, dict):
        raise ValueError("an event should be a JSON object")
    for name in FIELDS:
        if name not in record:
            if name in _OPTIONAL:
                continue
            raise ValueError(f"the event has no {name!r}")
        wanted = int if name in _INTEGERS else str
        if type(record[name]) is not wanted:
            raise ValueError(f"{name!r} should be {wanted.__name__}, not {record[name]!r:.40}")
        if wanted is int and abs(record[name]) >= _INTEGER_LIMIT:
            raise ValueError(f"{name!r} should be a number of at most 64 bits")
    return JournalEvent(**{name: record[name] for name in FIELDS if name in record})
