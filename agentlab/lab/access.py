"""What a process presents to a host: where it takes that from, and how it is handed to one that no lab steers.

Files, or the environment; never the arguments, which every user of the machine can read.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ..wire.security import TOKEN_VARIABLE, Tokens, checked_token, random_token, read_token
from ..wire.tls import Tls
from .errors import LabError

if TYPE_CHECKING:
    from .certs import Certificates

HOST_VARIABLE: Final = "AGENTLAB_HOST"
"""The environment variable that tells a worker which a lab started where the host is."""
TLS_VARIABLES: Final = {"ca": "AGENTLAB_TLS_CA", "cert": "AGENTLAB_TLS_CERT", "key": "AGENTLAB_TLS_KEY"}
"""The environment variables that name the files of a process's certificate."""

JOINING_VARIABLES: Final = frozenset({HOST_VARIABLE, TOKEN_VARIABLE, *TLS_VARIABLES.values()})
"""All by which a program finds a host and may join it."""


def given_token(file: Path | None) -> str | None:
    """The workers' token: from the file, else from the environment, else none. Raises ValueError, OSError."""
    if file is not None:
        return read_token(file)
    text = os.environ.get(TOKEN_VARIABLE)
    return checked_token(text) if text else None


def given_tokens(workers: Path | None, owner: Path | None) -> Tokens | None:
    """A host's tokens. Without a file for the owner's, nobody has it. Raises ValueError, OSError."""
    token = given_token(workers)
    if token is not None:
        return Tokens(token) if owner is None else Tokens(token, read_token(owner))
    if owner is not None:
        raise ValueError("The owner's token needs the workers' beside it: --token-file FILE.")
    return None


def given_tls(cert: Path | None, key: Path | None, ca: Path | None) -> Tls | None:
    """What the files say; None without any. Raises ValueError."""
    return Tls.read(cert=cert, key=key, ca=ca) if cert or key or ca else None


def joining_environment(
    address: str, tokens: Tokens | None, certificates: Certificates | None, folder: Path
) -> dict[str, str]:
    """The environment variables with which any program can join a lab's host; files that they name go into `folder`."""
    environment = {HOST_VARIABLE: address}
    if tokens is not None:
        environment[TOKEN_VARIABLE] = tokens.worker
    if certificates is not None:
        files = certificates.write_worker(folder)
        environment |= {TLS_VARIABLES[name]: str(path) for name, path in files.items()}
    return environment


def write_new(path: Path, data: bytes) -> None:
    """Write a file that only its owner can read. Raises LabError when it is there already, or cannot be written."""
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)
    except FileExistsError:
        raise LabError(f"{path} is there already. Choose another place, or remove it first.") from None
    except OSError as error:
        raise LabError(f"{path} cannot be written: {error.strerror}.") from None


def write_token(path: Path) -> None:
    """Write a new token. Raises LabError."""
    write_new(path, f"{random_token()}\n".encode())
