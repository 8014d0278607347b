"""What the command line knows of tokens: where a process takes its own from, and how one is made.

Never from the arguments, which every user of the machine can read.
"""

from __future__ import annotations

import os
from pathlib import Path

from ..wire.security import TOKEN_VARIABLE, Tokens, checked_token, random_token, read_token
from .errors import LabError


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
