"""Questions about agents' states, and their answers, passed between workers."""

from __future__ import annotations

import pytest

from agentlab import AgentId
from agentlab.host.control import ControlDesk
from agentlab.host.directory import Directory
from agentlab.wire.control import (
    Answer,
    Control,
    SaveState,
    decode_answer,
    decode_control,
    decode_question,
    encode_answer,
    encode_question,
)

QUESTION = SaveState(AgentId("sky", "k"))


class Desk:
    """A control desk, with clients whose streams are lists."""

    def __init__(self, *clients: str) -> None:
        self.directory = Directory()
        self.desk = ControlDesk(self.directory)
        self.streams: dict[str, list[bytes]] = {}
        for client in clients:
            self.open(client)

    def open(self, client: str) -> None:
        stream: list[bytes] = []
        self.desk.connect(client, stream.append)
        self.streams[client] = stream

    def holds(self, client: str, agent_type: str) -> None:
        self.directory.connect(client)
        self.directory.register(client, agent_type)

    def ask(self, client: str, rpc_id: str = "1", destination: str = "agentid=sky/k", respond_to: str = "") -> str:
        body = encode_question(QUESTION)
        return self.desk.receive(client, Control(rpc_id, destination, respond_to or f"clientid={client}", body))

    def got(self, client: str) -> list[Control]:
        return [decode_control(data) for data in self.streams[client]]

    def error_of(self, client: str) -> str:
        (control,) = self.got(client)
        return decode_answer(control.body).error


@pytest.fixture
def desk() -> Desk:
    desk = Desk("asker", "sky")
    desk.holds("sky", "sky")
    return desk


def test_a_question_reaches_the_worker_that_has_the_agent_and_its_answer_the_asker(desk: Desk) -> None:
    assert desk.ask("asker") == ""
    (question,) = desk.got("sky")
    assert decode_question(question.body) == QUESTION
    answer = Control(question.rpc_id, question.respond_to, "", encode_answer(QUESTION, Answer({"n": 1})))
    assert desk.desk.receive("sky", answer) == ""
    (back,) = desk.got("asker")
    assert (back.rpc_id, decode_answer(back.body)) == ("1", Answer({"n": 1}))
    assert desk.desk._asked == {}


def test_the_answer_comes_back_to_the_asker_whatever_it_says_about_itself(desk: Desk) -> None:
    desk.open("victim")
    desk.ask("asker", respond_to="clientid=victim")
    (question,) = desk.got("sky")
    assert question.respond_to == "clientid=asker"


def test_a_question_may_go_to_a_client_by_its_id(desk: Desk) -> None:
    assert desk.ask("asker", destination="clientid=sky") == ""
    assert len(desk.got("sky")) == 1


@pytest.mark.parametrize(
    ("destination", "problem"),
    [
        ("agentid=skye/k", "Did you mean 'sky'?"),
        ("clientid=nobody", "There is no worker with the client id 'nobody'"),
        ("agentid=no slash", "It should look like type/key"),
        ("nonsense", "is no destination"),
        ("", "is no destination"),
    ],
)
def test_a_question_that_cannot_be_passed_on_is_answered_with_an_error(
    desk: Desk, destination: str, problem: str
) -> None:
    assert problem in desk.ask("asker", destination=destination)
    assert problem in desk.error_of("asker")
    assert desk.got("sky") == []


def test_a_worker_without_a_control_channel_is_told_apart_from_one_that_is_not_there(desk: Desk) -> None:
    desk.holds("mute", "mute")
    desk.ask("asker", destination="agentid=mute/k")
    assert "opened no control channel" in desk.error_of("asker")


def test_who_waits_for_a_worker_that_is_lost_is_told(desk: Desk) -> None:
    desk.ask("asker")
    desk.desk.disconnect("sky")
    assert "lost" in desk.error_of("asker")
    assert desk.desk._asked == {}


def test_an_asker_that_is_lost_is_forgotten(desk: Desk) -> None:
    desk.ask("asker")
    (question,) = desk.got("sky")
    desk.desk.disconnect("asker")
    answer = Control(question.rpc_id, question.respond_to, "", encode_answer(QUESTION, Answer({})))
    assert "nobody asked" in desk.desk.receive("sky", answer)
    assert desk.desk._asked == {}


def test_a_worker_may_ask_about_its_own_agent(desk: Desk) -> None:
    desk.ask("sky")
    assert len(desk.got("sky")) == 1
    desk.desk.disconnect("sky")
    assert desk.desk._asked == {}


def test_only_who_was_asked_may_answer(desk: Desk) -> None:
    desk.open("liar")
    desk.ask("asker")
    answer = Control("1", "clientid=asker", "", encode_answer(QUESTION, Answer({"n": 666})))
    assert "nobody asked" in desk.desk.receive("liar", answer)
    assert desk.got("asker") == []


@pytest.mark.parametrize("destination", ["", "agentid=sky/k", "clientid=unknown", "x"])
def test_an_answer_to_nobody_is_noted_and_harms_nothing(desk: Desk, destination: str) -> None:
    desk.ask("asker")
    assert desk.desk.receive("sky", Control("1", destination, "", b""))
    assert len(desk.desk._asked) == 1


def test_an_rpc_id_that_is_open_cannot_be_used_again_by_its_asker(desk: Desk) -> None:
    desk.ask("asker")
    assert "already in use" in desk.ask("asker")
    assert len(desk.got("sky")) == 1


def test_a_question_that_is_none_is_noted(desk: Desk) -> None:
    assert desk.desk.receive("asker", Control("1", "agentid=skye/k", "clientid=asker", b"")) != ""
    assert desk.got("asker") == []


def test_a_client_has_one_control_channel(desk: Desk) -> None:
    with pytest.raises(ValueError, match="already has a control channel"):
        desk.open("asker")
