// Reads a JSON list of Mermaid texts, and prints what Mermaid understood of each. Its argument is Mermaid's module.
import fs from 'node:fs';
import {pathToFileURL} from 'node:url';

// Mermaid looks for a browser when it is loaded, and asks it for nothing while it parses but whether a colour is one.
const nothing = new Proxy(function () {}, {
  get: (_, name) => (name === 'nodeType' ? 9 : name === Symbol.toPrimitive ? () => '' : nothing),
  apply: () => nothing,
  construct: () => nothing,
});
const isColour = (_, text) => ['transparent', 'red', 'green', 'blue'].includes(text);
globalThis.window = {document: nothing, Element: nothing, CSS: {supports: isColour}};

const {default: mermaid} = await import(pathToFileURL(process.argv[2]));
await mermaid.parse('sequenceDiagram');  // loads what knows this kind of diagram
const found = [];
for (const text of JSON.parse(fs.readFileSync(0, 'utf8'))) {
  try {
    const {db} = await mermaid.mermaidAPI.getDiagramFromText(text);
    found.push({
      actors: [...db.getActors().values()].map((actor) => ({name: actor.name, text: actor.description})),
      boxes: db.getBoxes().map((box) => ({name: box.name, fill: box.fill, actors: box.actorKeys})),
      messages: db.getMessages().map((one) => ({from: one.from, to: one.to, text: one.message, type: one.type})),
    });
  } catch (error) {
    found.push({error: String(error.message)});
  }
}
process.stdout.write(JSON.stringify(found));
