# /// script
# requires-python = ">=3.11,<3.14"
# dependencies = ["autogen-core==0.7.5", "autogen-ext[grpc,openai]==0.7.5", "autogen-agentchat==0.7.5"]
# ///
"""The worker of `worker.py` with a real model: any provider that speaks OpenAI's protocol.

The environment says which: OPENAI_API_KEY, and if you like AGENTLAB_MODEL (a model's name) and OPENAI_BASE_URL (another
provider's address, or that of a server on this machine).
"""

import asyncio
import os
import sys

from autogen_core.models import ChatCompletionClient, ModelInfo
from autogen_ext.models.openai import OpenAIChatCompletionClient
from worker import main


def provider() -> ChatCompletionClient:
    """The model that the environment names."""
    info = ModelInfo(vision=False, function_calling=True, json_output=True, family="unknown", structured_output=False)
    return OpenAIChatCompletionClient(model=os.environ.get("AGENTLAB_MODEL", "gpt-4o-mini"), model_info=info)


if __name__ == "__main__":
    if not os.environ.get("OPENAI_API_KEY"):
        sys.exit("There is no key: set the environment variable OPENAI_API_KEY, or use worker.py, which needs none.")
    asyncio.run(main(sys.argv[1], provider))
