"""Who may do what at a host: two tokens, and what a process presents when it connects.

A token is a long random text that whoever connects must know. It travels as gRPC metadata, ``authorization: Bearer
TOKEN``. How it is kept from being read on the way is in `agentlab.wire.tls`; who checks it, in `agentlab.host.gate`.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, Self

import grpc.aio

from .tls import Tls

AUTHORIZATION: Final = "authorization"
"""The gRPC metadata that carries the token."""
TOKEN_VARIABLE: Final = "AGENTLAB_TOKEN"
"""The environment variable from which a worker in a process of its own takes its token: other users of the machine can
read the arguments of a process, not its environment."""

TOKEN_BYTES: Final = 24
"""Randomness in a token: 192 bits, far beyond guessing."""
SHORTEST_TOKEN: Final = 16
"""Characters. A shorter one could be guessed."""

Role = Literal["worker", "owner"]
"""A worker joins, registers and sends. An owner may do that, and watch, look into and steer the host."""


def random_token() -> str:
    """A new token."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def checked_token(token: str) -> str:
    """Return the token. Raises ValueError, without showing it, for one that cannot travel or could be guessed."""
    if not re.fullmatch(r"[\x21-\x7e]+", token):
        raise ValueError("A token is one word of ASCII letters, digits and signs. A new one: agentlab token")
    if len(token) < SHORTEST_TOKEN:
        raise ValueError(f"A token needs at least {SHORTEST_TOKEN} characters. A new one: agentlab token")
    return token


def read_token(path: str | Path) -> str:
    """The token in a file's only line. Raises ValueError, OSError."""
    with Path(path).open(encoding="ascii", errors="replace") as file:
        text = file.read(10_000).strip()
    try:
        return checked_token(text)
    except ValueError as error:
        raise ValueError(f"{path} holds no token. {error}") from None


@dataclass(frozen=True)
class Tokens:
    """A host's two tokens: the workers' and the owner's. Without saying so, each is new and random."""

    worker: str = field(default_factory=random_token, repr=False)
    owner: str = field(default_factory=random_token, repr=False)

    def __post_init__(self) -> None:
        checked_token(self.worker)
        checked_token(self.owner)
        if self.worker == self.owner:
            raise ValueError("The owner's token must differ from the workers': whoever joins would own the host.")

    def role(self, presented: str) -> Role | None:
        """Whose token was presented; None for nobody's.

        What is compared are hashes of equal length, in a time that does not tell how much of a guess was right.
        """
        digest = _digest(presented)
        is_owner = hmac.compare_digest(digest, _digest(self.owner))
        is_worker = hmac.compare_digest(digest, _digest(self.worker))
        return "owner" if is_owner else "worker" if is_worker else None


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


def presented_token(metadata: Iterable[tuple[str, str | bytes]]) -> str | None:
    """The token in a call's metadata; None when there is none. Raises ValueError for anything that is no such header,
    or several."""
    found = [value for key, value in metadata if key == AUTHORIZATION]
    if not found:
        return None
    value = found[0]
    if len(found) > 1 or not isinstance(value, str):
        raise ValueError("more than one token was presented" if len(found) > 1 else "it is no text")
    scheme, _, token = value.partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise ValueError("it should look like: Bearer TOKEN")
    return token


@dataclass(frozen=True)
class Credentials:
    """What a process presents to a host: a token, and, when the connection is encrypted, whom it trusts and who it is.

    Both may be missing.
    """

    token: str | None = field(default=None, repr=False)
    tls: Tls | None = None

    @classmethod
    def of(cls, token: str | None, tls: Tls | None) -> Self:
        """Raises ValueError for an illegal token."""
        return cls(None if token is None else checked_token(token), tls)

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """What every call carries."""
        return () if self.token is None else ((AUTHORIZATION, f"Bearer {self.token}"),)

    def channel(self, address: str, options: Sequence[tuple[str, Any]]) -> grpc.aio.Channel:
        """A channel to a host."""
        if self.tls is None:
            return grpc.aio.insecure_channel(address, options=options)
        return grpc.aio.secure_channel(address, self.tls.channel_credentials(), options=options)
