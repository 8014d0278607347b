"""Programs that are no workers, each in its way: ``misbehaving.py WHAT``. The host's address is in AGENTLAB_HOST."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time


def connected() -> socket.socket:
    host, _, port = os.environ["AGENTLAB_HOST"].rpartition(":")
    return socket.create_connection((host, int(port)))


def main(what: str) -> None:
    print(f"misbehaving: {what}", flush=True)
    match what:
        case "exits at once":
            sys.exit("no worker today")
        case "never joins":
            time.sleep(600)
        case "speaks HTTP/1.1":
            with connected() as connection:
                connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
                time.sleep(600)
        case "ignores everything":
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
            print("children", flush=True)
            time.sleep(600)


main(*sys.argv[1:])
