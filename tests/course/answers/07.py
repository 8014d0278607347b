"""Answers to the exercises of notebook 07."""

# %% 07.1 wrong: as if an error meant that nothing happened
answer = [0, 0, 1, 0]

# %% 07.1 wrong: as if a doubled message were booked once
answer = [0, 1, 1, 1]

# %% 07.1 wrong: one forgotten
answer = [0, 1, 2]

# %% 07.1 solution
answer = [0, 1, 2, 1]


# %% 07.2 wrong: it never gives up, and returns nothing at last
async def insist(message, recipient, attempts=5):
    for _ in range(attempts):
        try:
            return await lab.send_message(message, recipient, deadline_s=0.4)
        except DeadlineExceededError:
            pass


# %% 07.2 wrong: it asks once too often
async def insist(message, recipient, attempts=5):
    for _ in range(attempts):
        try:
            return await lab.send_message(message, recipient, deadline_s=0.4)
        except DeadlineExceededError:
            continue
    return await lab.send_message(message, recipient, deadline_s=0.4)


# %% 07.2 wrong: it asks again even when there was an answer
async def insist(message, recipient, attempts=5):
    reply = None
    for _ in range(attempts):
        try:
            reply = await lab.send_message(message, recipient, deadline_s=0.4)
        except DeadlineExceededError:
            print("no reply")
    return reply


# %% 07.2 solution
from agentlab import DeadlineExceededError


async def insist(message, recipient, attempts=5):
    while True:
        attempts -= 1
        try:
            return await lab.send_message(message, recipient, deadline_s=0.4)
        except DeadlineExceededError:
            if attempts == 0:
                raise


# %% 07.3 wrong: it remembers the amounts
class CarefulBank(RoutedAgent):
    def __init__(self) -> None:
        super().__init__("books each payment once")
        self.euros = 0
        self.booked = set()

    @rpc
    async def on_payment(self, message: Payment, ctx: MessageContext) -> Balance:
        if message.amount not in self.booked:
            self.booked.add(message.amount)
            self.euros += message.amount
        return Balance(self.euros)


await lab.register("worker-1", "careful", CarefulBank)


# %% 07.3 wrong: it books once, but answers with what there is now
class CarefulBank(RoutedAgent):
    def __init__(self) -> None:
        super().__init__("books each payment once")
        self.euros = 0
        self.booked = set()

    @rpc
    async def on_payment(self, message: Payment, ctx: MessageContext) -> Balance:
        if message.id not in self.booked:
            self.booked.add(message.id)
            self.euros += message.amount
        return Balance(self.euros)


await lab.register("worker-1", "careful", CarefulBank)


# %% 07.3 solution
@dataclass
class Payment:
    amount: int
    id: str


class CarefulBank(RoutedAgent):
    def __init__(self) -> None:
        super().__init__("books each payment once")
        self.euros = 0
        self.answers = {}

    @rpc
    async def on_payment(self, message: Payment, ctx: MessageContext) -> Balance:
        if message.id not in self.answers:
            self.euros += message.amount
            self.answers[message.id] = Balance(self.euros)
        return self.answers[message.id]


await lab.register("worker-1", "careful", CarefulBank)


# %% 07.4 wrong: each attempt has an id of its own
async def pay_once(amount):
    for _ in range(5):
        try:
            return await lab.send_message(Payment(amount, uuid.uuid4().hex), "careful", deadline_s=0.4)
        except DeadlineExceededError:
            pass


# %% 07.4 wrong: all payments have the same id
async def pay_once(amount):
    return await insist(Payment(amount, "payment"), "careful", 5)


# %% 07.4 solution
import uuid


async def pay_once(amount):
    payment = Payment(amount, uuid.uuid4().hex)
    return await insist(payment, "careful", 5)


# %% 07.5 wrong: sorted, with holes
@type_subscription("shuffled")
class OrderlyDiary(Diary):
    @event
    async def on_number(self, message: Number, ctx: MessageContext) -> None:
        self.numbers = sorted({*self.numbers, message.n})


await lab.register("worker-2", "orderly", OrderlyDiary)


# %% 07.5 wrong: what comes too early is thrown away
@type_subscription("shuffled")
class OrderlyDiary(Diary):
    @event
    async def on_number(self, message: Number, ctx: MessageContext) -> None:
        if message.n == len(self.numbers) + 1:
            self.numbers.append(message.n)


await lab.register("worker-2", "orderly", OrderlyDiary)


# %% 07.5 solution
@type_subscription("shuffled")
class OrderlyDiary(Diary):
    def __init__(self) -> None:
        super().__init__()
        self.early = set()

    @event
    async def on_number(self, message: Number, ctx: MessageContext) -> None:
        self.early.add(message.n)
        while len(self.numbers) + 1 in self.early:
            self.numbers.append(len(self.numbers) + 1)


await lab.register("worker-2", "orderly", OrderlyDiary)
