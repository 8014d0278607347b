// The agent that `agentlab conform` examines, in JavaScript: node conform.mjs HOST

import { endWithStdin, Worker } from "./worker.mjs";

const notes = new Map(); // key → the notes that this agent received, in order

const answers = {
  Echo: (worker, key, { text }) => ["Echo", { text }],
  Fail: (worker, key, { text }) => {
    throw new Error(text);
  },
  Nothing: () => null,
  Note: (worker, key, { text }) => {
    notes.set(key, [...(notes.get(key) ?? []), text]);
  },
  Recall: (worker, key) => ["Recalled", { texts: notes.get(key) ?? [] }],
  Subscribe: async (worker, key, { topic }) => ["Done", { id: await worker.subscribe(topic, "conform") }],
  Unsubscribe: async (worker, key, { id }) => {
    await worker.unsubscribe(id);
    return ["Done", { id }];
  },
  Publish: (worker, key, { topic, source, texts }) => {
    for (const text of texts) worker.publish(topic, source, "Note", { text });
    return ["Done", { id: "" }];
  },
  Ask: async (worker, key, { type, text }) => ["Echo", await worker.send(type, key, "Echo", { text })],
};

async function conform(worker, key, messageType, content) {
  if (!(messageType in answers)) throw new Error(`no such message: ${messageType}`);
  return answers[messageType](worker, key, content);
}

endWithStdin();
new Worker(process.argv[2], { conform });
