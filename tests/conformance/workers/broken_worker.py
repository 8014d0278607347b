"""A worker that does many things wrong: each should be found. ``broken_worker.py HOST``"""

import asyncio
import sys
import time

from plain_grpc_worker import NOTES, FullWorker


class BrokenWorker(FullWorker):
    """Answers, and little else as it should."""

    async def conform(self, key, message_type, content):
        match message_type:
            case "Fail":
                return "Echo", content  # as if nothing had happened
            case "Note":
                NOTES["everybody"].insert(0, content["text"])  # one memory for all keys, and the last one first
                return None
            case "Recall":
                return "Recalled", {"texts": NOTES["everybody"]}
            case "Unsubscribe":
                return "Done", {"id": content["id"]}
            case "Publish":
                return "Done", {}
            case "Ask":
                return "Echo", {"text": "I asked nobody"}
            case "Nothing":
                return "Nothing", {"not": "nothing"}
        return await super().conform(key, message_type, content)


worker = BrokenWorker(sys.argv[1], {})
worker.agents["conform"] = worker.conform
try:
    asyncio.run(worker.run())  # it does not come back
finally:
    time.sleep(600)  # and does not look at its stdin
