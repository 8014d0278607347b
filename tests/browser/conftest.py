"""JupyterLab and a real Chromium, shared by the tests of this folder.

They end with the folder, not with the session: while Playwright is there it runs an event loop in the main thread, and
no asynchronous test can.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from agentlab.lab.jupyter import lab_settings

ROOT = Path(__file__).parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

QUIET = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"),
]
"""Without these, Chromium asks for things that a closed network does not have."""


@dataclass(frozen=True)
class JupyterServer:
    """A running JupyterLab on a copy of the notebooks."""

    url: str
    token: str
    folder: Path

    def notebook(self, name: str) -> str:
        """The address of one notebook, in a fresh workspace."""
        return f"{self.url}/lab/tree/{name}?token={self.token}&reset"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running_jupyter(home: Path) -> Iterator[JupyterServer]:
    """A JupyterLab whose settings, log and copy of the notebooks are in a folder."""
    folder = home / "notebooks"
    shutil.copytree(ROOT / "notebooks", folder)
    places = {place: str(home / place.lower()) for place in ("JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")}
    environment = os.environ | places | lab_settings(home / "lab")
    port, token = _free_port(), secrets.token_hex(8)
    command = [
        *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1"),
        *(f"--ServerApp.port={port}", "--ServerApp.port_retries=0", f"--IdentityProvider.token={token}"),
        *(f"--ServerApp.root_dir={folder}", "--LabApp.expose_app_in_browser=True"),
    ]
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
    server = JupyterServer(f"http://127.0.0.1:{port}", token, folder)
    try:
        _wait_until_up(server, process, home / "log")
        yield server
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@contextmanager
def running_browser() -> Iterator[Browser]:
    """Chromium, without a window."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield chromium
        chromium.close()


def open_in(page: Page, server: JupyterServer, name: str) -> None:
    """Open a notebook, and wait for its kernel."""
    page.goto(server.notebook(name))
    page.wait_for_selector(".jp-NotebookPanel .jp-Notebook-cell", timeout=60_000)
    page.wait_for_function(
        "() => window.jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'",
        timeout=60_000,
    )


def shut_down(page: Page) -> None:
    """Shut down the kernel of a notebook, and close its page."""
    page.evaluate("async () => { await window.jupyterapp.shell.currentWidget.sessionContext.shutdown() }")
    page.close()


@pytest.fixture(scope="package")
def jupyter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    with running_jupyter(tmp_path_factory.mktemp("jupyter")) as server:
        yield server


def _wait_until_up(server: JupyterServer, process: subprocess.Popen[bytes], log: Path) -> None:
    limit = time.monotonic() + 60
    while True:
        try:
            urllib.request.urlopen(f"{server.url}/api/status?token={server.token}", timeout=5).close()
        except OSError:
            if process.poll() is not None or time.monotonic() > limit:
                pytest.fail(f"JupyterLab did not start:\n{log.read_text()[-2000:]}")
            time.sleep(0.1)
        else:
            return


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        if os.environ.get("AGENTLAB_CI"):
            pytest.fail("There is no Chromium, and here no test is left out for that.")
        pytest.skip("There is no Chromium on this machine.")
    with running_browser() as chromium:
        yield chromium


OpenNotebook = Callable[[str], Page]


@pytest.fixture
def open_notebook(jupyter: JupyterServer, browser: Browser) -> Iterator[OpenNotebook]:
    """Opens a notebook and waits for its kernel. The kernel is shut down afterwards."""
    pages: list[Page] = []

    def open_it(name: str, width: int = 1280, height: int = 800) -> Page:
        page = browser.new_page(viewport={"width": width, "height": height})
        pages.append(page)
        open_in(page, jupyter, name)
        return page

    yield open_it
    for page in pages:
        shut_down(page)
