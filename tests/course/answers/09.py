"""Answers to the exercises of notebook 09."""

# %% 09.1 wrong: as if every worker could see who is there
answer = {
    "send a message": "worker",
    "watch the journal": "owner",
    "subscribe to a topic": "worker",
    "drop other people's messages": "owner",
    "register an agent": "worker",
    "see who is connected": "worker",
}

# %% 09.1 wrong: a role that there is not
answer = dict.fromkeys(answer, "admin")

# %% 09.1 wrong: one forgotten
answer = {"send a message": "worker"}

# %% 09.1 solution
answer = {
    "send a message": "worker",
    "watch the journal": "owner",
    "subscribe to a topic": "worker",
    "drop other people's messages": "owner",
    "register an agent": "worker",
    "see who is connected": "owner",
}

# %% 09.2 wrong: only 127.0.0.1 as this machine
reachable = [host for host in hosts if not host.startswith("127.0.0.1")]

# %% 09.2 wrong: as if 0.0.0.0 were nowhere
reachable = ["192.168.1.20:50051"]

# %% 09.2 wrong: not of the list
reachable = ["example.org:1"]

# %% 09.2 solution
reachable = ["0.0.0.0:50051", "192.168.1.20:50051"]


# %% 09.3 wrong: the way is forgotten
def offset(t0, t1, t2, t3):
    return t1 - t0


# %% 09.3 wrong: the other way round
def offset(t0, t1, t2, t3):
    return ((t0 - t1) + (t3 - t2)) / 2


# %% 09.3 solution
def offset(t0, t1, t2, t3):
    return ((t1 - t0) + (t2 - t3)) / 2


# %% 09.4 wrong: their mean
def best_offset(samples):
    return sum(offset(*sample) for sample in samples) / len(samples)


# %% 09.4 wrong: the host's thinking counts
def best_offset(samples):
    return offset(*min(samples, key=lambda s: s[3] - s[0]))


# %% 09.4 solution
def best_offset(samples):
    return offset(*min(samples, key=lambda s: (s[3] - s[0]) - (s[2] - s[1])))
