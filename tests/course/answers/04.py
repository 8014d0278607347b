"""Answers to the exercises of notebook 04."""

# %% 04.1 wrong: agent types, not ids
receivers = ["lamp", "diary"]

# %% 04.1 wrong: every lamp and diary there is
receivers = ["lamp/kitchen", "lamp/hall", "lamp/garden", "diary/kitchen", "diary/hall", "diary/garden"]

# %% 04.1 wrong: one forgotten
receivers = ["lamp/kitchen"]

# %% 04.1 solution
receivers = ["lamp/kitchen", "diary/kitchen"]


# %% 04.2 wrong: a heating in every room
async def report(who, room):
    await lab.publish_message(Motion(who), TopicId("presence", room))


# %% 04.2 wrong: the source is right, the type is not
async def report(who, room):
    await lab.publish_message(Motion(who), TopicId("motion", "house"))


# %% 04.2 wrong: twice
async def report(who, room):
    await lab.publish_message(Motion(who), TopicId("presence", "house"))
    await lab.publish_message(Motion(who), TopicId("presence", "house"))


# %% 04.2 solution
async def report(who, room):
    await lab.publish_message(Motion(who), TopicId("motion", room))
    await lab.publish_message(Motion(who), TopicId("presence", "house"))


# %% 04.3 wrong: everything that begins with weather or with news
@dataclass
class Bulletin:
    text: str


@type_prefix_subscription("weather")
@type_prefix_subscription("news")
class Radio(RoutedAgent):
    def __init__(self) -> None:
        super().__init__("speaks of weather and news")

    @event
    async def on_bulletin(self, message: Bulletin, ctx: MessageContext) -> None:
        print(f"{self.id} says: {message.text}")


await lab.register("worker-1", "radio", Radio)


# %% 04.3 wrong: a topic type that is called weather.
@type_subscription("weather.")
@type_subscription("news")
class Radio(RoutedAgent):
    def __init__(self) -> None:
        super().__init__("speaks of weather and news")

    @event
    async def on_bulletin(self, message: Bulletin, ctx: MessageContext) -> None:
        print(f"{self.id} says: {message.text}")


await lab.register("worker-1", "radio", Radio)


# %% 04.3 solution
@dataclass
class Bulletin:
    text: str


@type_prefix_subscription("weather.")
@type_subscription("news")
class Radio(RoutedAgent):
    def __init__(self) -> None:
        super().__init__("speaks of weather and news")

    @event
    async def on_bulletin(self, message: Bulletin, ctx: MessageContext) -> None:
        print(f"{self.id} says: {message.text}")


await lab.register("worker-1", "radio", Radio)


# %% 04.4 wrong: always the same source
@dataclass
class Shout:
    text: str


@dataclass
class Echo:
    text: str


@type_subscription("street")
class Relay(RoutedAgent):
    def __init__(self) -> None:
        super().__init__("repeats what it hears, louder")

    @event
    async def on_shout(self, message: Shout, ctx: MessageContext) -> None:
        await self.publish_message(Echo(message.text.upper()), TopicId("echo", "default"))


await lab.register("worker-2", "relay", Relay)


# %% 04.4 wrong: it repeats the Shout itself
@type_subscription("street")
class Relay(RoutedAgent):
    def __init__(self) -> None:
        super().__init__("repeats what it hears, louder")

    @event
    async def on_shout(self, message: Shout, ctx: MessageContext) -> None:
        await self.publish_message(Shout(message.text.upper()), TopicId("echo", self.id.key))


await lab.register("worker-2", "relay", Relay)


# %% 04.4 wrong: nobody told the host that it listens
class Relay(RoutedAgent):
    def __init__(self) -> None:
        super().__init__("repeats what it hears, louder")

    @event
    async def on_shout(self, message: Shout, ctx: MessageContext) -> None:
        await self.publish_message(Echo(message.text.upper()), TopicId("echo", self.id.key))


await lab.register("worker-2", "relay", Relay)


# %% 04.4 solution
@dataclass
class Shout:
    text: str


@dataclass
class Echo:
    text: str


@type_subscription("street")
class Relay(RoutedAgent):
    def __init__(self) -> None:
        super().__init__("repeats what it hears, louder")

    @event
    async def on_shout(self, message: Shout, ctx: MessageContext) -> None:
        await self.publish_message(Echo(message.text.upper()), TopicId("echo", ctx.topic_id.source))


await lab.register("worker-2", "relay", Relay)
