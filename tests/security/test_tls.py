"""TLS: who trusts whom, what a refusal says, and labs whose connections are encrypted."""

from __future__ import annotations

import asyncio
import ssl
import stat
from pathlib import Path
from typing import Any

import pytest
from child_scripts.actor import Actor, Order, Report
from conftest import Cast
from cryptography import x509
from raw import LIMIT_S
from typer.testing import CliRunner
from until import until

from agentlab import (
    AgentId,
    Lab,
    MessageContext,
    RoutedAgent,
    Tls,
    Tokens,
    WorkerRuntime,
    rpc,
    try_get_known_serializers_for_type,
)
from agentlab.lab.access import joining_environment
from agentlab.lab.certs import Authority, Certificates, own_names, write_certificates
from agentlab.lab.cli import app
from agentlab.lab.errors import LabError
from agentlab.wire.tls import described, is_loopback

AUTHORITY, OTHER = Authority.make(), Authority.make()
NAMES = ["localhost", "127.0.0.1"]
HOST, WORKER = AUTHORITY.host(NAMES), AUTHORITY.worker()
TRUSTING = Tls(ca=AUTHORITY.cert)
"""What a worker has that shows no certificate of its own."""


class Doubler(RoutedAgent):
    """Doubles a number."""

    @rpc
    async def on_order(self, message: Order, ctx: MessageContext) -> Report:
        return Report(2 * message.n)


async def why_not(address: str, tls: Tls | None, caplog: pytest.LogCaptureFixture) -> str:
    """Why a worker cannot join, as it says when it first tried."""
    starting = asyncio.ensure_future(WorkerRuntime(address, tls=tls, connect_timeout_s=None).start())
    await until(lambda: "No connection to the host" in caplog.text)
    starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)
    return caplog.text


# Who joins


@pytest.mark.parametrize("link", [True, False])
@pytest.mark.parametrize("name", NAMES)
async def test_workers_talk_over_an_encrypted_connection(cast: Cast, name: str, link: bool) -> None:
    host = cast.host("localhost:0" if name == "localhost" else "127.0.0.1:0", tls=HOST)
    asker = await cast.worker(host, tls=WORKER)
    actor = await cast.worker(host, tls=WORKER, link=link)
    await Actor.register(actor, "actor", Actor)
    asker.add_message_serializer(try_get_known_serializers_for_type(Report))
    assert await asker.send_message(Order("echo", 3), AgentId("actor", "k"), deadline_s=LIMIT_S) == Report(3)


async def test_without_an_authority_the_host_asks_for_no_certificate(cast: Cast) -> None:
    host = cast.host(tls=Tls(HOST.cert, HOST.key))
    assert (await cast.worker(host, tls=TRUSTING)).connected


@pytest.mark.parametrize(
    ("worker", "why"),
    [
        (TRUSTING, "has none that it takes"),
        (OTHER.worker(), "another authority vouches for it"),
        (None, "perhaps the host asks for TLS"),
        (HOST, "has none that it takes"),
    ],
    ids=["no certificate", "another authority's", "no TLS", "the host's own"],
)
async def test_a_host_with_mutual_tls_takes_only_its_authoritys_workers(
    cast: Cast, caplog: pytest.LogCaptureFixture, worker: Tls | None, why: str
) -> None:
    host = cast.host(tls=HOST)
    assert why in await why_not(host.address, worker, caplog)
    assert not host.router.connections


@pytest.mark.parametrize(
    ("host_tls", "why"),
    [
        (Tls(WORKER.cert, WORKER.key), "unsupported certificate purpose"),
        (AUTHORITY.host(["192.0.2.1"]), "for other names and addresses"),
        (AUTHORITY.host(NAMES, days=0), "certificate has expired"),
        (None, "the host does not speak TLS"),
    ],
    ids=["a worker's", "another machine's", "expired", "none"],
)
async def test_a_worker_does_not_trust_what_is_not_its_host(
    cast: Cast, caplog: pytest.LogCaptureFixture, host_tls: Tls | None, why: str
) -> None:
    host = cast.host(tls=host_tls)
    assert why in await why_not(host.address, WORKER, caplog)


async def test_what_travels_cannot_be_read_on_the_way(cast: Cast) -> None:
    tokens = Tokens()
    for tls, readable in ((None, True), (HOST, False)):
        host = cast.host(tokens=tokens, tls=tls)
        seen = bytearray()

        async def pass_on(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter, address: str = host.address, seen: Any = seen
        ) -> None:
            there, back = await asyncio.open_connection("127.0.0.1", int(address.rpartition(":")[2]))

            async def copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
                while data := await source.read(65536):
                    seen.extend(data)
                    target.write(data)
                target.close()

            await asyncio.gather(copy(reader, back), copy(there, writer), return_exceptions=True)

        wire = await asyncio.start_server(pass_on, "127.0.0.1", 0)
        port = wire.sockets[0].getsockname()[1]
        worker = await cast.worker(f"127.0.0.1:{port}", token=tokens.worker, tls=tls and WORKER)
        await Actor.register(worker, "very-secret", Actor)
        await worker.stop()
        wire.close()
        assert len(seen) > 500
        assert (b"very-secret" in seen) == readable


# Files


def test_certificates_are_made_once_and_more_workers_join_later(tmp_path: Path) -> None:
    folder = tmp_path / "certs"
    names = {path.name for path in write_certificates(folder, ["teacher.local", "192.0.2.7"])}
    assert names == {"ca.pem", "ca.key", "host.pem", "host.key", "worker.pem", "worker.key"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert write_certificates(folder) == []
    assert {path.name for path in write_certificates(folder, workers=["anna"])} == {"anna.pem", "anna.key"}
    assert {name: (folder / name).read_bytes() for name in before} == before
    with pytest.raises(LabError, match=r"host\.pem is there already"):
        write_certificates(folder, ["another.name"])
    (folder / "host.pem").unlink()
    with pytest.raises(LabError, match=r"host\.key is there already"):
        write_certificates(folder)
    assert not (folder / "host.pem").exists(), "a certificate that does not go with the key that was left"
    (folder / "host.pem").write_bytes(before["host.pem"])
    authority = x509.load_pem_x509_certificate(before["ca.pem"])
    for tls in (Certificates.read(folder).host, Tls.read(cert=folder / "anna.pem", key=folder / "anna.key")):
        assert x509.load_pem_x509_certificate(tls.cert).issuer == authority.subject
    said = x509.load_pem_x509_certificate(before["host.pem"]).extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    assert {"teacher.local", "localhost"} <= set(said.value.get_values_for_type(x509.DNSName))
    assert {"192.0.2.7", "127.0.0.1", "::1"} <= {str(ip) for ip in said.value.get_values_for_type(x509.IPAddress)}


@pytest.mark.parametrize("name", ["ca", "host", "../up", "a/b", ""])
def test_a_workers_certificate_has_a_name_that_is_a_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(LabError):
        write_certificates(tmp_path / "certs", workers=[name])
    assert not (tmp_path / "certs").exists()


def test_a_damaged_authority_is_said_to_be_damaged(tmp_path: Path) -> None:
    for name in ("ca.pem", "ca.key"):
        (tmp_path / name).write_text("nothing")
    with pytest.raises(LabError, match="No certificates can be made"):
        write_certificates(tmp_path)


def test_the_authority_cannot_make_another_authority_and_names_of_machines_are_checked() -> None:
    own = x509.load_pem_x509_certificate(AUTHORITY.cert)
    assert own.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length == 0
    assert own.signature_hash_algorithm is not None
    with pytest.raises(LabError, match="no name of a machine"):
        AUTHORITY.host(["lehrer-über.local"])
    assert "127.0.0.1" in own_names()


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({"cert": "host.pem"}, "belong together"),
        ({}, "TLS needs a certificate"),
        ({"cert": "host.pem", "key": "worker.key"}, "another certificate's"),
        ({"ca": "missing.pem"}, "missing.pem cannot be read: No such file"),
        ({"ca": "ca.key"}, "holds no certificate"),
        ({"cert": "host.key", "key": "host.key"}, "are no certificate and its key"),
        ({"ca": "text.txt"}, "no PEM file"),
        ({"cert": "host.pem", "key": "locked.key"}, "locked with a password"),
    ],
)
def test_files_that_are_not_what_they_should_be_are_named(tmp_path: Path, files: dict[str, str], why: str) -> None:
    write_certificates(tmp_path)
    (tmp_path / "text.txt").write_text("not PEM")
    (tmp_path / "locked.key").write_bytes(_locked((tmp_path / "host.key").read_bytes()))
    with pytest.raises(ValueError, match=why):
        Tls.read(**{name: tmp_path / path for name, path in files.items()})


def _locked(key: bytes) -> bytes:
    from cryptography.hazmat.primitives import serialization

    return serialization.load_pem_private_key(key, None).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"password"),
    )


def test_nothing_of_a_certificate_is_in_a_repr() -> None:
    assert "BEGIN" not in repr(HOST) + repr(Certificates(HOST, WORKER))
    assert "PRIVATE" not in repr(AUTHORITY)


def test_the_command_says_what_to_do_with_what_it_wrote(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["certs", str(tmp_path / "certs"), "--worker", "anna"])
    assert done.exit_code == 0
    assert "anna.pem" in done.output
    assert "--tls-ca" in done.output
    assert "Nothing to do" in CliRunner().invoke(app, ["certs", str(tmp_path / "certs"), "--worker", "anna"]).output
    assert CliRunner().invoke(app, ["certs", str(tmp_path / "certs"), "--name", "ü"]).exit_code == 1


def test_what_tls_has_no_part_in_is_left_as_it_is() -> None:
    assert described("failed to connect: no route to host") == "failed to connect: no route to host"


@pytest.mark.parametrize(
    ("address", "alone"),
    [
        ("127.0.0.1:1", True), ("127.8.8.8:1", True), ("[::1]:1", True), ("localhost:1", True), ("LOCALHOST:1", True),
        ("0.0.0.0:1", False), ("[::]:1", False), ("192.0.2.1:1", False), ("localhost.example.org:1", False),
        ("127.0.0.1.example.org:1", False), ("2130706433:1", False),
    ],
)  # fmt: skip
def test_what_only_this_machine_reaches(address: str, alone: bool) -> None:
    assert is_loopback(address) == alone


# Labs


async def test_a_lab_with_tls_hands_its_processes_what_they_need(tmp_path: Path, cast: Cast) -> None:
    async with Lab(workers=1, tls=True, address="0.0.0.0:0") as lab:
        assert lab.address.startswith("127.0.0.1:")
        await lab.register("worker-1", "doubler", Doubler, "doubles")
        assert await lab.send_message(Order("", 4), "doubler") == Report(8)
        await lab.restart("host")
        assert await lab.send_message(Order("", 5), "doubler") == Report(10)
        environment = joining_environment(lab.address, lab.tokens, lab.certificates, tmp_path)
        assert set(environment) == {
            "AGENTLAB_HOST", "AGENTLAB_TOKEN", "AGENTLAB_TLS_CA", "AGENTLAB_TLS_CERT", "AGENTLAB_TLS_KEY"
        }  # fmt: skip
        tls = Tls.read(**{name: environment[f"AGENTLAB_TLS_{name.upper()}"] for name in ("ca", "cert", "key")})
        worker = await cast.worker(lab.address, "foreign", token=environment["AGENTLAB_TOKEN"], tls=tls)
        assert "foreign" in lab.directory().column("worker")
        await worker.stop()
        assert "PRIVATE KEY" not in "".join(lab.logs(name) for name in ("host", "worker-1"))


def test_a_lab_beyond_this_machine_needs_a_token_and_tls() -> None:
    with pytest.raises(ValueError, match="no TLS"):
        Lab(address="0.0.0.0:0")
    with pytest.raises(ValueError, match="no tokens"):
        Lab(address="0.0.0.0:0", tls=True, token=None)
    with pytest.raises(ValueError, match="agentlab certs"):
        Lab(tls="no/such/folder")


def test_the_keys_are_keys_that_openssl_takes(tmp_path: Path) -> None:
    write_certificates(tmp_path)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(tmp_path / "host.pem", tmp_path / "host.key")
    server.load_verify_locations(tmp_path / "ca.pem")
