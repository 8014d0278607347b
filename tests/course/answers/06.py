"""Answers to the exercises of notebook 06."""

# %% 06.1 wrong: the handler of slow-2 ran, so it must have been handled
outcomes = {"slow-1": "handled", "slow-2": "handled", "slow-3": "worker lost"}

# %% 06.1 wrong: two of them mixed up
outcomes = {"slow-1": "handled", "slow-2": "worker lost", "slow-3": "timed out"}

# %% 06.1 solution
outcomes = {"slow-1": "handled", "slow-2": "timed out", "slow-3": "worker lost"}


# %% 06.2 wrong: only the cause itself
def past(run, message_id):
    return [e.cause for e in run if e.message_id == message_id and e.what == "sent" and e.cause]


# %% 06.2 wrong: from the first to the last
def past(run, message_id):
    causes = {e.message_id: e.cause for e in run if e.what == "sent" and e.kind != "response"}
    ids = []
    while message_id := causes.get(message_id, ""):
        ids.insert(0, message_id)
    return ids


# %% 06.2 wrong: with the message itself
def past(run, message_id):
    causes = {e.message_id: e.cause for e in run if e.what == "sent" and e.kind != "response"}
    ids = []
    while message_id:
        ids.append(message_id)
        message_id = causes.get(message_id, "")
    return ids


# %% 06.2 solution
def past(run, message_id):
    causes = {e.message_id: e.cause for e in run if e.what == "sent" and e.kind != "response"}
    ids = []
    while cause := causes.get(message_id, ""):
        ids.append(cause)
        message_id = cause
    return ids


# %% 06.3 wrong: everybody counts alone
def lamport(steps):
    clocks, numbers = {}, []
    for process, what, message in steps:
        clocks[process] = clocks.get(process, 0) + 1
        numbers.append(clocks[process])
    return numbers


# %% 06.3 wrong: it takes the sender's number even when its own is larger
def lamport(steps):
    clocks, sent, numbers = {}, {}, []
    for process, what, message in steps:
        clocks[process] = (sent[message] if what == "receives" else clocks.get(process, 0)) + 1
        if what == "sends":
            sent[message] = clocks[process]
        numbers.append(clocks[process])
    return numbers


# %% 06.3 wrong: receiving does not count
def lamport(steps):
    clocks, sent, numbers = {}, {}, []
    for process, what, message in steps:
        if what == "receives":
            clocks[process] = max(clocks.get(process, 0), sent[message])
        else:
            clocks[process] = clocks.get(process, 0) + 1
        if what == "sends":
            sent[message] = clocks[process]
        numbers.append(clocks[process])
    return numbers


# %% 06.3 solution
def lamport(steps):
    clocks, sent, numbers = {}, {}, []
    for process, what, message in steps:
        clock = clocks.get(process, 0)
        if what == "receives":
            clock = max(clock, sent[message])
        clocks[process] = clock + 1
        if what == "sends":
            sent[message] = clocks[process]
        numbers.append(clocks[process])
    return numbers


lamport([("anna", "sends", "m1"), ("ben", "works", ""), ("ben", "receives", "m1")])  # [1, 1, 2]


# %% 06.4 wrong: as they come
@dataclass
class Note:
    number: int
    text: str


@dataclass
class Ask:
    pass


@dataclass
class Texts:
    texts: list[str]


class Album(RoutedAgent):
    def __init__(self) -> None:
        super().__init__("puts notes in the order of their numbers")
        self.texts = []

    @rpc
    async def on_note(self, message: Note, ctx: MessageContext) -> None:
        self.texts.append(message.text)

    @rpc
    async def on_ask(self, message: Ask, ctx: MessageContext) -> Texts:
        return Texts(self.texts)


await lab.register("worker-1", "album", Album)


# %% 06.4 wrong: in order, but with gaps
class Album(RoutedAgent):
    def __init__(self) -> None:
        super().__init__("puts notes in the order of their numbers")
        self.notes = {}

    @rpc
    async def on_note(self, message: Note, ctx: MessageContext) -> None:
        self.notes[message.number] = message.text

    @rpc
    async def on_ask(self, message: Ask, ctx: MessageContext) -> Texts:
        return Texts([self.notes[number] for number in sorted(self.notes)])


await lab.register("worker-1", "album", Album)


# %% 06.4 wrong: one album for all keys


class Album(RoutedAgent):
    notes = {}

    def __init__(self) -> None:
        super().__init__("puts notes in the order of their numbers")

    @rpc
    async def on_note(self, message: Note, ctx: MessageContext) -> None:
        self.notes[message.number] = message.text

    @rpc
    async def on_ask(self, message: Ask, ctx: MessageContext) -> Texts:
        texts = []
        while len(texts) + 1 in self.notes:
            texts.append(self.notes[len(texts) + 1])
        return Texts(texts)


await lab.register("worker-1", "album", Album)


# %% 06.4 solution
@dataclass
class Note:
    number: int
    text: str


@dataclass
class Ask:
    pass


@dataclass
class Texts:
    texts: list[str]


class Album(RoutedAgent):
    def __init__(self) -> None:
        super().__init__("puts notes in the order of their numbers")
        self.notes = {}

    @rpc
    async def on_note(self, message: Note, ctx: MessageContext) -> None:
        self.notes[message.number] = message.text

    @rpc
    async def on_ask(self, message: Ask, ctx: MessageContext) -> Texts:
        texts = []
        while len(texts) + 1 in self.notes:
            texts.append(self.notes[len(texts) + 1])
        return Texts(texts)


await lab.register("worker-1", "album", Album)
