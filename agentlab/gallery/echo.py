"""Echo: answers with what it got. The smallest agent there is.

Try: send it a text, and look at how long the message was on its way and how long the handler ran. Send it ten texts at
once. Then publish a text to its direct topic, `TopicId("echo:", "me")`: it is handled too, and nobody hears the
answer.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..core.contexts import MessageContext
from ..core.routing import RoutedAgent, message_handler


@dataclass
class Text:
    """A text, there and back."""

    text: str


class Echo(RoutedAgent):
    """An echo: sends back every text."""

    def __init__(self) -> None:
        super().__init__("answers with what it got")

    @message_handler
    async def on_text(self, message: Text, ctx: MessageContext) -> Text:
        print(f"{self.id} heard {message.text!r} from {ctx.sender or 'outside'}")
        return message
