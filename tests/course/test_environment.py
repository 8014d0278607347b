"""environment.yml: what conda and Binder install, and that it says the same as pyproject.toml."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from rattler import MatchSpec

ROOT = Path(__file__).parents[2]

CONDA_NAMES = {"matplotlib": "matplotlib-base", "typing-extensions": "typing_extensions"}
"""Packages that conda-forge calls otherwise (matplotlib-base is matplotlib without a Qt window)."""


def environment() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "environment.yml").read_text())
    return loaded


def conda_packages() -> list[str]:
    return [entry for entry in environment()["dependencies"] if isinstance(entry, str)]


def test_conda_installs_the_same_versions_as_pip() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    required = [Requirement(text) for text in project["dependencies"]]
    wanted = {CONDA_NAMES.get(r.name, r.name): r.specifier for r in required}
    found = [Requirement(text) for text in conda_packages() if not text.startswith(("python=", "pip"))]
    assert {r.name: r.specifier for r in found} == wanted


def test_the_python_version_is_exact_because_binder_ignores_a_range() -> None:
    (python,) = [text for text in conda_packages() if text.startswith("python")]
    name, equals, version = python.partition("=")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert (name, equals) == ("python", "=")
    assert SpecifierSet(project["requires-python"]).contains(f"{version}.0")


def test_the_project_itself_is_installed_by_pip_from_the_checkout() -> None:
    assert "pip" in conda_packages()
    assert environment()["dependencies"][-1] == {"pip": ["-e ."]}
    assert environment()["channels"] == ["conda-forge", "nodefaults"]


@pytest.mark.parametrize("spec", conda_packages())
def test_conda_understands_each_package(spec: str) -> None:
    MatchSpec(spec, strict=True)


def test_repo2docker_accepts_the_repository() -> None:
    command = [sys.executable, "-m", "repo2docker", "--no-build", "--debug", str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "python=3.12" in done.stdout + done.stderr or "CondaBuildPack" in done.stdout + done.stderr
