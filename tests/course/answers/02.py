"""Answers to the exercises of notebook 02."""

# %% 02.1 wrong: a second type
await lab.register("worker-1", "observer-2", Observer)

# %% 02.1 wrong: it is taken
await lab.register("worker-1", "observer", Observer)

# %% 02.1 solution
await lab.unregister("worker-3", "observer")
await lab.register("worker-1", "observer", Observer)

# %% 02.1 wrong: given up, and nowhere
await lab.unregister("worker-1", "observer")


# %% 02.2 wrong: saved, and never loaded
@dataclass
class HowMany:
    pass


@dataclass
class Number:
    value: int


@default_subscription
class CountingObserver(RoutedAgent):
    def __init__(self) -> None:
        super().__init__("counts games")
        self.games = 0

    @event
    async def on_over(self, message: Over, ctx: MessageContext) -> None:
        self.games += 1

    @rpc
    async def on_how_many(self, message: HowMany, ctx: MessageContext) -> Number:
        return Number(self.games)

    async def save_state(self):
        return {"games": self.games}


# %% 02.2 wrong: what it had counted itself is forgotten
@default_subscription
class CountingObserver(RoutedAgent):
    def __init__(self) -> None:
        super().__init__("counts games")
        self.games = 0
        self.before = 0

    @event
    async def on_over(self, message: Over, ctx: MessageContext) -> None:
        self.games += 1

    @rpc
    async def on_how_many(self, message: HowMany, ctx: MessageContext) -> Number:
        return Number(self.games + self.before)

    async def save_state(self):
        return {"before": self.before}

    async def load_state(self, state):
        self.before = state["before"]


# %% 02.2 solution
@dataclass
class HowMany:
    pass


@dataclass
class Number:
    value: int


@default_subscription
class CountingObserver(RoutedAgent):
    def __init__(self) -> None:
        super().__init__("counts games")
        self.games = 0

    @event
    async def on_over(self, message: Over, ctx: MessageContext) -> None:
        self.games += 1

    @rpc
    async def on_how_many(self, message: HowMany, ctx: MessageContext) -> Number:
        return Number(self.games)

    async def save_state(self):
        return {"games": self.games}

    async def load_state(self, state):
        self.games = state["games"]


# %% 02.3 wrong: its own process id, three times
@dataclass
class RollCall:
    guides: list[str]


@dataclass
class Present:
    pids: list[int]


class Caller(RoutedAgent):
    def __init__(self) -> None:
        super().__init__("asks who is where")

    @rpc
    async def on_roll_call(self, message: RollCall, ctx: MessageContext) -> Present:
        return Present([os.getpid() for _ in message.guides])


await lab.register("worker-3", "caller", Caller)


# %% 02.3 wrong: sorted
class Caller(RoutedAgent):
    def __init__(self) -> None:
        super().__init__("asks who is where")

    @rpc
    async def on_roll_call(self, message: RollCall, ctx: MessageContext) -> Present:
        here = [await self.send_message(Where(), AgentId(guide, "default")) for guide in sorted(set(message.guides))]
        return Present([one.pid for one in here])


await lab.register("worker-3", "caller", Caller)


# %% 02.3 solution
for n in (1, 2, 3):
    await lab.register(f"worker-{n}", f"guide-{n}", look_around)


@dataclass
class RollCall:
    guides: list[str]


@dataclass
class Present:
    pids: list[int]


class Caller(RoutedAgent):
    def __init__(self) -> None:
        super().__init__("asks who is where")

    @rpc
    async def on_roll_call(self, message: RollCall, ctx: MessageContext) -> Present:
        here = [await self.send_message(Where(), AgentId(guide, "default")) for guide in message.guides]
        return Present([one.pid for one in here])


await lab.register("worker-3", "caller", Caller)
