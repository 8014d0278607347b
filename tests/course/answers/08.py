"""Answers to the exercises of notebook 08."""

# %% 08.1 wrong: the other field
answer = ("payload", "")

# %% 08.1 wrong: None is no text
answer = ("error", None)

# %% 08.1 solution
answer = ("error", "")


# %% 08.2 wrong: a message's text in place of its bytes
def by_hand(request_id, text):
    return str(pb.Message(request=pb.RpcRequest(request_id=request_id)))


# %% 08.2 wrong: no content type
def by_hand(request_id, text):
    payload = pb.Payload(data_type="Shout", data=json.dumps({"text": text}).encode())
    target = pb.AgentId(type="shouter", key="me")
    return pb.Message(request=pb.RpcRequest(request_id=request_id, target=target, payload=payload)).SerializeToString()


# %% 08.2 wrong: no JSON
def by_hand(request_id, text):
    payload = pb.Payload(data_type="Shout", data_content_type="application/json", data=text.encode())
    target = pb.AgentId(type="shouter", key="me")
    return pb.Message(request=pb.RpcRequest(request_id=request_id, target=target, payload=payload)).SerializeToString()


# %% 08.2 solution
def by_hand(request_id, text):
    data = json.dumps({"text": text}).encode()
    request = pb.RpcRequest(
        request_id=request_id,
        target=pb.AgentId(type="shouter", key="me"),
        payload=pb.Payload(data_type="Shout", data_content_type="application/json", data=data),
    )
    return pb.Message(request=request).SerializeToString()


# %% 08.3 wrong: it answers with a number
async def weigh(key, message_type, content):
    return "Shout", {"text": len(content["text"])}


# %% 08.3 wrong: everything weighs the same
async def weigh(key, message_type, content):
    if not content["text"]:
        raise ValueError("there is nothing to weigh")
    return "Shout", {"text": "7"}


# %% 08.3 wrong: an empty text weighs nothing
async def weigh(key, message_type, content):
    return "Shout", {"text": str(len(content["text"]))}


# %% 08.3 solution
async def weigh(key, message_type, content):
    if not content["text"]:
        raise ValueError("there is nothing to weigh")
    return "Shout", {"text": str(len(content["text"]))}
