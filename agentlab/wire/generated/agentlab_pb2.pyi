from . import agent_worker_pb2 as _agent_worker_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Frame(_message.Message):
    __slots__ = ("hello", "welcome", "batch", "cancels", "clock", "goodbye", "lost")
    HELLO_FIELD_NUMBER: _ClassVar[int]
    WELCOME_FIELD_NUMBER: _ClassVar[int]
    BATCH_FIELD_NUMBER: _ClassVar[int]
    CANCELS_FIELD_NUMBER: _ClassVar[int]
    CLOCK_FIELD_NUMBER: _ClassVar[int]
    GOODBYE_FIELD_NUMBER: _ClassVar[int]
    LOST_FIELD_NUMBER: _ClassVar[int]
    hello: Hello
    welcome: Welcome
    batch: bytes
    cancels: _containers.RepeatedCompositeFieldContainer[Cancel]
    clock: ClockSample
    goodbye: bool
    lost: _containers.RepeatedCompositeFieldContainer[LostMessage]
    def __init__(self, hello: _Optional[_Union[Hello, _Mapping]] = ..., welcome: _Optional[_Union[Welcome, _Mapping]] = ..., batch: _Optional[bytes] = ..., cancels: _Optional[_Iterable[_Union[Cancel, _Mapping]]] = ..., clock: _Optional[_Union[ClockSample, _Mapping]] = ..., goodbye: bool = ..., lost: _Optional[_Iterable[_Union[LostMessage, _Mapping]]] = ...) -> None: ...

class LostMessage(_message.Message):
    __slots__ = ("message_id", "cause", "sender", "topic", "type", "size", "sent_ns", "lamport", "detail")
    MESSAGE_ID_FIELD_NUMBER: _ClassVar[int]
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    SENDER_FIELD_NUMBER: _ClassVar[int]
    TOPIC_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    SENT_NS_FIELD_NUMBER: _ClassVar[int]
    LAMPORT_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    message_id: str
    cause: str
    sender: str
    topic: str
    type: str
    size: int
    sent_ns: int
    lamport: int
    detail: str
    def __init__(self, message_id: _Optional[str] = ..., cause: _Optional[str] = ..., sender: _Optional[str] = ..., topic: _Optional[str] = ..., type: _Optional[str] = ..., size: _Optional[int] = ..., sent_ns: _Optional[int] = ..., lamport: _Optional[int] = ..., detail: _Optional[str] = ...) -> None: ...

class Hello(_message.Message):
    __slots__ = ("name", "pid", "machine", "resume_token", "version")
    NAME_FIELD_NUMBER: _ClassVar[int]
    PID_FIELD_NUMBER: _ClassVar[int]
    MACHINE_FIELD_NUMBER: _ClassVar[int]
    RESUME_TOKEN_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    name: str
    pid: int
    machine: str
    resume_token: str
    version: str
    def __init__(self, name: _Optional[str] = ..., pid: _Optional[int] = ..., machine: _Optional[str] = ..., resume_token: _Optional[str] = ..., version: _Optional[str] = ...) -> None: ...

class Welcome(_message.Message):
    __slots__ = ("name", "machine", "resume_token", "max_message_bytes", "version", "taken")
    NAME_FIELD_NUMBER: _ClassVar[int]
    MACHINE_FIELD_NUMBER: _ClassVar[int]
    RESUME_TOKEN_FIELD_NUMBER: _ClassVar[int]
    MAX_MESSAGE_BYTES_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    TAKEN_FIELD_NUMBER: _ClassVar[int]
    name: str
    machine: str
    resume_token: str
    max_message_bytes: int
    version: str
    taken: int
    def __init__(self, name: _Optional[str] = ..., machine: _Optional[str] = ..., resume_token: _Optional[str] = ..., max_message_bytes: _Optional[int] = ..., version: _Optional[str] = ..., taken: _Optional[int] = ...) -> None: ...

class Cancel(_message.Message):
    __slots__ = ("request_id", "reason")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    reason: str
    def __init__(self, request_id: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class ClockSample(_message.Message):
    __slots__ = ("worker_sent_ns", "host_received_ns", "host_sent_ns")
    WORKER_SENT_NS_FIELD_NUMBER: _ClassVar[int]
    HOST_RECEIVED_NS_FIELD_NUMBER: _ClassVar[int]
    HOST_SENT_NS_FIELD_NUMBER: _ClassVar[int]
    worker_sent_ns: int
    host_received_ns: int
    host_sent_ns: int
    def __init__(self, worker_sent_ns: _Optional[int] = ..., host_received_ns: _Optional[int] = ..., host_sent_ns: _Optional[int] = ...) -> None: ...

class WithdrawAgentRequest(_message.Message):
    __slots__ = ("type",)
    TYPE_FIELD_NUMBER: _ClassVar[int]
    type: str
    def __init__(self, type: _Optional[str] = ...) -> None: ...

class WithdrawAgentResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class KeepAgentsRequest(_message.Message):
    __slots__ = ("agents",)
    AGENTS_FIELD_NUMBER: _ClassVar[int]
    agents: _containers.RepeatedCompositeFieldContainer[_agent_worker_pb2.AgentId]
    def __init__(self, agents: _Optional[_Iterable[_Union[_agent_worker_pb2.AgentId, _Mapping]]] = ...) -> None: ...

class KeepAgentsResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class LeaveRequest(_message.Message):
    __slots__ = ("leaves",)
    LEAVES_FIELD_NUMBER: _ClassVar[int]
    leaves: bool
    def __init__(self, leaves: bool = ...) -> None: ...

class LeaveResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class WaitIdleRequest(_message.Message):
    __slots__ = ("agent_id",)
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    agent_id: _agent_worker_pb2.AgentId
    def __init__(self, agent_id: _Optional[_Union[_agent_worker_pb2.AgentId, _Mapping]] = ...) -> None: ...

class WaitIdleResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class HandOverRequest(_message.Message):
    __slots__ = ("agent_id", "state")
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    agent_id: _agent_worker_pb2.AgentId
    state: str
    def __init__(self, agent_id: _Optional[_Union[_agent_worker_pb2.AgentId, _Mapping]] = ..., state: _Optional[str] = ...) -> None: ...

class HandOverResponse(_message.Message):
    __slots__ = ("worker",)
    WORKER_FIELD_NUMBER: _ClassVar[int]
    worker: str
    def __init__(self, worker: _Optional[str] = ...) -> None: ...

class WatchRequest(_message.Message):
    __slots__ = ("after", "follow")
    AFTER_FIELD_NUMBER: _ClassVar[int]
    FOLLOW_FIELD_NUMBER: _ClassVar[int]
    after: int
    follow: bool
    def __init__(self, after: _Optional[int] = ..., follow: bool = ...) -> None: ...

class JournalEvent(_message.Message):
    __slots__ = ("seq", "what", "kind", "message_id", "cause", "sender", "recipient", "topic", "process", "type", "size", "time_ns", "lamport", "detail", "trace", "payload")
    SEQ_FIELD_NUMBER: _ClassVar[int]
    WHAT_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_ID_FIELD_NUMBER: _ClassVar[int]
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    SENDER_FIELD_NUMBER: _ClassVar[int]
    RECIPIENT_FIELD_NUMBER: _ClassVar[int]
    TOPIC_FIELD_NUMBER: _ClassVar[int]
    PROCESS_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    TIME_NS_FIELD_NUMBER: _ClassVar[int]
    LAMPORT_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    TRACE_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    seq: int
    what: str
    kind: str
    message_id: str
    cause: str
    sender: str
    recipient: str
    topic: str
    process: str
    type: str
    size: int
    time_ns: int
    lamport: int
    detail: str
    trace: str
    payload: str
    def __init__(self, seq: _Optional[int] = ..., what: _Optional[str] = ..., kind: _Optional[str] = ..., message_id: _Optional[str] = ..., cause: _Optional[str] = ..., sender: _Optional[str] = ..., recipient: _Optional[str] = ..., topic: _Optional[str] = ..., process: _Optional[str] = ..., type: _Optional[str] = ..., size: _Optional[int] = ..., time_ns: _Optional[int] = ..., lamport: _Optional[int] = ..., detail: _Optional[str] = ..., trace: _Optional[str] = ..., payload: _Optional[str] = ...) -> None: ...

class JournalBatch(_message.Message):
    __slots__ = ("events", "missed", "journal")
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    MISSED_FIELD_NUMBER: _ClassVar[int]
    JOURNAL_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[JournalEvent]
    missed: int
    journal: str
    def __init__(self, events: _Optional[_Iterable[_Union[JournalEvent, _Mapping]]] = ..., missed: _Optional[int] = ..., journal: _Optional[str] = ...) -> None: ...

class SnapshotRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class SnapshotResponse(_message.Message):
    __slots__ = ("workers", "sessions", "journal_seq", "journal_let_go", "counters")
    class Worker(_message.Message):
        __slots__ = ("name", "client_id", "pid", "address", "reports", "queued", "types", "subscriptions")
        NAME_FIELD_NUMBER: _ClassVar[int]
        CLIENT_ID_FIELD_NUMBER: _ClassVar[int]
        PID_FIELD_NUMBER: _ClassVar[int]
        ADDRESS_FIELD_NUMBER: _ClassVar[int]
        REPORTS_FIELD_NUMBER: _ClassVar[int]
        QUEUED_FIELD_NUMBER: _ClassVar[int]
        TYPES_FIELD_NUMBER: _ClassVar[int]
        SUBSCRIPTIONS_FIELD_NUMBER: _ClassVar[int]
        name: str
        client_id: str
        pid: int
        address: str
        reports: bool
        queued: int
        types: _containers.RepeatedScalarFieldContainer[str]
        subscriptions: _containers.RepeatedCompositeFieldContainer[_agent_worker_pb2.Subscription]
        def __init__(self, name: _Optional[str] = ..., client_id: _Optional[str] = ..., pid: _Optional[int] = ..., address: _Optional[str] = ..., reports: bool = ..., queued: _Optional[int] = ..., types: _Optional[_Iterable[str]] = ..., subscriptions: _Optional[_Iterable[_Union[_agent_worker_pb2.Subscription, _Mapping]]] = ...) -> None: ...
    class Session(_message.Message):
        __slots__ = ("id", "message_id", "sender", "sender_worker", "target", "target_worker", "type", "age_s", "remaining_s")
        ID_FIELD_NUMBER: _ClassVar[int]
        MESSAGE_ID_FIELD_NUMBER: _ClassVar[int]
        SENDER_FIELD_NUMBER: _ClassVar[int]
        SENDER_WORKER_FIELD_NUMBER: _ClassVar[int]
        TARGET_FIELD_NUMBER: _ClassVar[int]
        TARGET_WORKER_FIELD_NUMBER: _ClassVar[int]
        TYPE_FIELD_NUMBER: _ClassVar[int]
        AGE_S_FIELD_NUMBER: _ClassVar[int]
        REMAINING_S_FIELD_NUMBER: _ClassVar[int]
        id: str
        message_id: str
        sender: str
        sender_worker: str
        target: str
        target_worker: str
        type: str
        age_s: float
        remaining_s: float
        def __init__(self, id: _Optional[str] = ..., message_id: _Optional[str] = ..., sender: _Optional[str] = ..., sender_worker: _Optional[str] = ..., target: _Optional[str] = ..., target_worker: _Optional[str] = ..., type: _Optional[str] = ..., age_s: _Optional[float] = ..., remaining_s: _Optional[float] = ...) -> None: ...
    class CountersEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    WORKERS_FIELD_NUMBER: _ClassVar[int]
    SESSIONS_FIELD_NUMBER: _ClassVar[int]
    JOURNAL_SEQ_FIELD_NUMBER: _ClassVar[int]
    JOURNAL_LET_GO_FIELD_NUMBER: _ClassVar[int]
    COUNTERS_FIELD_NUMBER: _ClassVar[int]
    workers: _containers.RepeatedCompositeFieldContainer[SnapshotResponse.Worker]
    sessions: _containers.RepeatedCompositeFieldContainer[SnapshotResponse.Session]
    journal_seq: int
    journal_let_go: int
    counters: _containers.ScalarMap[str, int]
    def __init__(self, workers: _Optional[_Iterable[_Union[SnapshotResponse.Worker, _Mapping]]] = ..., sessions: _Optional[_Iterable[_Union[SnapshotResponse.Session, _Mapping]]] = ..., journal_seq: _Optional[int] = ..., journal_let_go: _Optional[int] = ..., counters: _Optional[_Mapping[str, int]] = ...) -> None: ...

class CancelSessionRequest(_message.Message):
    __slots__ = ("id", "reason")
    ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    id: str
    reason: str
    def __init__(self, id: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class CancelSessionResponse(_message.Message):
    __slots__ = ("cancelled",)
    CANCELLED_FIELD_NUMBER: _ClassVar[int]
    cancelled: bool
    def __init__(self, cancelled: bool = ...) -> None: ...

class NoteProcessRequest(_message.Message):
    __slots__ = ("process", "what", "detail")
    PROCESS_FIELD_NUMBER: _ClassVar[int]
    WHAT_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    process: str
    what: str
    detail: str
    def __init__(self, process: _Optional[str] = ..., what: _Optional[str] = ..., detail: _Optional[str] = ...) -> None: ...

class NoteProcessResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class FaultRule(_message.Message):
    __slots__ = ("delay", "drop", "duplicate", "reorder", "slow", "partition", "sender", "receiver", "from_process", "to_process", "kind", "type", "probability", "count", "after_s", "for_s", "seed")
    class Delay(_message.Message):
        __slots__ = ("seconds", "jitter_s", "keep_order")
        SECONDS_FIELD_NUMBER: _ClassVar[int]
        JITTER_S_FIELD_NUMBER: _ClassVar[int]
        KEEP_ORDER_FIELD_NUMBER: _ClassVar[int]
        seconds: float
        jitter_s: float
        keep_order: bool
        def __init__(self, seconds: _Optional[float] = ..., jitter_s: _Optional[float] = ..., keep_order: bool = ...) -> None: ...
    class Drop(_message.Message):
        __slots__ = ()
        def __init__(self) -> None: ...
    class Duplicate(_message.Message):
        __slots__ = ("copies",)
        COPIES_FIELD_NUMBER: _ClassVar[int]
        copies: int
        def __init__(self, copies: _Optional[int] = ...) -> None: ...
    class Reorder(_message.Message):
        __slots__ = ("behind", "hold_s")
        BEHIND_FIELD_NUMBER: _ClassVar[int]
        HOLD_S_FIELD_NUMBER: _ClassVar[int]
        behind: int
        hold_s: float
        def __init__(self, behind: _Optional[int] = ..., hold_s: _Optional[float] = ...) -> None: ...
    class Slow(_message.Message):
        __slots__ = ("bytes_per_s",)
        BYTES_PER_S_FIELD_NUMBER: _ClassVar[int]
        bytes_per_s: float
        def __init__(self, bytes_per_s: _Optional[float] = ...) -> None: ...
    class Partition(_message.Message):
        __slots__ = ("groups",)
        class Group(_message.Message):
            __slots__ = ("processes",)
            PROCESSES_FIELD_NUMBER: _ClassVar[int]
            processes: _containers.RepeatedScalarFieldContainer[str]
            def __init__(self, processes: _Optional[_Iterable[str]] = ...) -> None: ...
        GROUPS_FIELD_NUMBER: _ClassVar[int]
        groups: _containers.RepeatedCompositeFieldContainer[FaultRule.Partition.Group]
        def __init__(self, groups: _Optional[_Iterable[_Union[FaultRule.Partition.Group, _Mapping]]] = ...) -> None: ...
    DELAY_FIELD_NUMBER: _ClassVar[int]
    DROP_FIELD_NUMBER: _ClassVar[int]
    DUPLICATE_FIELD_NUMBER: _ClassVar[int]
    REORDER_FIELD_NUMBER: _ClassVar[int]
    SLOW_FIELD_NUMBER: _ClassVar[int]
    PARTITION_FIELD_NUMBER: _ClassVar[int]
    SENDER_FIELD_NUMBER: _ClassVar[int]
    RECEIVER_FIELD_NUMBER: _ClassVar[int]
    FROM_PROCESS_FIELD_NUMBER: _ClassVar[int]
    TO_PROCESS_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    AFTER_S_FIELD_NUMBER: _ClassVar[int]
    FOR_S_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    delay: FaultRule.Delay
    drop: FaultRule.Drop
    duplicate: FaultRule.Duplicate
    reorder: FaultRule.Reorder
    slow: FaultRule.Slow
    partition: FaultRule.Partition
    sender: str
    receiver: str
    from_process: str
    to_process: str
    kind: str
    type: str
    probability: float
    count: int
    after_s: float
    for_s: float
    seed: int
    def __init__(self, delay: _Optional[_Union[FaultRule.Delay, _Mapping]] = ..., drop: _Optional[_Union[FaultRule.Drop, _Mapping]] = ..., duplicate: _Optional[_Union[FaultRule.Duplicate, _Mapping]] = ..., reorder: _Optional[_Union[FaultRule.Reorder, _Mapping]] = ..., slow: _Optional[_Union[FaultRule.Slow, _Mapping]] = ..., partition: _Optional[_Union[FaultRule.Partition, _Mapping]] = ..., sender: _Optional[str] = ..., receiver: _Optional[str] = ..., from_process: _Optional[str] = ..., to_process: _Optional[str] = ..., kind: _Optional[str] = ..., type: _Optional[str] = ..., probability: _Optional[float] = ..., count: _Optional[int] = ..., after_s: _Optional[float] = ..., for_s: _Optional[float] = ..., seed: _Optional[int] = ...) -> None: ...

class SetFaultResponse(_message.Message):
    __slots__ = ("number",)
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    number: int
    def __init__(self, number: _Optional[int] = ...) -> None: ...

class RemoveFaultsRequest(_message.Message):
    __slots__ = ("numbers",)
    NUMBERS_FIELD_NUMBER: _ClassVar[int]
    numbers: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, numbers: _Optional[_Iterable[int]] = ...) -> None: ...

class ListFaultsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListFaultsResponse(_message.Message):
    __slots__ = ("rules",)
    class SetRule(_message.Message):
        __slots__ = ("number", "rule", "struck", "state")
        NUMBER_FIELD_NUMBER: _ClassVar[int]
        RULE_FIELD_NUMBER: _ClassVar[int]
        STRUCK_FIELD_NUMBER: _ClassVar[int]
        STATE_FIELD_NUMBER: _ClassVar[int]
        number: int
        rule: FaultRule
        struck: int
        state: str
        def __init__(self, number: _Optional[int] = ..., rule: _Optional[_Union[FaultRule, _Mapping]] = ..., struck: _Optional[int] = ..., state: _Optional[str] = ...) -> None: ...
    RULES_FIELD_NUMBER: _ClassVar[int]
    rules: _containers.RepeatedCompositeFieldContainer[ListFaultsResponse.SetRule]
    def __init__(self, rules: _Optional[_Iterable[_Union[ListFaultsResponse.SetRule, _Mapping]]] = ...) -> None: ...

class MetadataRequest(_message.Message):
    __slots__ = ("agent_id",)
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    agent_id: _agent_worker_pb2.AgentId
    def __init__(self, agent_id: _Optional[_Union[_agent_worker_pb2.AgentId, _Mapping]] = ...) -> None: ...

class MetadataResponse(_message.Message):
    __slots__ = ("description", "error")
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    description: str
    error: str
    def __init__(self, description: _Optional[str] = ..., error: _Optional[str] = ...) -> None: ...
