// A worker in JavaScript: node worker.mjs HOST
//
// It reads the .proto files when it starts, so nothing has to be generated. In four steps: open a channel to the host,
// register agent types and subscriptions, answer what comes in, and, when the host is lost, begin again.

import { randomUUID } from "node:crypto";
import { fileURLToPath } from "node:url";
import grpc from "@grpc/grpc-js";
import protoLoader from "@grpc/proto-loader";

const protos = process.env.AGENTLAB_PROTOS ?? fileURLToPath(new URL("../../../protos", import.meta.url));
const definition = protoLoader.loadSync("agent_worker.proto", { includeDirs: [protos], keepCase: true, oneofs: true });
const { AgentRpc } = grpc.loadPackageDefinition(definition).agents;

const RETRY_MS = 300; // how long to wait before looking for a lost host again
const JSON_TYPE = "application/json";

export class Worker {
  // agents: agent type → async function (worker, key, message type, content), which returns [message type, content] or
  // nothing. subscriptions: list of { id, topic_type, agent_type }.
  constructor(host, agents, subscriptions = []) {
    Object.assign(this, { host, agents, subscriptions, waiting: new Map(), clientId: randomUUID() });
    this.connect();
  }

  connect() {
    this.client = new AgentRpc(this.host, grpc.credentials.createInsecure());
    this.stream = this.client.OpenChannel(this.metadata());
    this.stream.on("metadata", () => this.register().catch((error) => this.log("refused:", error.details ?? error)));
    this.stream.on("data", (message) => this.receive(message));
    this.stream.on("error", () => {}); // the status, which comes last, says the same
    this.stream.on("status", (status) => this.lost(status));
  }

  // Every call carries our client id, and the lab's token when there is one.
  metadata() {
    const metadata = new grpc.Metadata();
    metadata.set("client-id", this.clientId);
    if (process.env.AGENTLAB_TOKEN) metadata.set("authorization", `Bearer ${process.env.AGENTLAB_TOKEN}`);
    return metadata;
  }

  // One of the calls of protos/agent_worker.proto, as a promise.
  call(method, request) {
    return new Promise((resolve, reject) => {
      this.client[method](request, this.metadata(), (error, answer) => (error ? reject(error) : resolve(answer)));
    });
  }

  async register() {
    for (const type of Object.keys(this.agents)) await this.call("RegisterAgent", { type });
    for (const subscription of this.subscriptions) await this.add(subscription);
    this.log("joined", this.host);
  }

  add({ id, topic_type, agent_type }) {
    return this.call("AddSubscription", { subscription: { id, typeSubscription: { topic_type, agent_type } } });
  }

  async subscribe(topic_type, agent_type) {
    const subscription = { id: randomUUID(), topic_type, agent_type };
    await this.add(subscription);
    this.subscriptions.push(subscription);
    return subscription.id;
  }

  async unsubscribe(id) {
    await this.call("RemoveSubscription", { id });
    this.subscriptions = this.subscriptions.filter((subscription) => subscription.id !== id);
  }

  lost(status) {
    this.log("lost the host:", status.details);
    for (const { reject } of this.waiting.values()) reject(new Error("the host was lost"));
    this.waiting.clear();
    this.client.close();
    setTimeout(() => this.connect(), RETRY_MS);
  }

  async receive({ request, response, cloudEvent }) {
    if (request) await this.answer(request);
    else if (cloudEvent) await this.handle(cloudEvent);
    else if (response && this.waiting.has(response.request_id)) {
      const { resolve, reject } = this.waiting.get(response.request_id);
      this.waiting.delete(response.request_id);
      if (response.error) reject(new Error(response.error));
      else resolve(read(response.payload));
    }
  }

  // A direct message: whatever happens, its sender gets a response.
  async answer({ request_id, target, payload }) {
    try {
      const reply = await this.agents[target.type](this, target.key, payload.data_type, read(payload));
      this.stream.write({ response: { request_id, payload: reply ? write(...reply) : {} } });
    } catch (error) {
      this.stream.write({ response: { request_id, error: `${error.name}: ${error.message}` } }); // never an empty text
    }
  }

  // A published message: which of our agents get it, our subscriptions say. The agent's key is the topic's source.
  async handle({ type, source, attributes, binary_data }) {
    const agents = this.subscriptions.filter((one) => one.topic_type === type).map((one) => one.agent_type);
    for (const agent of new Set(agents)) {
      try {
        await this.agents[agent](this, source, attributes.dataschema.ce_string, JSON.parse(binary_data));
      } catch (error) {
        this.log(`${agent}/${source} failed:`, error);
      }
    }
  }

  // A direct message of ours; returns the content of the reply, or throws.
  send(type, key, messageType, content) {
    const request_id = randomUUID();
    const reply = new Promise((resolve, reject) => this.waiting.set(request_id, { resolve, reject }));
    this.stream.write({ request: { request_id, target: { type, key }, payload: write(messageType, content) } });
    return reply;
  }

  publish(topicType, source, messageType, content) {
    const texts = { datacontenttype: JSON_TYPE, dataschema: messageType, agmsgkind: "publish" };
    const attributes = Object.fromEntries(Object.entries(texts).map(([name, text]) => [name, { ce_string: text }]));
    const event = { id: randomUUID(), spec_version: "1.0", type: topicType, source, attributes };
    this.stream.write({ cloudEvent: { ...event, binary_data: bytes(content) } });
  }

  log = (...words) => console.log(new Date().toISOString(), ...words);
}

const read = (payload) => (payload?.data?.length ? JSON.parse(payload.data) : null);
const bytes = (content) => Buffer.from(JSON.stringify(content));
const write = (data_type, content) => ({ data_type, data_content_type: JSON_TYPE, data: bytes(content) });

// Who started us holds the other end of our stdin: when that ends, so do we.
export const endWithStdin = () => process.stdin.on("end", () => process.exit(0)).resume();

// An agent: answers every Shout, and says on the topic "heard" what it was.
async function shouter(worker, key, messageType, { text }) {
  worker.log(`shouter/${key} received ${messageType}:`, text);
  worker.publish("heard", key, "Shout", { text });
  return ["Shout", { text: `${text.toUpperCase()} FROM NODE!` }];
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  endWithStdin();
  const news = { id: randomUUID(), topic_type: "news", agent_type: "node-shouter" };
  new Worker(process.argv[2], { "node-shouter": shouter }, [news]);
}
