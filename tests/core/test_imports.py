"""design.md's floors, read off the imports of the source."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import agentlab

PACKAGE = Path(agentlab.__file__).parent
FLOORS = {
    "version": -1,
    "engine": -1,
    "core": 0,
    "wire": 1,
    "host": 2,
    "worker": 2,
    "delegates": 1,
    "gallery": 2,
    "exports": 2,
    "lab": 3,
    "course": 4,
    "conformance": 4,
}
VIEWS = {"timeline", "panels"}
OFFERED = VIEWS | {"conformance"}
"""What the lab and its command line offer, and import when it is asked for."""
ON_CORE_ALONE = {"delegates", "gallery", "exports"}
"""Agents as a student writes them, and pure functions of a journal."""
TOP = 5
"""The views, the package itself, and whatever has no floor of its own: nobody below imports them."""
WIDGETS = {"ipywidgets", "anywidget"}
JUPYTER = {"IPython", "ipykernel", "traitlets", "comm", "nbformat", "nbclient", "jupyter_client", "jupyter_core"}
MODELS = {"llm", "langgraph", "langchain_core", "langchain"}
LLM_PLUGIN = Path("gallery/rule_model.py")
"""Imported by `llm` alone."""
NOT_IN_CORE = {"grpc", "subprocess", "multiprocessing", "psutil", "matplotlib"} | WIDGETS | JUPYTER
NOT_AT_ONCE = ["matplotlib", "pandas", "ipywidgets", "anywidget", "IPython", "grpc", "pydantic", "google.protobuf"]
"""What `import agentlab` leaves for later."""


@dataclass(frozen=True)
class Import:
    """One import: the absolute name of what is imported, and whether it waits (in a function, or for type checkers)."""

    name: str
    line: int
    lazy: bool


def imports_of(source: str, module: tuple[str, ...], *, is_package: bool) -> Iterator[Import]:
    """All imports of a module (`module` is its dotted name in parts), relative ones made absolute."""

    def read(node: ast.AST, lazy: bool) -> Iterator[Import]:
        match node:
            case ast.Import():
                for alias in node.names:
                    yield Import(alias.name, node.lineno, lazy)
            case ast.ImportFrom():
                package = module if is_package else module[:-1]
                base = package[: len(package) - node.level + 1] if node.level else ()
                start = [*base, *([node.module] if node.module else [])]
                for alias in node.names:
                    yield Import(".".join([*start, alias.name]), node.lineno, lazy)
            case ast.Call(func=ast.Attribute(attr="import_module") | ast.Name(id="import_module" | "__import__")):
                if node.args and isinstance(node.args[0], ast.Constant) and isinstance(node.args[0].value, str):
                    yield Import(node.args[0].value, node.lineno, lazy)
        waits = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) or (
            isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        )
        for child in ast.iter_child_nodes(node):
            yield from read(child, lazy or waits)

    return read(ast.parse(source), lazy=False)


def place(parts: tuple[str, ...]) -> str:
    """The part of the package that a module of it belongs to: ``core``, ``timeline``...; empty for the package."""
    return parts[1] if len(parts) > 1 else ""


def may_import(here: str, there: str, *, lazy: bool) -> bool:
    """Whether the part `here` of the package may import the part `there`."""
    if here == there:
        return True
    if here in VIEWS:  # panels show pictures; pictures know of no panels
        return there in FLOORS or (here, there) == ("panels", "timeline")
    if here in FLOORS and there == "":
        return lazy  # the package's own names, `__version__` for instance
    if (here, there) == ("gallery", "delegates"):
        return True
    if here in ON_CORE_ALONE:
        return FLOORS.get(there, TOP) <= FLOORS["core"]
    if here == "":  # the package itself: what is not core waits
        return FLOORS.get(there, TOP) <= FLOORS["core"] or lazy
    return FLOORS.get(there, TOP) < FLOORS.get(here, TOP) or (here == "lab" and there in OFFERED and lazy)


def wrongs_of(source: str, path: Path) -> list[str]:
    """What a module's imports do that the floors forbid. `path` is below the package."""
    is_package = path.name == "__init__.py"
    module = ("agentlab", *path.parent.parts, *(() if is_package else (path.stem,)))
    here, wrongs = place(module), list[str]()
    for found in imports_of(source, module, is_package=is_package):
        parts = tuple(found.name.split("."))
        problem = ""
        if parts[0] == "agentlab":
            there = place(parts)
            if there not in {*FLOORS, *VIEWS} and not (PACKAGE / f"{there}.py").exists():
                there = ""  # one of the package's own names
            if not may_import(here, there, lazy=found.lazy):
                problem = f"{here or 'the package'} must not import {there or 'the package itself'}"
            elif any(part.endswith(("_pb2", "_pb2_grpc")) or part == "generated" for part in parts) and here != "wire":
                problem = "generated code is for wire alone"
        elif here == "core" and (parts[0] in NOT_IN_CORE or parts[0].startswith("jupyter")):
            problem = "not for core"
        elif parts[0] == "pandas" and not (here == "exports" and found.lazy):
            problem = "pandas may be missing: it is imported where it is needed, in exports"
        elif parts[0] in MODELS and (here != "delegates" or not found.lazy) and path != LLM_PLUGIN:
            problem = "models and graphs may be missing: they are imported where they are needed, in delegates"
        elif parts[0] == "matplotlib" and here != "timeline":
            problem = "matplotlib is for timeline alone"
        elif parts[0] in WIDGETS and here != "panels":
            problem = "widgets are for panels alone"
        if problem:
            wrongs.append(f"agentlab/{path}:{found.line} imports {found.name}: {problem}")
    return wrongs


MODULES = sorted(
    path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py") if "generated" not in path.relative_to(PACKAGE).parts
)


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_a_module_imports_only_downwards(path: Path) -> None:
    assert wrongs_of((PACKAGE / path).read_text(encoding="utf-8"), path) == []


def test_the_modules_of_core_are_among_those_that_are_read() -> None:
    assert {Path("__init__.py"), Path("core/standalone.py"), Path("core/run.py")} <= set(MODULES)


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("core/ids.py", "from ..wire import codec"),
        ("core/ids.py", "from agentlab.wire.codec import x"),
        ("core/ids.py", "import agentlab.lab.lab"),
        ("core/ids.py", "import grpc.aio"),
        ("core/ids.py", "def f():\n    import subprocess"),
        ("core/ids.py", "from IPython import get_ipython"),
        ("core/ids.py", "from .. import __version__"),
        ("version.py", "from .core.ids import AgentId"),
        ("wire/codec.py", "from ..host.router import Router"),
        ("wire/codec.py", "from .. import worker"),
        ("host/service.py", "from ..worker import runtime"),
        ("host/service.py", "def f():\n    from ..worker import runtime"),
        ("worker/runtime.py", "from ..host.service import HostService"),
        ("worker/runtime.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from ..host import service"),
        ("worker/runtime.py", "from ..wire.generated import agent_worker_pb2"),
        ("worker/runtime.py", "from ..wire.generated.agent_worker_pb2 import AgentId"),
        ("lab/lab.py", "from ..timeline import draw"),
        ("lab/lab.py", "def f():\n    import matplotlib.pyplot as plt"),
        ("lab/lab.py", "import importlib\nimportlib.import_module('ipywidgets')"),
        ("timeline/draw.py", "from ..panels import dashboard"),
        ("timeline/draw.py", "import ipywidgets"),
        ("panels/dashboard.py", "import matplotlib"),
        ("gallery/debate.py", "from ..wire import codec"),
        ("exports/copies.py", "from ..wire import codec"),
        ("exports/copies.py", "from ..timeline import lanes"),
        ("exports/table.py", "import pandas"),
        ("delegates/function.py", "from ..gallery import debate"),
        ("delegates/graph.py", "import langgraph.graph"),
        ("gallery/debate.py", "def f():\n    import llm"),
        ("core/agents.py", "from ..delegates import Delegate"),
        ("lab/lab.py", "def f():\n    import pandas"),
        ("core/run.py", "def f():\n    from ..exports import save"),
        ("worker/runtime.py", "from ..gallery import debate"),
        ("lab/lab.py", "def f():\n    from ..course import check"),
        ("course/n03.py", "from ..panels import dashboard"),
        ("lab/lab.py", "from ..nothing_like_it import x"),
        ("__main__.py", "from .timeline import draw"),
        ("__init__.py", "from .host.service import HostService"),
    ],
)
def test_an_import_upwards_is_found(path: str, source: str) -> None:
    assert len(wrongs_of(source, Path(path))) == 1


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("core/ids.py", "import asyncio\nfrom .topics import TopicId\nfrom . import journal"),
        ("core/serialization.py", "def f():\n    from google.protobuf import any_pb2"),
        ("core/run.py", "from ..version import __version__"),
        ("wire/codec.py", "from ..core.ids import AgentId\nfrom .generated import agent_worker_pb2"),
        ("wire/__init__.py", "from .codec import x\nfrom ..core import ids"),
        ("host/service.py", "import grpc\nfrom ..wire import codec\nfrom agentlab.core.ids import AgentId"),
        ("worker/runtime.py", "def f():\n    from .. import __version__"),
        ("gallery/debate.py", "from ..core.routing import RoutedAgent"),
        ("gallery/debate.py", "from ..delegates.delegate import Delegate"),
        ("gallery/rule_model.py", "import llm"),
        ("delegates/graph.py", "from ..core.ids import AgentId\ndef f():\n    import langgraph.graph"),
        ("exports/table.py", "from ..core.journal import JournalEvent\ndef f():\n    import pandas"),
        ("timeline/draw.py", "from ..exports import compare"),
        ("__main__.py", "from .lab.cli import main"),
        ("lab/lab.py", "from ..gallery import debate\nfrom ..host.service import HostService"),
        ("lab/lab.py", "def f():\n    from ..timeline import draw"),
        ("timeline/draw.py", "import matplotlib.pyplot\nfrom ..core.run import Run\nfrom .layout import x"),
        ("panels/dashboard.py", "import ipywidgets\nfrom ..lab.lab import Lab\nfrom ..timeline import draw"),
        ("course/n03.py", "from ..lab.lab import Lab\nfrom ..gallery import debate"),
        ("__init__.py", "from .core.ids import AgentId\nif TYPE_CHECKING:\n    from .lab.lab import Lab"),
    ],
)
def test_an_import_downwards_is_fine(path: str, source: str) -> None:
    assert wrongs_of(source, Path(path)) == []


def in_a_fresh_interpreter(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_importing_agentlab_leaves_what_is_heavy_for_later() -> None:
    code = f"import agentlab, sys; print([name for name in {NOT_AT_ONCE} if name in sys.modules])"
    assert in_a_fresh_interpreter(code) == "[]"


def test_a_standalone_program_without_network_needs_no_grpc_and_no_jupyter() -> None:
    code = (
        "import asyncio, sys\n"
        "from dataclasses import dataclass\n"
        "from agentlab import AgentId, MessageContext, RoutedAgent, SingleThreadedAgentRuntime, message_handler\n"
        "@dataclass\n"
        "class Text:\n"
        "    text: str\n"
        "class Echo(RoutedAgent):\n"
        "    @message_handler\n"
        "    async def on_text(self, message: Text, ctx: MessageContext) -> Text:\n"
        "        return message\n"
        "async def main():\n"
        "    runtime = SingleThreadedAgentRuntime()\n"
        "    await Echo.register(runtime, 'echo', lambda: Echo('answers'))\n"
        "    runtime.start()\n"
        "    print((await runtime.send_message(Text('hi'), AgentId('echo', '1'))).text)\n"
        "    await runtime.stop()\n"
        "asyncio.run(main())\n"
        "print([name for name in ('grpc', 'IPython', 'ipywidgets', 'matplotlib') if name in sys.modules])\n"
    )
    assert in_a_fresh_interpreter(code).splitlines() == ["hi", "[]"]


def test_every_public_name_that_needs_only_core_is_there_at_once() -> None:
    later = {"HostService", "WorkerRuntime", "Lab", "Tls", "Tokens", "check", "hint"}
    missing = [name for name in agentlab.__all__ if name not in later and name not in vars(agentlab)]
    assert missing == []


def test_a_name_that_is_not_there_is_said_to_be_missing() -> None:
    with pytest.raises(AttributeError, match="no attribute 'NoSuchName'"):
        agentlab.NoSuchName  # noqa: B018


def test_the_public_names_are_listed() -> None:
    assert set(agentlab.__all__) <= set(dir(agentlab))
