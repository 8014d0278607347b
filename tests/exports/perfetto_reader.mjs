// Reads a stream of requests to Perfetto's trace processor (TraceProcessorRpcStream), and prints its replies. The
// argument is the folder of Perfetto's user interface, whose engine is made for a web worker: here it gets one.
import fs from 'node:fs';
import path from 'node:path';
import vm from 'node:vm';

const node = process;
const read = (url) => fs.readFileSync(path.join(node.argv[2], path.basename(String(url))));
globalThis.self = globalThis;
self.WorkerGlobalScope = function () {};
self.location = {href: 'http://localhost/', protocol: 'http:', host: 'localhost'};
self.addEventListener = () => {};
self.fetch = async (url) => new Response(read(url), {headers: {'content-type': 'application/wasm'}});
self.XMLHttpRequest = class {
  open(_, url) { this.response = new Uint8Array(read(url)).buffer; }
  send() {}
};
console.log = console.warn;  // standard output is for the replies
self.process = undefined;  // the engine refuses to run in Node

const end = (error) => { fs.writeSync(2, `${error.message ?? error}\n`); node.exit(1); };
node.on('uncaughtException', end);
node.on('unhandledRejection', end);
vm.runInThisContext(fs.readFileSync(path.join(node.argv[2], 'engine_bundle.js'), 'utf8'));
const port = {postMessage: (reply) => fs.writeSync(1, reply)};
self.onmessage({data: port});
setImmediate(() => {  // the engine has loaded by then: a worker reads its code at once
  port.onmessage({data: new Uint8Array(fs.readFileSync(0))});
  node.exit(0);
});
