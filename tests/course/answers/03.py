"""Answers to the exercises of notebook 03."""

# %% 03.1 wrong: as if nobody waited
answer = ["Question", "Lookup", "Answer", "Shelf"]

# %% 03.1 wrong: one forgotten
answer = ["Question", "Lookup", "Answer"]

# %% 03.1 wrong: agents in place of messages
answer = ["notebook", "librarian", "archive", "librarian"]

# %% 03.1 solution
answer = ["Question", "Lookup", "Shelf", "Answer"]


# %% 03.2 wrong: the error is not caught
async def quick(title, seconds):
    shelf = await lab.send_message(Lookup(title, seconds), "archive", deadline_s=0.5)
    return shelf.number


# %% 03.2 wrong: it waits for the answer, and then looks at the clock
import time


async def quick(title, seconds):
    began = time.monotonic()
    shelf = await lab.send_message(Lookup(title, seconds), "archive")
    return "too slow" if time.monotonic() - began > 0.5 else shelf.number


# %% 03.2 wrong: the shelf, not its number
async def quick(title, seconds):
    try:
        return await lab.send_message(Lookup(title, seconds), "archive", deadline_s=0.5)
    except DeadlineExceededError:
        return "too slow"


# %% 03.2 solution
async def quick(title, seconds):
    try:
        shelf = await lab.send_message(Lookup(title, seconds), "archive", deadline_s=0.5)
    except DeadlineExceededError:
        return "too slow"
    return shelf.number


# %% 03.3 wrong: it says so of every book
class PoliteLibrarian(Librarian):
    @rpc
    async def on_question(self, message: Question, ctx: MessageContext) -> Answer:
        return Answer(f"we do not have {message.title}")


await lab.register("worker-1", "librarian", PoliteLibrarian)


# %% 03.3 wrong: it looks for KeyError, which never leaves the archive
class PoliteLibrarian(Librarian):
    @rpc
    async def on_question(self, message: Question, ctx: MessageContext) -> Answer:
        try:
            shelf = await self.send_message(Lookup(message.title), self.archive)
        except KeyError:
            return Answer(f"we do not have {message.title}")
        return Answer(f"{message.title} is on shelf {shelf.number}")


await lab.register("worker-1", "librarian", PoliteLibrarian)


# %% 03.3 solution
class PoliteLibrarian(Librarian):
    @rpc
    async def on_question(self, message: Question, ctx: MessageContext) -> Answer:
        try:
            shelf = await self.send_message(Lookup(message.title, message.seconds), self.archive)
        except RemoteHandlerError:
            return Answer(f"we do not have {message.title}")
        return Answer(f"{message.title} is on shelf {shelf.number}")


await lab.register("worker-1", "librarian", PoliteLibrarian)


# %% 03.4 wrong: a token of its own, that nobody cancels
class AttentiveLibrarian(Librarian):
    @rpc
    async def on_question(self, message: Question, ctx: MessageContext) -> Answer:
        lookup = Lookup(message.title, message.seconds)
        shelf = await self.send_message(lookup, self.archive, cancellation_token=CancellationToken())
        return Answer(f"{message.title} is on shelf {shelf.number}")


await lab.register("worker-1", "librarian", AttentiveLibrarian)


# %% 03.4 wrong: it cancels its own question at once
class AttentiveLibrarian(Librarian):
    @rpc
    async def on_question(self, message: Question, ctx: MessageContext) -> Answer:
        ctx.cancellation_token.cancel()
        lookup = Lookup(message.title, message.seconds)
        shelf = await self.send_message(lookup, self.archive, cancellation_token=ctx.cancellation_token)
        return Answer(f"{message.title} is on shelf {shelf.number}")


await lab.register("worker-1", "librarian", AttentiveLibrarian)


# %% 03.4 solution
class AttentiveLibrarian(Librarian):
    @rpc
    async def on_question(self, message: Question, ctx: MessageContext) -> Answer:
        lookup = Lookup(message.title, message.seconds)
        shelf = await self.send_message(lookup, self.archive, cancellation_token=ctx.cancellation_token)
        return Answer(f"{message.title} is on shelf {shelf.number}")


await lab.register("worker-1", "librarian", AttentiveLibrarian)


# %% 03.5 wrong: one after the other
@dataclass
class BookList:
    titles: list[str]
    seconds: float = 0.0


@dataclass
class Shelves:
    numbers: list[int]


class Shopper(RoutedAgent):
    def __init__(self) -> None:
        super().__init__("looks for many books")

    @rpc
    async def on_list(self, message: BookList, ctx: MessageContext) -> Shelves:
        numbers = []
        for title in message.titles:
            shelf = await self.send_message(Lookup(title, message.seconds), AgentId("archive", "default"))
            numbers.append(shelf.number)
        return Shelves(numbers)


await lab.register("worker-3", "shopper", Shopper)


# %% 03.5 wrong: each book once, in any order
class Shopper(RoutedAgent):
    def __init__(self) -> None:
        super().__init__("looks for many books")

    @rpc
    async def on_list(self, message: BookList, ctx: MessageContext) -> Shelves:
        archive = AgentId("archive", "default")
        asked = [self.send_message(Lookup(title, message.seconds), archive) for title in sorted(set(message.titles))]
        return Shelves([shelf.number for shelf in await asyncio.gather(*asked)])


await lab.register("worker-3", "shopper", Shopper)


# %% 03.5 solution
@dataclass
class BookList:
    titles: list[str]
    seconds: float = 0.0


@dataclass
class Shelves:
    numbers: list[int]


class Shopper(RoutedAgent):
    def __init__(self) -> None:
        super().__init__("looks for many books")

    @rpc
    async def on_list(self, message: BookList, ctx: MessageContext) -> Shelves:
        archive = AgentId("archive", "default")
        asked = [self.send_message(Lookup(title, message.seconds), archive) for title in message.titles]
        return Shelves([shelf.number for shelf in await asyncio.gather(*asked)])


await lab.register("worker-3", "shopper", Shopper)
