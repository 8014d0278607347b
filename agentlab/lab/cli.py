"""The command line: ``agentlab`` and its commands."""

from __future__ import annotations

import asyncio
import importlib
import logging
import os
import sys
import traceback
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from ..core.exceptions import RunFileError, UndeliverableException
from ..core.garbage import collect_seldom
from ..core.ids import checked_type
from ..version import __version__
from .errors import LabError

app = typer.Typer(
    add_completion=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Distributed agents to touch: a host, workers, messages between them, and the picture of what happened.\n\n"
    "Without a command it opens JupyterLab on the course's first notebook.",
)
_console = Console(highlight=False)


def _fail(text: str, code: int = 1) -> typer.Exit:
    typer.secho(text, fg="red", err=True)
    return typer.Exit(code)


@app.callback(invoke_without_command=True)
def agentlab(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Say the version and end.")] = False,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Start JupyterLab without opening it.")] = False,
    port: Annotated[int | None, typer.Option(help="JupyterLab's port; without it, a free one near 8888.")] = None,
) -> None:
    """Open JupyterLab on the course's first notebook."""
    if version:
        typer.echo(f"agentlab {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is not None:
        return
    from .jupyter import open_jupyterlab

    arguments = (["--no-browser"] if no_browser else []) + ([f"--ServerApp.port={port}"] if port is not None else [])
    try:
        code = open_jupyterlab(arguments)
    except LabError as error:
        raise _fail(str(error)) from None
    raise typer.Exit(code)


@app.command()
def demo(
    folder: Annotated[Path, typer.Option("--folder", help="Where the pictures go.")] = Path(),
) -> None:
    """Show it all in a terminal: three workers, a debate, every delivery, a picture.

    Starts a host and three workers as processes of their own, registers two players and a judge on them, prints each
    message as it is delivered, and saves `timeline.svg` and `timeline.png`. Nothing is left running.
    """
    from .demo import run_demo

    try:
        folder.mkdir(parents=True, exist_ok=True)
        asyncio.run(run_demo(folder, _console))
    except (LabError, UndeliverableException, OSError) as error:
        raise _fail(str(error)) from None


_KEEPALIVE = "Seconds of silence after which a worker is asked for a sign of life; after as many again it is lost."
_DEADLINE = "Seconds after which a request ends whose sender set no deadline."
_AGENT = "An agent to register, as TYPE=module:Class. Can be given several times."
_TOKEN = "A file with the workers' token. Without it, the environment's AGENTLAB_TOKEN is taken."
_OWNER_TOKEN = "A file with the owner's token, for whoever watches and steers. Without it, nobody can."
_HOST_CERT = "The host's certificate (PEM). With it, connections are encrypted."
_HOST_CA = "An authority's certificate: then only workers join that show a certificate of its."
_WORKER_CA = "The certificate of the authority that vouches for the host. With it, the connection is encrypted."
_WORKER_CERT = "The worker's own certificate, where the host asks for one."
_KEY = "The certificate's key."
_INSECURE = "Listen beyond this machine without a token or TLS, on a network that is yours alone."
_OUTPUT = (
    "The picture: .svg, .png or .pdf; or .json (Perfetto), .log (ShiViz), .md or .mmd (Mermaid), .csv. "
    "Without it, the run is printed as text."
)


@app.command()
def host(
    address: Annotated[str, typer.Option(help="Where to listen. Port 0 takes a free one.")] = "127.0.0.1:50051",
    keepalive_s: Annotated[float, typer.Option(min=0.1, help=_KEEPALIVE)] = 5.0,
    deadline_s: Annotated[float, typer.Option(min=0.001, help=_DEADLINE)] = 60.0,
    token_file: Annotated[Path | None, typer.Option(help=_TOKEN)] = None,
    owner_token_file: Annotated[Path | None, typer.Option(help=_OWNER_TOKEN)] = None,
    tls_cert: Annotated[Path | None, typer.Option(help=_HOST_CERT)] = None,
    tls_key: Annotated[Path | None, typer.Option(help=_KEY)] = None,
    tls_ca: Annotated[Path | None, typer.Option(help=_HOST_CA)] = None,
    insecure: Annotated[bool, typer.Option("--insecure", help=_INSECURE)] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say who comes and goes.")] = False,
) -> None:
    """Run a host: the process that every worker connects to.

    It knows which worker has which agents, delivers every message, and keeps a session for every direct message. Start
    it first, then workers with `agentlab worker --host ADDRESS`. Ctrl-C ends it.

    With a token, only who knows it may join: `agentlab token class.token` makes one. Beyond this machine (`--address
    0.0.0.0:50051`) the host listens only with a token and TLS: `agentlab certs` makes certificates.
    """
    from ..host.service import HostService
    from .access import given_tls, given_tokens

    _log(verbose)

    async def run() -> None:
        collect_seldom()
        tokens = given_tokens(token_file, owner_token_file)
        service = HostService(
            address,
            keepalive_s=keepalive_s,
            default_deadline_s=deadline_s,
            tokens=tokens,
            tls=given_tls(tls_cert, tls_key, tls_ca),
            insecure=insecure,
        )
        service.start()
        how = f"agentlab worker --host {service.address}" + (" --token-file FILE" if tokens is not None else "")
        typer.echo(f"The host listens on {service.address}. Workers join with: {how}")
        if tokens is None:
            typer.echo("It asks for no token: every program that reaches it may join and send.")
        await service.stop_when_signal()

    try:
        asyncio.run(run())
    except (ValueError, OSError) as error:
        raise _fail(str(error)) from None


@app.command()
def worker(
    host: Annotated[str, typer.Option(help="The host's address, as the host printed it.")],
    agent: Annotated[list[str] | None, typer.Option(help=_AGENT)] = None,
    name: Annotated[str | None, typer.Option(help="The worker's name, as it stands on the timeline.")] = None,
    token_file: Annotated[Path | None, typer.Option(help=_TOKEN)] = None,
    tls_ca: Annotated[Path | None, typer.Option(help=_WORKER_CA, envvar="AGENTLAB_TLS_CA")] = None,
    tls_cert: Annotated[Path | None, typer.Option(help=_WORKER_CERT, envvar="AGENTLAB_TLS_CERT")] = None,
    tls_key: Annotated[Path | None, typer.Option(help=_KEY, envvar="AGENTLAB_TLS_KEY")] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say what goes on.")] = False,
) -> None:
    """Run a worker: a process that holds agents and runs their handlers.

    `--agent greeter=my_agents:Greeter` registers the class `Greeter` of `my_agents.py`, in this folder or installed,
    under the type `greeter`. The worker keeps trying while the host is not up, and comes back when it was restarted.
    Ctrl-C ends it.
    """
    from ..worker.runtime import WorkerRuntime
    from .access import given_tls, given_token

    _log(verbose)
    sys.path.insert(0, os.getcwd())
    classes = [_agent_class(text) for text in agent or ()]

    async def run() -> None:
        collect_seldom()
        token, tls = given_token(token_file), given_tls(tls_cert, tls_key, tls_ca)
        runtime = WorkerRuntime(host, name=name, connect_timeout_s=None, token=token, tls=tls)
        await runtime.start()
        for agent_type, cls in classes:
            await cls.register(runtime, agent_type, cls)
        types = ", ".join(agent_type for agent_type, _ in classes) or "none"
        typer.echo(f"{runtime.name} (pid {os.getpid()}) is connected to {host}. Agent types: {types}")
        await runtime.stop_when_signal()

    try:
        asyncio.run(run())
    except (ValueError, TypeError, OSError, UndeliverableException) as error:
        raise _fail(str(error)) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


@app.command()
def token(
    file: Annotated[Path | None, typer.Argument(help="Where to write it. Without one, it is printed.")] = None,
) -> None:
    """Make a token: a random text that whoever joins a host must know.

    `agentlab token class.token` writes one for `agentlab host --token-file class.token`, readable by you alone.
    """
    from ..wire.security import random_token
    from .access import write_token

    if file is None:
        typer.echo(random_token())
        return
    try:
        write_token(file)
    except LabError as error:
        raise _fail(str(error)) from None
    typer.echo(f"Wrote {file}. Hand it to those who may join, in a way that others cannot read.")


@app.command()
def certs(
    folder: Annotated[Path, typer.Argument(help="Where they go.")] = Path("certs"),
    names: Annotated[
        list[str] | None, typer.Option("--name", help="A name or address of the host, beside this machine's own.")
    ] = None,
    workers: Annotated[
        list[str] | None, typer.Option("--worker", help="Whom to make a certificate for. Without one: worker.")
    ] = None,
    days: Annotated[int, typer.Option(min=1, help="How long they hold.")] = 365,
) -> None:
    """Make certificates for a class: a small authority, the host's certificate, and the workers'.

    The host takes `host.pem`, `host.key` and `ca.pem`; a worker `ca.pem`, `worker.pem` and `worker.key`. Keep `ca.key`
    to yourself: who has it can vouch for anybody. Run again with `--worker NAME`, it adds one to the same authority.
    """
    from .certs import write_certificates

    try:
        written = write_certificates(folder, names or [], workers or ["worker"], days)
    except LabError as error:
        raise _fail(str(error)) from None
    typer.echo("\n".join(f"Wrote {path}" for path in written) or f"Nothing to do: {folder} has them all.")
    typer.echo(
        f"agentlab host --address 0.0.0.0:50051 --token-file class.token --tls-cert {folder}/host.pem "
        f"--tls-key {folder}/host.key --tls-ca {folder}/ca.pem\n"
        f"agentlab worker --host ADDRESS:50051 --token-file class.token --tls-ca {folder}/ca.pem "
        f"--tls-cert {folder}/worker.pem --tls-key {folder}/worker.key"
    )


def _agent_class(text: str) -> tuple[str, Any]:
    """Read ``TYPE=module:Class``."""
    from ..core.agents import BaseAgent

    agent_type, equals, path = text.partition("=")
    module_name, colon, class_name = path.partition(":")
    if not (agent_type and equals and module_name and colon and class_name):
        raise _fail(f"{text!r} should look like TYPE=module:Class, for instance greeter=my_agents:Greeter.", 2)
    try:
        checked_type(agent_type)
    except ValueError as error:
        raise _fail(str(error), 2) from None
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise _fail(
            f"The module {module_name!r} cannot be imported: {error}. It is looked for in this folder, too.", 2
        ) from None
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        place = "" if isinstance(error, SyntaxError) else f" ({where.filename}, line {where.lineno})"
        reason = f"{type(error).__name__}: {error}{place}"
        raise _fail(f"The module {module_name!r} cannot be imported: {reason}", 2) from None
    cls = getattr(module, class_name, None)
    if not (isinstance(cls, type) and issubclass(cls, BaseAgent)):
        classes = (value for value in vars(module).values() if isinstance(value, type))
        found = [c.__name__ for c in classes if issubclass(c, BaseAgent) and c.__module__ == module.__name__]
        raise _fail(f"{module_name} has no agent class {class_name!r}. It has: {', '.join(found) or 'none'}.", 2)
    return agent_type, cls


@app.command()
def timeline(
    run: Annotated[Path, typer.Argument(help="A run, saved with lab.save(…): a .jsonl file.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help=_OUTPUT)] = None,
) -> None:
    """Draw the delivery timeline of a saved run."""
    from .. import exports
    from .. import timeline as view
    from ..core.run import Run

    try:
        opened = Run.open(run)
        if opened.note:
            typer.secho(f"Note: {opened.note}.", err=True)
        if output is None:
            typer.echo(view.text(opened, width=_console.width))
        else:
            save = exports.save if output.suffix.lower() in exports.FORMATS else view.save
            typer.echo(f"Saved {save(opened, output)}")
    except (RunFileError, ValueError, OSError) as error:
        raise _fail(str(error)) from None


@app.command()
def compare(
    first: Annotated[Path, typer.Argument(help="A run, saved with lab.save(…).")],
    second: Annotated[Path, typer.Argument(help="Another one.")],
) -> None:
    """Say what differs between two saved runs: messages, order, outcomes. Exit code 1 when anything does."""
    from .. import exports
    from ..core.run import Run

    try:
        comparison = exports.compare(Run.open(first), Run.open(second))
    except RunFileError as error:
        raise _fail(str(error)) from None
    typer.echo(str(comparison))
    if not comparison.is_same:
        raise typer.Exit(1)


_WORKER = 'The command that starts the worker; {host} stands for the address: --worker "node my_worker.mjs {host}"'
_FAILURES = 'A TOML file of known failures: lines like "answers nothing" = "why it does not".'


@app.command()
def conform(
    worker: Annotated[str | None, typer.Option(help=_WORKER)] = None,
    host: Annotated[str | None, typer.Option(help="The address of a host to examine.")] = None,
    expect_failures: Annotated[Path | None, typer.Option(help=_FAILURES)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the results as JSON.")] = False,
    limit_s: Annotated[float, typer.Option(min=0.001, help="Seconds that an answer may take.")] = 3.0,
) -> None:
    """Examine a worker, or a host, that somebody wrote in another language.

    A worker registers the agent type `conform` and understands the messages of `agentlab.conformance.messages`; a host
    needs nothing. Exit code 1 when anything fails that was not expected to, or passes that was.
    """
    from ..conformance import examination as kit
    from ..conformance.report import as_json as written
    from ..conformance.report import show
    from ..wire.channel import checked_address

    if (worker is None) == (host is None):
        raise _fail('Say what to examine: --worker "COMMAND {host}", or --host ADDRESS.', 2)
    try:
        expected = {} if expect_failures is None else kit.expected_failures(expect_failures)
        examined = (
            kit.examine_worker(worker, limit_s=limit_s, expected=expected)
            if worker is not None
            else kit.examine_host(checked_address(host or ""), limit_s=limit_s, expected=expected)
        )
        results = asyncio.run(examined)
    except (LabError, ValueError) as error:
        raise _fail(str(error), 2) from None
    if as_json:
        typer.echo(written(results))
    else:
        show(results, worker or host or "", _console)
    if not all(result.is_good for result in results):
        raise typer.Exit(1)


@app.command()
def doctor() -> None:
    """Look at the installation: versions, optional parts and how to get them, and whether processes start."""
    from .doctor import optional_parts, packages, processes

    findings = [*packages(), *optional_parts(), asyncio.run(processes())]
    table = Table("", "what", "found", "", box=None, pad_edge=False)
    for finding in findings:
        mark = "[green]✓[/green]" if finding.ok else "[red]✗[/red]" if finding.required else "[yellow]–[/yellow]"
        table.add_row(mark, finding.what, finding.found, finding.advice)
    _console.print(table)
    if any(finding.required and not finding.ok for finding in findings):
        raise typer.Exit(1)
    _console.print("\nAll is well. Start the course with: [bold]agentlab[/bold]")


def _log(verbose: bool) -> None:
    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )


def main() -> None:
    """The entry point."""
    app()


if __name__ == "__main__":
    main()
