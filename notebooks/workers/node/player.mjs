// A player of the debate, in JavaScript: node player.mjs HOST [AGENT TYPE] [SIDE]
//
// It shares no code with the Python players, only the names and fields of two messages: it gets a Turn, and answers
// with an Argument. Who it is, its agent type says: the judge asks "player-a" and "player-b".

import { endWithStdin, Worker } from "./worker.mjs";

const [host, agentType = "player-a", side = "for"] = process.argv.slice(2);

const LINES = [
  "Without a framework every project writes its own, because messages get lost.",
  "It lets each of us use the language that we know, so nobody has to learn another.",
  "If it does not suit us, we can still leave it: the messages are plain JSON.",
];
const said = new Map(); // key → how many lines were said in that debate

async function player(worker, key, messageType, { heard }) {
  if (messageType !== "Turn") throw new Error(`a player takes a Turn, not a ${messageType}`);
  const number = said.get(key) ?? 0;
  said.set(key, number + 1);
  const longest = (heard.match(/\p{Letter}+/gu) ?? []).reduce((one, other) => (other.length > one.length ? other : one), "");
  const text = (longest ? `You say "${longest}". ` : "") + LINES[number % LINES.length];
  worker.log(`${agentType}/${key}: ${text}`);
  return ["Argument", { side, text, weight: 0 }];
}

endWithStdin();
new Worker(host, { [agentType]: player });
