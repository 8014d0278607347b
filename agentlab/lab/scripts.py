"""How the program of a foreign worker is started: its command, its environment, and what must be installed before.

A Python script that says which packages it needs (PEP 723) gets an environment of its own from uv; one that does not
runs in ours; JavaScript runs in Node.js, with the packages of the ``package.json`` beside it; anything else must be a
program by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ..core.closest import did_you_mean
from ..engine import for_other_programs
from .access import HOST_VARIABLE, JOINING_VARIABLES
from .errors import LabError, ProcessStartError

NODE_VERSION: Final = 18
"""The oldest that gRPC's own package for it is tested with, and that has `fetch` and `for await` throughout."""

PROTOS_VARIABLE: Final = "AGENTLAB_PROTOS"
"""The environment variable in which a program that reads the proto files finds their folder."""

_HEADER: Final = re.compile(r"(?m)^# /// script\s*$")
"""How a Python script's inline metadata begins (PEP 723)."""

_JAVASCRIPT: Final = {".js", ".mjs", ".cjs"}

_OFFLINE: Final = re.compile(
    "ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ENETUNREACH|network|dns error|error sending request|Failed to fetch"
)
"""What npm and uv say without a network."""


@dataclass(frozen=True)
class Script:
    """A script: a foreign worker's program, as it was asked for."""

    path: Path
    args: tuple[str, ...] = ("{host}",)
    """``{host}`` and ``{name}`` stand for the host's address and the worker's name."""
    types: tuple[str, ...] = ()
    """The agent types that it advertises when it is ready; if none are named, whatever comes."""
    environment: tuple[tuple[str, str], ...] = ()
    """Environment variables that it gets beside the usual ones."""


@dataclass(frozen=True)
class Launch:
    """A launch: all that is needed to start a program."""

    command: list[str]
    environment: dict[str, str]


def checked_script(
    path: str | Path, args: Sequence[str] | None, types: Sequence[str], environment: dict[str, str] | None
) -> Script:
    """Raises LabError, naming the closest file, when there is no such script."""
    script = Path(path).expanduser().absolute()
    if not script.is_file():
        names = [entry.name for entry in script.parent.iterdir()] if script.parent.is_dir() else []
        raise LabError(f"There is no script {str(path)!r} (looked for {script}).{did_you_mean(script.name, names)}")
    if isinstance(args, str):
        raise LabError(f"args should be a list of texts: args=[{args!r}]")
    given = ("{host}",) if args is None else tuple(map(str, args))
    return Script(
        script, given, (types,) if isinstance(types, str) else tuple(types), tuple((environment or {}).items())
    )


async def prepare(script: Script, name: str, joining: Mapping[str, str], say: Callable[[str], None]) -> Launch:
    """Install what the script needs, and return how to start it, with the environment variables of `joining`, by which
    it finds the host and may join it. `say` is told what takes long.

    Raises LabError when a program that it needs is not there, ProcessStartError when its packages cannot be installed.
    """
    others = {key: value for key, value in for_other_programs(os.environ).items() if key not in JOINING_VARIABLES}
    usual = {"AGENTLAB_NAME": name, PROTOS_VARIABLE: str(protos()), "PYTHONUNBUFFERED": "1"}
    environment = {**others, **joining, **usual, **dict(script.environment)}
    path = script.path
    if path.suffix == ".py":
        program = await _python(path, environment, say)
    elif path.suffix in _JAVASCRIPT:
        program = await _node(path, environment, say)
    elif os.access(path, os.X_OK):
        program = [str(path)]
    else:
        raise LabError(f"{path} is no .py or .js file, and no program either: make it one with chmod +x {path}")
    values = {"{host}": joining[HOST_VARIABLE], "{name}": name}
    args = [re.sub(r"\{host\}|\{name\}", lambda found: values[found[0]], text) for text in script.args]
    return Launch([*program, *args], environment)


def protos() -> Path:
    """The folder of the proto files: beside the package in a checkout, inside of it when it is installed."""
    package = Path(__file__).parents[1]
    beside = package.parent / "protos"
    return beside if beside.is_dir() else package / "protos"


async def _python(path: Path, environment: dict[str, str], say: Callable[[str], None]) -> list[str]:
    if not _names_its_packages(path):
        root = str(Path(__file__).parents[2])
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [environment.get("PYTHONPATH", ""), root]))
        return [sys.executable, str(path)]
    for ours in ("PYTHONPATH", "VIRTUAL_ENV", "PYTHONHOME"):
        environment.pop(ours, None)
    uv = find_uv()
    if uv is None:
        raise LabError(
            f"{path.name} says which packages it needs, and uv, which would install them in an environment of their "
            f"own, is not there. Install it with: {sys.executable} -m pip install uv"
        )
    command = [*uv, "sync", "--script", str(path)]
    await _install(command, path, environment, say, f"uv sync --script {path}")
    where = await _output([*uv, "python", "find", "--script", str(path)], environment)
    return [where.strip().splitlines()[-1], str(path)]


def _names_its_packages(path: Path) -> bool:
    return _HEADER.search(path.read_text(encoding="utf-8", errors="replace")) is not None


def find_uv() -> list[str] | None:
    """How to call uv: installed beside us, or on the path."""
    if importlib.util.find_spec("uv") is not None:
        from uv import find_uv_bin

        with contextlib.suppress(FileNotFoundError):
            return [find_uv_bin()]
    found = shutil.which("uv")
    return None if found is None else [found]


async def _node(path: Path, environment: dict[str, str], say: Callable[[str], None]) -> list[str]:
    node = shutil.which("node", path=environment.get("PATH"))
    where = f"Node.js {NODE_VERSION} or later, from https://nodejs.org or with: conda install -c conda-forge nodejs"
    if node is None:
        raise LabError(f"{path.name} is JavaScript, and node is not installed here. It needs {where}")
    version = (await _output([node, "--version"], environment)).strip()
    number = re.match(r"v(\d+)", version)
    if number is not None and int(number[1]) < NODE_VERSION:
        raise LabError(f"{path.name} is JavaScript, and node here is {version}. It needs {where}")
    folder = path.parent
    if (folder / "package.json").is_file() and not (folder / "node_modules").is_dir():
        npm = shutil.which("npm", path=environment.get("PATH"))
        if npm is None:
            raise LabError(f"{path.name} needs packages, and npm, which comes with Node.js, is not there. Get {where}")
        locked = "ci" if (folder / "package-lock.json").is_file() else "install"
        # Aside, and then moved: half of the packages would look like all, and another lab may do the same now.
        with tempfile.TemporaryDirectory(prefix=".node_modules-", dir=folder) as aside:
            for name in ("package.json", "package-lock.json"):
                with contextlib.suppress(FileNotFoundError):
                    shutil.copy(folder / name, aside)
            command = [npm, locked, "--omit=dev", "--no-audit", "--no-fund", "--prefix", aside]
            await _install(command, path, environment, say, f"npm {locked} --prefix {folder}")
            with contextlib.suppress(OSError):  # the other lab was faster
                os.rename(Path(aside, "node_modules"), folder / "node_modules")
    return [node, str(path)]


async def _install(
    command: list[str], path: Path, environment: dict[str, str], say: Callable[[str], None], typed: str
) -> None:
    """Run an installer, and show what it says while it takes long."""
    say(f"Installing what {path.name} needs …")
    # A notebook's kernel asks for colours, which would stand as signs in an error's text.
    environment = {key: value for key, value in environment.items() if key not in {"FORCE_COLOR", "CLICOLOR_FORCE"}}
    environment["NO_COLOR"] = "1"
    lines: list[str] = []
    async with _running(command, environment) as process:
        assert process.stdout is not None
        async for line in process.stdout:
            text = line.decode(errors="replace").strip()
            if text:
                lines.append(text)
                say(f"Installing what {path.name} needs: {text[:80]} …")
        code = await process.wait()
    if code == 0:
        return
    end = "\n".join(lines[-15:])
    advice = "This machine seems to be offline; once it is online" if _OFFLINE.search(end) else "To see it all"
    raise ProcessStartError(
        f"What {path.name} needs could not be installed (exit code {code}). {advice}, try: {typed}\n{end}"
    )


async def _output(command: list[str], environment: dict[str, str]) -> str:
    async with _running(command, environment) as process:
        output, _ = await process.communicate()
    if process.returncode:
        raise ProcessStartError(f"{' '.join(command)} failed:\n{output.decode(errors='replace')}")
    return output.decode(errors="replace")


@contextlib.asynccontextmanager
async def _running(command: list[str], environment: dict[str, str]) -> AsyncIterator[Process]:
    """A short-lived program, which does not outlive what waits for it."""
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
        )
    except OSError as error:
        raise LabError(f"{command[0]} cannot be started: {error}") from error
    try:
        yield process
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
