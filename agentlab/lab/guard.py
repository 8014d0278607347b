"""A guard: starts one program, and ends it when its own stdin ends, however well that program behaves.

A lab's own processes watch their stdin themselves. A program that somebody else wrote may not: then its guard sees the
end of stdin in its place. It is a program by itself, on nothing but the standard library, so that it costs little.
Started by `agentlab.lab.foreign` as ``python guard.py COMMAND…``; waits for a first byte on stdin, so that the host can
be told whom to expect; says on stdout, as one JSON line, which process it started, and ends with that one's exit code.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from typing import Any

LAST_WORDS_S = 3.0
"""How long the program may take to end in order, once its stdin has ended."""


def start(command: list[str]) -> subprocess.Popen[bytes]:
    """The program, in a session of its own: it and what it starts can be ended together. Raises OSError."""
    own: dict[str, Any] = {"start_new_session": True}
    if os.name != "posix":
        own = {"creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)}
    # What it prints goes to the log: our stdout speaks with the lab.
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=2, **own)


def end_all(pid: int) -> None:
    """End the program and all in its session at once."""
    if os.name != "posix":
        subprocess.run(["taskkill", "/F", "/T", "/PID", str(pid)], capture_output=True, check=False)
        return
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):  # macOS says the latter of a group of zombies
        return


def main() -> None:
    """Run the program until it ends, or until stdin does."""
    if not os.read(0, 1):
        return
    try:
        program = start(sys.argv[1:])
    except OSError as error:
        print(f"{sys.argv[1]} cannot be started: {error}", file=sys.stderr, flush=True)
        sys.exit(127)
    print(json.dumps({"ready": {"pid": program.pid}}), flush=True)

    def wait_for_the_end() -> None:
        while os.read(0, 65536):
            pass
        assert program.stdin is not None
        try:
            program.stdin.close()
            if os.name == "posix":
                os.killpg(program.pid, signal.SIGCONT)  # one that is paused could not hear of it
            program.wait(LAST_WORDS_S)
        except (OSError, subprocess.TimeoutExpired):
            pass
        end_all(program.pid)

    threading.Thread(target=wait_for_the_end, daemon=True).start()
    code = program.wait()
    end_all(program.pid)  # what it started may still run
    # As a shell says it. No cleaning up: the thread waits in a read that nothing interrupts.
    os._exit(code if code >= 0 else 128 - code)


if __name__ == "__main__":
    main()
