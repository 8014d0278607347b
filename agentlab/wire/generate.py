"""Makes `agentlab.wire.generated` from ``protos/``: ``python -m agentlab.wire.generate``.

The compiler is the one of the oldest grpcio that we support, because generated code refuses a protobuf that is older
than its compiler. uv runs it in an environment of its own, so it does not matter what is installed here.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

COMPILER = "grpcio-tools==1.80.0"
"""Generates for protobuf 6.31.1, which runs with protobuf 6 and 7."""

ROOT = Path(__file__).parents[2]
PROTOS = ("cloudevent.proto", "agent_worker.proto", "agentlab.proto")


def generate(target: Path) -> None:
    """Write the generated code for all of ``protos/`` into the folder `target`.

    Raises subprocess.CalledProcessError when a proto file does not compile, or when uv is missing.
    """
    uv = [sys.executable, "-m", "uv", "run", "--isolated", "--no-project", "--quiet"]
    protoc = [*uv, "--with", COMPILER, "python", "-m", "grpc_tools.protoc"]
    outputs = [f"--{kind}_out={target}" for kind in ("python", "pyi", "grpc_python")]
    subprocess.run([*protoc, f"-I{ROOT / 'protos'}", *outputs, *PROTOS], check=True, cwd=target)
    for path in target.glob("*_pb2*.py*"):
        # protoc writes imports for a top-level module; these modules live in a package.
        text = re.sub(r"^import (\w+_pb2) as", r"from . import \1 as", path.read_text(), flags=re.MULTILINE)
        path.write_text(text)
    for service_less in ("cloudevent_pb2_grpc.py",):
        (target / service_less).unlink()


def stale() -> list[str]:
    """The names of the checked-in files that differ from what the proto files say now."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder)
        generate(target)
        here = {path.name: path.read_text() for path in (ROOT / "agentlab/wire/generated").glob("*_pb2*.py*")}
        fresh = {path.name: path.read_text() for path in target.glob("*_pb2*.py*")}
    return sorted(name for name in here.keys() | fresh.keys() if here.get(name) != fresh.get(name))


def main() -> None:
    """``--check`` only says whether the checked-in code is up to date."""
    if "--check" in sys.argv[1:]:
        names = stale()
        sys.exit(f"Out of date: {', '.join(names)}. Run: python -m agentlab.wire.generate" if names else 0)
    generate(ROOT / "agentlab/wire/generated")


if __name__ == "__main__":
    main()
