"""What the kit finds: nothing in our workers, what is known in AutoGen's, and all that is wrong in a broken one."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import Final

import pytest
from conftest import Cast
from rich.console import Console

from agentlab import HostService
from agentlab.conformance import examination, hosts, messages, workers
from agentlab.conformance.examination import Result, examine_host, examine_worker, expected_failures, name_of
from agentlab.conformance.report import as_json, show
from agentlab.lab.errors import LabError
from agentlab.lab.scripts import find_uv

HERE: Final = Path(__file__).parent / "workers"
WORKERS: Final = Path(__file__).parents[2] / "notebooks" / "workers"
AUTOGEN: Final = WORKERS / "autogen"
LIMIT_S: Final = 15.0
"""For workers that do not hang; a check that waits so long has failed."""
HANG_S: Final = 5.0
"""For those that are known to: each known failure costs it."""


def text_of(results: Sequence[Result]) -> str:
    """What the command line prints."""
    printed = StringIO()
    show(results, "it", Console(width=160, file=printed))
    return printed.getvalue()


def assert_good(results: Sequence[Result]) -> None:
    assert all(result.is_good for result in results), text_of(results)


@pytest.mark.parametrize(
    "script",
    [HERE / "python_worker.py", HERE / "plain_grpc_worker.py", WORKERS / "node" / "conform.mjs"],
    ids=["python", "plain-grpc", "node"],
)
async def test_our_workers_pass_every_check(script: Path) -> None:
    results = await examine_worker(f"{script} {{host}}", limit_s=LIMIT_S, expected={})
    assert_good(results)
    assert [result.check for result in results] == [name_of(check) for check in workers.CHECKS]
    assert {result.outcome for result in results} == {"passed"}


@pytest.mark.autogen
async def test_autogens_worker_fails_what_it_is_known_to_fail_and_nothing_else() -> None:
    known = expected_failures(AUTOGEN / "known-failures.toml")
    results = await examine_worker(f"{AUTOGEN / 'conform.py'} {{host}}", limit_s=HANG_S, expected=known)
    assert_good(results)
    assert {result.check for result in results if result.outcome == "failed as expected"} == known.keys()


@pytest.mark.autogen
async def test_autogens_host_fails_what_it_is_known_to_fail_and_nothing_else() -> None:
    uv = find_uv()
    assert uv is not None
    command = [*uv, "run", "--quiet", "--script", str(AUTOGEN / "host.py")]
    process = await asyncio.create_subprocess_exec(
        *command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        address = json.loads(await process.stdout.readline())["address"]
        known = expected_failures(AUTOGEN / "known-failures-host.toml")
        results = await examine_host(address, limit_s=HANG_S, expected=known)
    finally:
        process.stdin.close()
        await process.wait()
    assert_good(results)
    assert {result.check for result in results if result.outcome == "failed as expected"} == known.keys()


async def test_our_host_passes_every_check(host: HostService) -> None:
    results = await examine_host(host.address, limit_s=LIMIT_S, expected={})
    assert_good(results)
    assert [result.check for result in results] == [name_of(check) for check in hosts.CHECKS]


async def test_what_is_wrong_with_a_broken_worker_is_found() -> None:
    results = await examine_worker(f"{HERE / 'broken_worker.py'} {{host}}", limit_s=1.0, expected={})
    assert [result.check for result in results if result.outcome == "passed"] == [
        "registers",
        "answers",
        "carries a megabyte",
        "answers unknown messages",
        "rejects garbage",
        "survives garbage",
    ], text_of(results)
    details = {result.check: result.detail for result in results}
    assert "should have failed, and was answered with" in details["reports errors"]
    assert details["answers nothing"].startswith("the reply to Nothing: expected None, and it was {'not': 'nothing'}")
    assert details["publishes"].startswith("no published message came within 1 s")
    assert "did not register again" in details["survives a host restart"]


async def test_of_a_worker_that_never_comes_nothing_else_is_examined(tmp_path: Path) -> None:
    (tmp_path / "ends.py").write_text("print('no agents today'); raise SystemExit(3)")
    results = await examine_worker(f"{sys.executable} {tmp_path / 'ends.py'} {{host}}", limit_s=LIMIT_S, expected={})
    assert results[0].detail == "it ended with exit code 3. The last that it printed:\nno agents today"
    assert {result.detail for result in results[1:]} == {"not examined: it never registered"}
    assert {result.outcome for result in results} == {"failed"}


async def test_a_worker_that_does_not_end_with_its_stdin_is_ended(tmp_path: Path) -> None:
    (tmp_path / "stays.py").write_text("import time\ntime.sleep(600)")
    exam = examination._WorkerExamination(f"{tmp_path / 'stays.py'} {{host}}", 0.2)
    async with exam:
        assert not await exam.ended()
    assert exam._process is not None
    assert exam._process.returncode == -9


async def test_an_expected_failure_that_passes_is_not_good(cast: Cast) -> None:
    host = cast.host()
    results = await examine_host(host.address, limit_s=LIMIT_S, expected={"keeps order": "it is said to"})
    (result,) = [result for result in results if not result.is_good]
    assert (result.check, result.outcome, result.detail) == (
        "keeps order", "passed unexpectedly", "expected: it is said to",
    )  # fmt: skip
    assert "take it off the list" in text_of(results)


async def test_a_host_that_is_not_there_fails_every_check() -> None:
    results = await examine_host("127.0.0.1:1", limit_s=1.0, expected={})
    assert {result.outcome for result in results} == {"failed"}
    assert all(result.detail for result in results)


class TestKnownFailures:
    def test_a_check_that_does_not_exist_is_named_with_those_that_do(self) -> None:
        with pytest.raises(LabError, match=r"There is no check 'keeps the order'\. There are: accepts workers, "):
            asyncio.run(examine_host("127.0.0.1:1", limit_s=1, expected={"keeps the order": "by another name"}))

    @pytest.mark.parametrize("text", ['"keeps order" = ""', '"keeps order" = 3'])
    def test_each_needs_a_reason(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "known.toml").write_text(text)
        with pytest.raises(LabError, match="'keeps order' needs a reason"):
            expected_failures(tmp_path / "known.toml")

    def test_a_file_that_is_not_there_or_no_toml_is_an_error(self, tmp_path: Path) -> None:
        (tmp_path / "known.toml").write_text("what?")
        for path in (tmp_path / "known.toml", tmp_path / "nothing.toml"):
            with pytest.raises(LabError, match=f"{path} cannot be read"):
                expected_failures(path)


def test_every_message_of_the_contract_says_what_is_expected() -> None:
    contract = [value for value in vars(messages).values() if isinstance(value, type)]
    assert len(contract) == 11
    assert all(message.__doc__ and message.__doc__.strip().endswith(".") for message in contract)


class TestCommandLine:
    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "agentlab", "conform", *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)

    def test_it_prints_json_and_ends_with_0_when_all_is_well(self) -> None:
        done = self.run("--worker", f"{sys.executable} {HERE / 'python_worker.py'} {{host}}", "--json")
        assert done.returncode == 0, done.stdout + done.stderr
        results = json.loads(done.stdout)
        assert {result["outcome"] for result in results} == {"passed"}
        assert results[0].keys() == {"check", "what", "outcome", "detail", "seconds", "good"}

    def test_it_prints_a_table_and_ends_with_1_when_something_fails(self) -> None:
        done = self.run("--host", "127.0.0.1:1", "--limit-s", "0.1")
        assert done.returncode == 1
        assert "✗  accepts workers" in done.stdout
        assert f"{len(hosts.CHECKS)} failed." in done.stdout

    @pytest.mark.parametrize(
        ("arguments", "says"),
        [
            ([], "Say what to examine"),
            (["--host", "127.0.0.1:1", "--worker", "x {host}"], "Say what to examine"),
            (["--worker", "no-such-program {host}"], "cannot be started with 'no-such-program'"),
            (["--worker", ""], "The command is empty"),
            (["--host", "nowhere"], "nowhere"),
        ],
    )
    def test_what_cannot_be_examined_is_an_error_with_2(self, arguments: list[str], says: str) -> None:
        done = self.run(*arguments)
        assert done.returncode == 2
        assert says in done.stderr
        assert "Traceback" not in done.stderr


def test_the_results_as_json_keep_every_letter() -> None:
    results = [Result("answers", "what", "failed", "“grüß”")]
    assert json.loads(as_json(results))[0]["detail"] == "“grüß”"
    assert "grüß" in as_json(results)
