"""What can go wrong, by name.

Every direct message ends with a reply or with one of the errors under `UndeliverableException`; each of them
travels between processes by its class name, so a sender catches the same class wherever the failure was.
"""

from __future__ import annotations

from collections.abc import Iterable

from .closest import did_you_mean


class CantHandleException(Exception):
    """An agent or a subscription was given something that it cannot handle."""


class MessageDroppedException(Exception):
    """An intervention handler dropped the message."""


class NotAccessibleError(Exception):
    """The agent lives in another process, so its object cannot be had here."""


class RunFileError(Exception):
    """A saved run cannot be opened."""


class UndeliverableException(Exception):
    """A message was not delivered, or its reply was not."""


class AgentNotFoundError(UndeliverableException, LookupError):
    """Nobody advertises the agent type that a message is for."""


class RemoteHandlerError(UndeliverableException):
    """The receiving agent failed: its handler or its factory raised, or its reply could not be serialized."""

    def __init__(self, text: str, *, remote_type: str = "", remote_traceback: str = "") -> None:
        super().__init__(text)
        self.remote_type = remote_type
        """The class name of the exception that was raised in the other process; empty when unknown."""
        self.remote_traceback = remote_traceback
        """The traceback in the other process, as text; empty when unknown."""

    def __str__(self) -> str:
        text = super().__str__()
        return f"{text}\n\n{self.remote_traceback.rstrip()}" if self.remote_traceback else text


class WorkerLostError(UndeliverableException):
    """The worker that had the message died, was killed, or disconnected before it answered."""


class HostLostError(UndeliverableException):
    """The connection to the host ended while the message was in flight."""


class DeadlineExceededError(UndeliverableException, TimeoutError):
    """Nothing answered within the deadline."""


class RequestCancelledError(UndeliverableException):
    """Somebody other than its sender gave the direct message up, as in the dashboard's list of sessions."""


class PayloadTooLargeError(UndeliverableException, ValueError):
    """The message is larger than the limit; it was not sent."""


class QueueFullError(UndeliverableException):
    """Too many messages already wait at the host for the receiver."""


class UnauthenticatedError(UndeliverableException, PermissionError):
    """The host refused the connection: a token is missing or wrong."""


BY_NAME: dict[str, type[UndeliverableException]] = {
    cls.__name__: cls
    for cls in (
        UndeliverableException,
        AgentNotFoundError,
        RemoteHandlerError,
        WorkerLostError,
        HostLostError,
        DeadlineExceededError,
        RequestCancelledError,
        PayloadTooLargeError,
        QueueFullError,
        UnauthenticatedError,
    )
}
"""The errors that travel between processes."""


def agent_not_found(agent_type: str, known: Iterable[str]) -> AgentNotFoundError:
    """The error for a message to a type that nobody advertises: it offers the closest known type."""
    names = sorted(known)
    text = f"No agent of type {agent_type!r} is advertised.{did_you_mean(agent_type, names)}"
    if not names:
        return AgentNotFoundError(f"{text} Nothing is: no agent was registered, or the workers with agents are gone.")
    listed = ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
    return AgentNotFoundError(f"{text} Advertised: {listed}.")
