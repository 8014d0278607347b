"""The debate with players that are not ours: the judge cannot tell."""

from __future__ import annotations

from pathlib import Path

import pytest
from until import until

from agentlab import AgentId, Lab, RemoteHandlerError
from agentlab.delegates import LanguageModel
from agentlab.gallery.debate import Motion, Turn, seat

WORKERS = Path(__file__).parents[2] / "notebooks" / "workers"


@pytest.mark.autogen
@pytest.mark.timeout(300)
async def test_an_autogen_assistant_argues_with_a_language_model_and_with_javascript_before_our_judge() -> None:
    async with Lab(workers=2, token=None) as lab:
        script = WORKERS / "autogen" / "player.py"
        arguments = ["{host}", "player-b", "against"]
        await lab.add_worker("autogen", script=script, args=arguments, types=["player-b"], timeout_s=240)
        debaters = {"player-a": LanguageModel("debate-rules")}
        assert set(await seat(lab, debaters=debaters, foreign=["player-b"])) == {"judge", "player-a"}
        judge = AgentId("judge", "mixed")
        verdict = await lab.send_message(Motion("Should we?", rounds=2), judge)
        assert verdict.score.keys() == {"for", "against"}
        assert min(verdict.score.values()) >= 2
        reply = await lab.send_message(Turn("Should we?", 3, "Yes."), AgentId("player-b", "mixed"))
        assert reply.side == "against"  # its reply can be read here, and its lines go on where the debate stopped
        assert reply.text.startswith("So far you spoke")
        assert "player-b/mixed: A framework is one more thing" in await until(lambda: str(lab.logs("autogen")))

        await lab.unregister("worker-2", "player-a")
        await lab.add_worker("node", script=WORKERS / "node" / "player.mjs", types=["player-a"], timeout_s=60)
        assert set(await seat(lab, foreign=["player-a", "player-b"])) == {"judge"}
        verdict = await lab.send_message(Motion("Should we?", rounds=3), AgentId("judge", "none of ours"))
        assert verdict.score.keys() == {"for", "against"}
        assert min(verdict.score.values()) >= 3
        await until(lambda: 'player-a/none of ours: You say "' in lab.logs("node"))
        with pytest.raises(RemoteHandlerError, match="a player takes a Turn, not a Motion"):
            await lab.send_message(Motion("Should we?"), "player-a")

        await lab.kill("autogen")
        with pytest.raises(RemoteHandlerError, match=r"AgentNotFoundError|WorkerLostError"):
            await lab.send_message(Motion("And now?"), AgentId("judge", "none of ours"))
