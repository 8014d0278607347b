"""The facts of AutoGen's wire format, read from the descriptors: a real AutoGen worker must agree with them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from google.protobuf.any_pb2 import Any
from google.protobuf.descriptor import Descriptor

from agentlab import AgentId, TopicId
from agentlab.wire import calls, generate
from agentlab.wire.codec import encode_plain
from agentlab.wire.generated import agent_worker_pb2 as agents
from agentlab.wire.generated import cloudevent_pb2 as cloudevents
from agentlab.wire.parcels import Event, Failure, Payload, Request, Response

FIELDS = {
    "AgentId": {"type": 1, "key": 2},
    "Payload": {"data_type": 1, "data_content_type": 2, "data": 3},
    "RpcRequest": {"request_id": 1, "source": 2, "target": 3, "method": 4, "payload": 5, "metadata": 6},
    "RpcResponse": {"request_id": 1, "payload": 2, "error": 3, "metadata": 4},
    "RegisterAgentTypeRequest": {"type": 1},
    "RegisterAgentTypeResponse": {},
    "TypeSubscription": {"topic_type": 1, "agent_type": 2},
    "TypePrefixSubscription": {"topic_type_prefix": 1, "agent_type": 2},
    "Subscription": {"id": 1, "typeSubscription": 2, "typePrefixSubscription": 3},
    "AddSubscriptionRequest": {"subscription": 1},
    "AddSubscriptionResponse": {},
    "RemoveSubscriptionRequest": {"id": 1},
    "RemoveSubscriptionResponse": {},
    "GetSubscriptionsRequest": {},
    "GetSubscriptionsResponse": {"subscriptions": 1},
    "Message": {"request": 1, "response": 2, "cloudEvent": 3},
    "SaveStateRequest": {"agentId": 1},
    "SaveStateResponse": {"state": 1, "error": 2},
    "LoadStateRequest": {"agentId": 1, "state": 2},
    "LoadStateResponse": {"error": 1},
    "ControlMessage": {"rpc_id": 1, "destination": 2, "respond_to": 3, "rpcMessage": 4},
}


def test_messages_have_autogens_fields_under_autogens_numbers() -> None:
    described = agents.DESCRIPTOR.message_types_by_name
    assert agents.DESCRIPTOR.package == "agents"
    assert {name: {f.name: f.number for f in d.fields} for name, d in described.items()} == FIELDS


@pytest.mark.parametrize(
    ("message", "field"),
    [("RpcRequest", "source"), ("ControlMessage", "respond_to"), ("SaveStateResponse", "error"),
     ("LoadStateResponse", "error")],
)  # fmt: skip
def test_what_is_optional_is_known_to_be_absent(message: str, field: str) -> None:
    assert agents.DESCRIPTOR.message_types_by_name[message].fields_by_name[field].has_presence


def test_a_payload_is_bytes_and_metadata_a_map_of_text() -> None:
    payload: Descriptor = agents.Payload.DESCRIPTOR
    assert payload.fields_by_name["data"].type == payload.fields_by_name["data"].TYPE_BYTES
    entry = agents.RpcRequest.DESCRIPTOR.fields_by_name["metadata"].message_type
    assert entry.GetOptions().map_entry
    assert {field.type for field in entry.fields} == {entry.fields[0].TYPE_STRING}


def test_the_service_has_autogens_methods_and_paths() -> None:
    service = agents.DESCRIPTOR.services_by_name["AgentRpc"]
    assert service.full_name == calls.AGENT_RPC == "agents.AgentRpc"
    shapes = {m.name: (m.input_type.name, m.output_type.name, m.client_streaming) for m in service.methods}
    assert shapes == {
        "OpenChannel": ("Message", "Message", True),
        "OpenControlChannel": ("ControlMessage", "ControlMessage", True),
        "RegisterAgent": ("RegisterAgentTypeRequest", "RegisterAgentTypeResponse", False),
        "AddSubscription": ("AddSubscriptionRequest", "AddSubscriptionResponse", False),
        "RemoveSubscription": ("RemoveSubscriptionRequest", "RemoveSubscriptionResponse", False),
        "GetSubscriptions": ("GetSubscriptionsRequest", "GetSubscriptionsResponse", False),
    }
    assert all(method.server_streaming == method.client_streaming for method in service.methods)


def test_a_cloudevent_is_the_one_of_the_cloudevents_specification() -> None:
    assert cloudevents.DESCRIPTOR.package == "io.cloudevents.v1"
    event = cloudevents.CloudEvent.DESCRIPTOR
    assert {f.name: f.number for f in event.fields} == {
        "id": 1, "source": 2, "spec_version": 3, "type": 4, "attributes": 5,
        "binary_data": 6, "text_data": 7, "proto_data": 8,
    }  # fmt: skip
    value = event.nested_types_by_name["CloudEventAttributeValue"]
    assert {f.name: f.number for f in value.fields} == {
        "ce_boolean": 1, "ce_integer": 2, "ce_string": 3, "ce_bytes": 4, "ce_uri": 5, "ce_uri_ref": 6,
        "ce_timestamp": 7,
    }  # fmt: skip


def test_a_published_message_is_a_cloudevent_with_autogens_attributes() -> None:
    event = Event(TopicId("weather", "north"), Payload("Rain", "application/json", b'{"mm": 3}'), AgentId("sky", "a"))
    event.message_id = "m1"
    written = agents.Message.FromString(encode_plain(event)).cloudEvent
    assert (written.id, written.source, written.type, written.spec_version) == ("m1", "north", "weather", "1.0")
    assert written.binary_data == b'{"mm": 3}'
    assert {name: value.ce_string for name, value in written.attributes.items()} == {
        "datacontenttype": "application/json",
        "dataschema": "Rain",
        "agagentsendertype": "sky",
        "agagentsenderkey": "a",
        "agmsgkind": "publish",
    }


def test_a_protobuf_message_rides_in_proto_data() -> None:
    packed = Any()
    packed.Pack(agents.AgentId(type="a", key="b"))
    payload = Payload("agents.AgentId", "application/x-protobuf", packed.SerializeToString())
    written = agents.Message.FromString(encode_plain(Event(TopicId("t", "s"), payload))).cloudEvent
    assert written.WhichOneof("data") == "proto_data"
    assert written.proto_data.type_url == "type.googleapis.com/agents.AgentId"


def test_a_direct_message_is_an_rpc_request_with_a_json_payload() -> None:
    request = Request("7", AgentId("sky", "a"), Payload("Ask", "application/json", b"{}"), AgentId("sea", "b"))
    written = agents.Message.FromString(encode_plain(request)).request
    assert (written.request_id, written.target.type, written.target.key) == ("7", "sky", "a")
    assert (written.source.type, written.source.key) == ("sea", "b")
    assert (written.payload.data_type, written.payload.data_content_type) == ("Ask", "application/json")


def test_a_failure_never_has_an_empty_error_text() -> None:
    written = agents.Message.FromString(encode_plain(Response("7", failure=Failure("RemoteHandlerError", ""))))
    assert written.response.error


def test_the_checked_in_code_is_what_the_proto_files_say() -> None:
    assert generate.stale() == [], "Run: python -m agentlab.wire.generate"


def test_a_changed_proto_file_makes_the_code_stale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(generate.ROOT / "protos", tmp_path / "protos")
    shutil.copytree(generate.ROOT / "agentlab/wire/generated", tmp_path / "agentlab/wire/generated")
    proto = tmp_path / "protos/agentlab.proto"
    proto.write_text(proto.read_text().replace("uint32 pid = 2;", "uint64 pid = 2;", 1))
    monkeypatch.setattr(generate, "ROOT", tmp_path)
    assert generate.stale() == ["agentlab_pb2.py"]
