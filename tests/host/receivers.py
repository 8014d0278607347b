"""Who receives what is published."""

from __future__ import annotations

from agentlab import AgentId, TopicId
from agentlab.host.directory import Directory


def receivers(directory: Directory, topic: TopicId) -> list[AgentId]:
    """The agents that a message sent to `topic` goes to, wherever they are."""
    return [agent for _, agents in directory.routes(topic) for agent, _ in agents]
