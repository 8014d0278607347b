"""Answers to the exercises of notebook 01."""


# %% 01.1 wrong: an odd number passes 0 and goes on
class Skipper(Bouncer):
    @message_handler
    async def on_number(self, message: Countdown, ctx: MessageContext) -> Reply:
        if message.number == 0:
            return Reply(f"{self.id} ended it")
        return await self.send_message(Countdown(message.number - 2), self.partner)


# %% 01.1 wrong: it ends at once
class Skipper(Bouncer):
    @message_handler
    async def on_number(self, message: Countdown, ctx: MessageContext) -> Reply:
        return Reply(f"{self.id} ended it")


# %% 01.1 wrong: it returns nothing in the end
class Skipper(Bouncer):
    @message_handler
    async def on_number(self, message: Countdown, ctx: MessageContext) -> Reply:
        if message.number > 0:
            return await self.send_message(Countdown(message.number - 2), self.partner)


# %% 01.1 solution
class Skipper(Bouncer):
    @message_handler
    async def on_number(self, message: Countdown, ctx: MessageContext) -> Reply:
        if message.number <= 0:
            return Reply(f"{self.id} ended it")
        return await self.send_message(Countdown(message.number - 2), self.partner)


# %% 01.2 wrong: the class remembers, not the agent
class Host(Greeter):
    heard = 0

    @message_handler
    async def on_greeting(self, message: Greeting, ctx: MessageContext) -> Reply:
        Host.heard += 1
        if Host.heard > 1:
            return Reply("Welcome back!")
        return Reply(f"{self.word}! You said {message.text!r}. I am {self.id}.")


# %% 01.2 wrong: it looks at the text
class Host(Greeter):
    @message_handler
    async def on_greeting(self, message: Greeting, ctx: MessageContext) -> Reply:
        if "again" in message.text:
            return Reply("Welcome back!")
        return Reply(f"{self.word}! You said {message.text!r}. I am {self.id}.")


# %% 01.2 solution
class Host(Greeter):
    def __init__(self, word: str) -> None:
        super().__init__(word)
        self.heard = 0

    @message_handler
    async def on_greeting(self, message: Greeting, ctx: MessageContext) -> Reply:
        self.heard += 1
        if self.heard > 1:
            return Reply(f"Welcome back! This is greeting number {self.heard}.")
        return Reply(f"{self.word}! You said {message.text!r}. I am {self.id}.")


# %% 01.3 wrong: always the same source
class Herald(RoutedAgent):
    def __init__(self) -> None:
        super().__init__("says aloud what it is told")

    @message_handler
    async def on_greeting(self, message: Greeting, ctx: MessageContext) -> Reply:
        await self.publish_message(message, TopicId("default", "default"))
        return Reply(f"{len(message.text)} letters")


# %% 01.3 wrong: it keeps it to itself
class Herald(RoutedAgent):
    def __init__(self) -> None:
        super().__init__("says aloud what it is told")

    @message_handler
    async def on_greeting(self, message: Greeting, ctx: MessageContext) -> Reply:
        return Reply(f"{len(message.text)} letters")


# %% 01.3 wrong: the key is not part of the type
class Herald(RoutedAgent):
    def __init__(self) -> None:
        super().__init__("says aloud what it is told")

    @message_handler
    async def on_greeting(self, message: Greeting, ctx: MessageContext) -> Reply:
        await self.publish_message(message, TopicId(self.id.key, "default"))
        return Reply(f"{len(message.text)} letters")


# %% 01.3 solution
class Herald(RoutedAgent):
    def __init__(self) -> None:
        super().__init__("says aloud what it is told")

    @message_handler
    async def on_greeting(self, message: Greeting, ctx: MessageContext) -> Reply:
        await self.publish_message(message, TopicId("default", self.id.key))
        return Reply(f"{len(message.text)} letters")
