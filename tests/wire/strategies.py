"""Whatever may travel: hypothesis strategies for parcels and frames."""

from __future__ import annotations

import math

from hypothesis import strategies as st

from agentlab import AgentId, TopicId
from agentlab.core import journal as j
from agentlab.wire.parcels import (
    NOTHING,
    Cancel,
    ClockSample,
    Event,
    Failure,
    Handled,
    Hello,
    LostMessage,
    Payload,
    Report,
    Request,
    Response,
    Welcome,
)

text = st.text(max_size=20)
names = st.text(min_size=1, max_size=12)
agents = st.builds(AgentId, st.from_regex(r"[\w\-.]{1,8}\Z", fullmatch=True), text).filter(
    lambda agent: agent != AgentId("unknown", "unknown")  # AutoGen's way to write "no sender"
)
topics = st.builds(TopicId, st.from_regex(r"[\w\-.:=]{1,8}\Z", fullmatch=True), text)
times = st.integers(0, 2**62)
lamports = st.integers(0, 2**53)
uint64 = st.integers(0, 2**64 - 1)
payloads = st.builds(Payload, names, st.just("application/json"), st.binary(max_size=50))
extra = st.dictionaries(st.sampled_from(["traceparent", "tracestate", "x"]), text, max_size=2)
deadlines = st.none() | st.floats(allow_nan=False, min_value=-1e9, max_value=1e9) | st.just(math.inf)
failures = st.builds(Failure, names, names, text, text)
"""Their texts are never empty: an empty error would be a success."""

requests = st.builds(
    Request, names, agents, payloads, st.none() | agents, text, text, times, lamports, deadlines, uint64, extra
)
responses = st.builds(
    Response, names, st.just(NOTHING) | payloads, st.none() | failures, times, lamports, uint64, extra
)
events = st.builds(
    Event, topics, payloads, st.none() | agents, text, text, times, lamports,
    st.lists(st.tuples(agents, uint64), max_size=3), extra,
)  # fmt: skip
parcels = requests | responses | events

reports = st.builds(
    Report, uint64, st.sampled_from([j.RECEIVED, j.STARTED, j.HANDLED, j.UNHANDLED, j.FAILED, j.DROPPED]),
    uint64, lamports, text, text,
)  # fmt: skip
handled = st.builds(Handled, uint64, uint64, uint64, uint64, lamports, lamports, lamports)
lost = st.builds(
    LostMessage, text, text, st.just("") | agents.map(str), topics.map(str), text, uint64, uint64, lamports, text
)
hellos = st.builds(Hello, text, st.integers(0, 2**32 - 1), text, text, text)
welcomes = st.builds(Welcome, text, text, text, uint64, text, st.none() | uint64)
clocks = st.builds(ClockSample, uint64, uint64, uint64)
cancels = st.builds(Cancel, text, text)
