"""The ready-made workers beside the notebooks: started by the lab as a student starts them."""

from __future__ import annotations

import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest
from until import until

from agentlab import Lab
from agentlab.core import journal as j
from agentlab.lab.scripts import find_uv

from .conftest import WORKERS
from .messages import Shout

NODE = WORKERS / "node" / "worker.mjs"


class TestNode:
    async def test_it_answers_publishes_and_hears(self, lab: Lab) -> None:
        await lab.add_worker("node", script=NODE)
        (row,) = [row for row in lab.directory() if row["worker"] == "node"]
        assert (row["agent types"], row["subscriptions"]) == (["node-shouter"], ["news → node-shouter"])
        assert await lab.send_message(Shout("hello"), "node-shouter/a") == Shout("HELLO FROM NODE!")
        await lab.publish_message(Shout("rain"), "news/b")
        await until(
            lambda: "node-shouter/b" in lab.logs("node") or "shouter/b received Shout: rain" in lab.logs("node")
        )
        await until(lambda: [e for e in lab.journal if e.topic == "heard/b" and e.process == "host"])

    async def test_it_comes_back_to_a_restarted_host_under_its_name(self) -> None:
        async with Lab(workers=0) as lab:  # with tokens, too
            await lab.add_worker("loyal", script=NODE)
            await lab.restart("host")
            await until(lambda: [row for row in lab.directory() if row["worker"] == "loyal" and row["agent types"]])
            assert await lab.send_message(Shout("again"), "node-shouter") == Shout("AGAIN FROM NODE!")

    async def test_its_packages_are_installed_when_they_are_not_there(self, lab: Lab, tmp_path: Path) -> None:
        shutil.copytree(WORKERS / "node", tmp_path / "node", ignore=shutil.ignore_patterns("node_modules", ".node*"))
        await lab.add_worker("fresh", script=tmp_path / "node" / "worker.mjs")
        assert await lab.send_message(Shout("hello"), "node-shouter") == Shout("HELLO FROM NODE!")
        assert (tmp_path / "node" / "node_modules" / "@grpc" / "grpc-js").is_dir()
        assert not list((tmp_path / "node").glob(".node_modules-*"))

    async def test_packages_that_cannot_be_fetched_leave_nothing_behind(self, lab: Lab, tmp_path: Path) -> None:
        shutil.copytree(WORKERS / "node", tmp_path / "node", ignore=shutil.ignore_patterns("node_modules", ".node*"))
        nowhere = {"npm_config_registry": "http://127.0.0.1:1", "npm_config_cache": str(tmp_path / "cache"),
                   "npm_config_fetch_retries": "0"}  # fmt: skip
        with pytest.raises(Exception, match=r"(?s)could not be installed.*seems to be offline.*npm ci --prefix"):
            await lab.add_worker("fresh", script=tmp_path / "node" / "worker.mjs", environment=nowhere)
        assert not [path.name for path in (tmp_path / "node").iterdir() if "node_modules" in path.name]

    def test_the_lock_file_knows_no_machine(self) -> None:
        text = (WORKERS / "node" / "package-lock.json").read_text()
        lines = [line.strip() for line in text.splitlines() if '"resolved"' in line]
        assert len(lines) > 10
        assert all(line.startswith('"resolved": "https://registry.npmjs.org/') for line in lines)


@pytest.mark.autogen
class TestAutogen:
    async def test_its_agents_answer_and_hear(self, lab: Lab) -> None:
        await lab.add_worker(
            "autogen", script=WORKERS / "autogen" / "worker.py", types=["autogen-greeter", "assistant"]
        )
        assert await lab.send_message(Shout("hello"), "autogen-greeter/a") == Shout("AutoGen greets you back: hello")
        await lab.publish_message(Shout("rain"), "news/b")
        await until(lambda: "autogen-greeter/b received 'rain'" in lab.logs("autogen"))
        handled = [e.process for e in lab.journal if e.what == j.HANDLED and e.recipient == "autogen-greeter/a"]
        assert handled == ["autogen"]

    async def test_an_agentchat_assistant_answers_without_a_network(self, lab: Lab) -> None:
        await lab.add_worker(
            "autogen", script=WORKERS / "autogen" / "worker.py", types=["autogen-greeter", "assistant"]
        )
        answers = [await lab.send_message(Shout("Should I?"), "assistant/a") for _ in range(2)]
        assert answers == [
            Shout("Use it where agents must outlive each other's crashes."),
            Shout("One process is simpler, until it is not."),
        ]

    async def test_a_lab_with_tokens_says_that_autogen_cannot_join(self) -> None:
        async with Lab(workers=0) as lab:
            with pytest.raises(
                Exception, match=r"(?s)was refused by the host.*AutoGen's cannot.*Lab\.start\(token=None"
            ):
                await lab.add_worker(script=WORKERS / "autogen" / "worker.py")


def test_the_wheel_ships_the_workers_and_the_proto_files_without_the_packages_of_node(tmp_path: Path) -> None:
    uv = find_uv()
    assert uv is not None
    command = [*uv, "build", "--quiet", "--wheel", "--out-dir", str(tmp_path), str(WORKERS.parents[1])]
    subprocess.run(command, check=True, timeout=100)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {"agentlab/notebooks/workers/node/worker.mjs", "agentlab/protos/agent_worker.proto"} <= set(names)
    assert not [name for name in names if "node_modules" in name]
