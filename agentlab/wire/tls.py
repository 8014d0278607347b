"""TLS: certificates by which a host proves who it is (and, if the host asks, a worker too), and encryption.

Certificates and keys are PEM, as every tool reads and writes them; `agentlab.lab.certs` makes some.
"""

from __future__ import annotations

import ipaddress
import re
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

import grpc

LARGEST_PEM_BYTES: Final = 1024 * 1024
"""A chain of certificates has a few thousand bytes; another file was named by mistake."""


@dataclass(frozen=True)
class Tls:
    """A process's certificate, its key, and the authority it trusts, as PEM. Empty where it has none.

    A host needs a certificate and a key; with a `ca` it takes only workers that show a certificate of that authority
    (mutual TLS). A worker needs the `ca` of its host's certificate; a certificate of its own only where the host asks
    for one.
    """

    cert: bytes = field(default=b"", repr=False)
    key: bytes = field(default=b"", repr=False)
    ca: bytes = field(default=b"", repr=False)

    def __post_init__(self) -> None:
        if bool(self.cert) != bool(self.key):
            raise ValueError("A certificate and its key belong together: give both, or neither.")
        if not (self.cert or self.ca):
            raise ValueError("TLS needs a certificate and its key (a host), or an authority to trust (a worker).")

    @classmethod
    def read(
        cls, *, cert: str | Path | None = None, key: str | Path | None = None, ca: str | Path | None = None
    ) -> Self:
        """Read the files. Raises ValueError for one that is missing, or is not what it should be."""
        tls = cls(*(b"" if path is None else _read(path) for path in (cert, key, ca)))
        try:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            if cert is not None and key is not None:
                context.load_cert_chain(cert, key, password=_no_password)
        except ssl.SSLError as error:
            reason = "the key is another certificate's" if "MISMATCH" in str(error) else error.reason or str(error)
            raise ValueError(f"{cert} and {key} are no certificate and its key: {reason}.") from None
        try:
            if tls.ca:
                context.load_verify_locations(cadata=tls.ca.decode("ascii"))
        except (ssl.SSLError, UnicodeDecodeError) as error:
            raise ValueError(f"{ca} holds no certificate: {error}.") from None
        return tls

    def channel_credentials(self) -> grpc.ChannelCredentials:
        """What a worker connects with."""
        return grpc.ssl_channel_credentials(self.ca or None, self.key or None, self.cert or None)

    def server_credentials(self) -> grpc.ServerCredentials:
        """What a host listens with. Raises ValueError without a certificate."""
        if not self.cert:
            raise ValueError("A host with TLS needs a certificate and its key. These make some: agentlab certs")
        return grpc.ssl_server_credentials([(self.key, self.cert)], self.ca or None, bool(self.ca))


def _read(path: str | Path) -> bytes:
    try:
        with Path(path).open("rb") as file:
            data = file.read(LARGEST_PEM_BYTES + 1)
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror or error}. These make some: agentlab certs") from None
    if len(data) > LARGEST_PEM_BYTES or b"-----BEGIN " not in data:
        raise ValueError(f"{path} is no PEM file: it should have a line -----BEGIN CERTIFICATE----- or …KEY-----.")
    return data


def _no_password() -> str:
    raise ValueError("The key is locked with a password, which nobody could type: use one without.")


def is_loopback(address: str) -> bool:
    """Whether only this machine can reach ``host:port``. A name counts as one that others can reach, except
    ``localhost``."""
    host = address.rpartition(":")[0].strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def described(details: str) -> str:
    """gRPC's words for a connection that did not come about, in ours where TLS is the reason; else as they are."""
    if found := re.search(r"CERTIFICATE_VERIFY_FAILED: ([\w ]+)", details):
        reason = found[1].strip().replace("unable to get local issuer certificate", "another authority vouches for it")
        return f"the host's certificate is not accepted: {reason}"
    if "Hostname Verification Check failed" in details or "not a valid SAN" in details:
        return "the host's certificate is good, but for other names and addresses than this one"
    if "WRONG_VERSION_NUMBER" in details:
        return "the host does not speak TLS, and this worker does"
    if "Socket closed" in details or "Connection reset by peer" in details:
        return (
            "the connection was closed before it began: perhaps the host asks for TLS, or for a certificate, and this "
            "worker has none that it takes"
        )
    return details
