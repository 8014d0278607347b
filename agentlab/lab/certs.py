"""Certificates for a class: a small authority of its own, and what it says about a host and its workers.

The authority (`ca.pem`, which everybody may read, and `ca.key`, which nobody should) vouches for the host's
certificate, which names the addresses it may be reached at, and for the workers'. A worker's certificate is good for
joining only: whoever has one cannot pass for the host. What TLS does with them is in `agentlab.wire.tls`.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Self

import psutil
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ..wire.tls import Tls
from .access import write_new
from .addresses import checked_worker_name
from .errors import LabError

LIFE_DAYS: Final = 365
"""How long certificates hold: for a year's course, and then no longer."""
_INTERNET: Final = {socket.AF_INET, socket.AF_INET6}
CLOCK_SLACK: Final = timedelta(days=1)
"""A certificate holds from a day ago: for whoever's clock is behind."""


@dataclass(frozen=True)
class Authority:
    """An authority: vouches for certificates. PEM; with the key, it can make more."""

    cert: bytes
    key: bytes = field(repr=False)

    @classmethod
    def make(cls, days: int = LIFE_DAYS) -> Self:
        """A new one. It may vouch for hosts and workers, and for no further authority."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name("agentlab class authority")
        builder = (
            _builder(name, name, key, days)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(sign_certificates=True), critical=True)
        )
        return cls(_pem(builder.sign(key, hashes.SHA256())), _key_pem(key))

    def host(self, names: Iterable[str], days: int = LIFE_DAYS) -> Tls:
        """A host's certificate: it may be reached under these names and addresses. It asks workers for theirs."""
        addressed: list[x509.GeneralName] = [_general_name(name) for name in dict.fromkeys(names)]
        names_extension = x509.SubjectAlternativeName(addressed)
        return self._issue("host", ExtendedKeyUsageOID.SERVER_AUTH, days, names_extension)

    def worker(self, name: str = "worker", days: int = LIFE_DAYS) -> Tls:
        """A worker's certificate."""
        return self._issue(name, ExtendedKeyUsageOID.CLIENT_AUTH, days)

    def _issue(self, name: str, purpose: x509.ObjectIdentifier, days: int, *more: x509.ExtensionType) -> Tls:
        own = x509.load_pem_x509_certificate(self.cert)
        own_key: Any = serialization.load_pem_private_key(self.key, password=None)
        key = ec.generate_private_key(ec.SECP256R1())
        builder = (
            _builder(_name(name), own.subject, key, days)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(sign_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(own_key.public_key()), critical=False)
        )
        for extension in more:
            builder = builder.add_extension(extension, critical=False)
        return Tls(_pem(builder.sign(own_key, hashes.SHA256())), _key_pem(key), self.cert)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, days: int
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SLACK)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _key_usage(*, sign_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not sign_certificates, key_cert_sign=sign_certificates, crl_sign=sign_certificates,
        content_commitment=False, key_encipherment=False, data_encipherment=False, key_agreement=False,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _general_name(text: str) -> x509.GeneralName:
    """Raises LabError for what is neither a name nor an address."""
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        pass
    try:
        return x509.DNSName(text)
    except ValueError:
        raise LabError(f"{text!r} is no name of a machine: it should be ASCII, like teacher.example.org.") from None


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def own_names() -> list[str]:
    """How this machine can be reached, from itself and from others: its name and its addresses."""
    addresses = [a.address for found in psutil.net_if_addrs().values() for a in found if a.family in _INTERNET]
    # One that holds on a single cable is written with that cable's name, and no certificate can say it.
    found = sorted(address for address in addresses if "%" not in address)
    return list(dict.fromkeys(["localhost", "127.0.0.1", "::1", *found, socket.gethostname()]))


@dataclass(frozen=True)
class Certificates:
    """What a host and its workers need, each its own."""

    host: Tls
    worker: Tls

    @classmethod
    def make(cls, names: Sequence[str] = ()) -> Self:
        """New ones, of an authority that is forgotten at once: nobody can make more. The host may be reached under
        `names`, and this machine's own."""
        authority = Authority.make()
        return cls(authority.host([*own_names(), *names]), authority.worker())

    @classmethod
    def read(cls, folder: str | Path) -> Self:
        """What `write_certificates` wrote. Raises ValueError for a file that is missing or damaged."""
        folder = Path(folder)
        tls = {name: Tls.read(cert=folder / f"{name}.pem", key=folder / f"{name}.key", ca=folder / "ca.pem")
               for name in ("host", "worker")}  # fmt: skip
        return cls(**tls)

    def write_worker(self, folder: Path) -> dict[str, Path]:
        """Write what a worker needs, unless it is there: ``ca``, ``cert`` and ``key``. Raises LabError."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        files = {"ca": folder / "ca.pem", "cert": folder / "worker.pem", "key": folder / "worker.key"}
        for name, path in files.items():
            if not path.exists():
                write_new(path, getattr(self.worker, name))
        return files


def _write(folder: Path, name: str, tls: Tls) -> list[Path]:
    paths = [folder / f"{name}.pem", folder / f"{name}.key"]
    write_new(paths[1], tls.key)  # first: where a key is left, nothing is written that does not go with it
    write_new(paths[0], tls.cert)
    return paths


def write_certificates(
    folder: Path, names: Sequence[str] = (), workers: Sequence[str] = ("worker",), days: int = LIFE_DAYS
) -> list[Path]:
    """Make an authority, a host's certificate for `names`, and one for each worker; return the files written.

    Where an authority is in the folder already, it vouches for the new ones; what is there stays as it is. Raises
    LabError.
    """
    for name in workers:
        checked_worker_name(name, {"ca"})
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        ca, ca_key = folder / "ca.pem", folder / "ca.key"
        written: list[Path] = []
        if ca.exists() and ca_key.exists():
            authority = Authority(ca.read_bytes(), ca_key.read_bytes())
        else:
            authority = Authority.make(days)
            write_new(ca_key, authority.key)
            write_new(ca, authority.cert)
            written += [ca, ca_key]
        if not (folder / "host.pem").exists():
            written += _write(folder, "host", authority.host([*own_names(), *names], days))
        elif names:
            raise LabError(f"{folder / 'host.pem'} is there already, for the names that it has. Remove it first.")
        for name in workers:
            if not (folder / f"{name}.pem").exists():
                written += _write(folder, name, authority.worker(name, days))
    except (OSError, ValueError, TypeError) as error:
        raise LabError(f"No certificates can be made in {folder}: {error}") from error
    return written
