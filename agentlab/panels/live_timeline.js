// The browser's half of a live timeline: shows frames, finds what is under the pointer, and says what the reader does.
// Every text goes into the page as textContent: names and errors come from other processes and may hold anything.

const NEAR = 7; // pixels: how close to an arrow the pointer has to be
const SETTLE_MS = 90; // after the last movement, the new window is asked for
const PATIENCE_MS = 1500; // a kernel that is busy answers later: until then its older pictures are shown again
const STEPS = { ArrowRight: 1, ArrowLeft: -1 };

function element(tag, name, text) {
  const made = document.createElement(tag);
  if (name) made.className = name;
  if (text !== undefined) made.textContent = text;
  return made;
}

// Between two pairs of pixel and tick the scale is even; outside of them it goes on as it is where time is not folded.
function slope(scale) {
  for (let i = 0; i + 1 < scale.length; i += 2) {
    const [[x0, t0], [x1, t1]] = [scale[i], scale[i + 1]];
    if (x1 - x0 > 2) return (t1 - t0) / (x1 - x0);
  }
  const [[x0, t0], [x1, t1]] = [scale[0], scale[scale.length - 1]];
  return x1 > x0 ? (t1 - t0) / (x1 - x0) : 1;
}

export function tickAt(scale, x) {
  const last = scale[scale.length - 1];
  if (x <= scale[0][0]) return scale[0][1] - (scale[0][0] - x) * slope(scale);
  if (x >= last[0]) return last[1] + (x - last[0]) * slope(scale);
  const i = scale.findIndex(([at], n) => n > 0 && at >= x);
  const [[x0, t0], [x1, t1]] = [scale[i - 1], scale[i]];
  return x1 > x0 ? t0 + ((t1 - t0) * (x - x0)) / (x1 - x0) : t0;
}

export function distance([kind, x0, y0, x1, y1], x, y) {
  if (kind === "bar") {
    const out = (low, at, high) => Math.max(low - at, 0, at - high);
    return Math.hypot(out(x0, x, x1), out(Math.min(y0, y1), y, Math.max(y0, y1))) + 1;
  }
  if (kind === "point") return Math.max(0, Math.hypot(x - x0, y - y0) - 4);
  const length = (x1 - x0) ** 2 + (y1 - y0) ** 2;
  const t = length ? Math.max(0, Math.min(1, ((x - x0) * (x1 - x0) + (y - y0) * (y1 - y0)) / length)) : 0;
  return Math.hypot(x - x0 - t * (x1 - x0), y - y0 - t * (y1 - y0));
}

function render({ model, el }) {
  const root = element("div", "agentlab-timeline");
  const canvas = element("canvas");
  const tip = element("div", "agentlab-tip");
  const status = element("div", "agentlab-status");
  const said = element("span", "said");
  const life = element("div", "agentlab-life");
  const spoken = element("div", "agentlab-hidden");
  canvas.tabIndex = 0;
  canvas.setAttribute("role", "img");
  spoken.setAttribute("aria-live", "polite");
  tip.hidden = life.hidden = true;
  status.append(said, element("span", "keys", "drag or wheel: move, zoom · ← → step · + − zoom · space pause · end now"));
  root.append(canvas, tip, status, life, spoken);
  el.append(root);

  let frame = null;
  let picture = null;
  let hovered = -1;
  let asked = 0; // the number of the last window that was asked for
  let preview = null; // pixels of the present picture that will fill the next one: [left, right]
  let drag = null;
  let timer = 0;
  let patient = 0;
  let gone = false;
  const send = (what) => model.send(what);

  function draw() {
    if (!picture || !frame) return;
    const context = canvas.getContext("2d");
    const [left, top, right, bottom] = frame.axes;
    const ratio = picture.width / frame.width;
    canvas.width = picture.width;
    canvas.height = picture.height;
    canvas.style.width = `${frame.width}px`;
    canvas.style.height = `${frame.height}px`;
    context.drawImage(picture, 0, 0);
    context.scale(ratio, ratio);
    if (preview) {
      const [from, to] = preview;
      const wide = (right - left) / (to - from);
      context.fillStyle = "#fff";
      context.fillRect(left, top, right - left, bottom - top);
      context.save();
      context.beginPath();
      context.rect(left, top, right - left, bottom - top);
      context.clip();
      context.translate(left - from * wide, 0);
      context.scale(wide, 1);
      context.beginPath();
      context.rect(left, top, right - left, bottom - top);
      context.clip();
      context.drawImage(picture, 0, 0, frame.width, frame.height);
      context.restore();
      return;
    }
    context.save();
    context.beginPath();
    context.rect(left, top - 20, right - left, bottom - top + 20);
    context.clip();
    for (const [number, colour] of [[frame.selected, "rgba(213,94,0,.35)"], [hovered, "rgba(0,0,0,.22)"]]) {
      if (number < 0) continue;
      context.strokeStyle = colour;
      context.lineCap = "round";
      for (const [kind, x0, y0, x1, y1, place] of frame.hits) {
        if (frame.tips[place][0] !== number) continue;
        context.lineWidth = kind === "bar" ? 3 : 8;
        context.beginPath();
        if (kind === "bar") context.rect(x0, Math.min(y0, y1), x1 - x0, Math.abs(y1 - y0));
        else if (kind === "point") context.arc(x0, y0, 5, 0, 7);
        else {
          context.moveTo(x0, y0);
          context.lineTo(x1, y1);
        }
        context.stroke();
      }
    }
    context.restore();
  }

  async function show() {
    const next = model.get("frame");
    if (!next || !next.png) return;
    const image = await createImageBitmap(new Blob([next.png], { type: "image/png" }));
    const isLate = gone || model.get("frame") !== next; // a later one has come meanwhile
    if (isLate || (preview && next.window < asked && Date.now() < patient)) return image.close();
    if (picture) picture.close(); // a page would hold on to megabytes for each frame until it cleans up
    picture = image;
    frame = next;
    preview = null;
    if (drag && drag.moved) drag = { ...drag, x: drag.at, from: [frame.axes[0], frame.axes[2]] };
    canvas.setAttribute("aria-label", frame.alt);
    root.dataset.frames = String(1 + Number(root.dataset.frames || 0));
    draw();
  }

  function inside(x, y) {
    const [left, top, right, bottom] = frame.axes;
    return x >= left - 8 && x <= right + 8 && y >= top - 8 && y <= bottom + 8;
  }

  function find(x, y) {
    let best = null;
    let least = NEAR;
    for (const hit of frame.hits) {
      const far = distance(hit, x, y);
      if (far < least) [best, least] = [hit, far];
    }
    return best && inside(x, y) ? frame.tips[best[5]] : null;
  }

  function cell(x, y) {
    const cells = frame.cells;
    if (!cells || x < cells.left || x > cells.right) return null;
    const lane = cells.lanes.findIndex(([, at], n) => {
      const next = cells.lanes[n + 1] || cells.lanes[n - 1];
      return Math.abs(y - at) < Math.abs((next ? next[1] : at + 40) - at) / 2;
    });
    if (lane < 0) return null;
    const bins = cells.counts[lane].length;
    const bin = Math.min(bins - 1, Math.floor(((x - cells.left) / (cells.right - cells.left)) * bins));
    const count = cells.counts[lane][bin];
    const bad = cells.bad[lane][bin];
    return [-1, cells.lanes[lane][0], `${count} messages here`, `${bad} of them did not end well`, "double-click to zoom in"];
  }

  function hover(x, y) {
    const found = frame && !preview ? find(x, y) || cell(x, y) : null;
    const number = found ? found[0] : -1;
    canvas.classList.toggle("over", number >= 0);
    if (number !== hovered) {
      hovered = number;
      draw();
    }
    tip.hidden = !found;
    if (!found) return;
    tip.replaceChildren(...found.slice(1).map((line) => element("div", "", line)));
    tip.style.left = `${Math.min(x + 14, Math.max(0, root.clientWidth - tip.offsetWidth - 6))}px`;
    tip.style.top = `${y + 16}px`;
  }

  // `from` and `to` are pixels of the present picture: what is between them will be the next one.
  function look(from, to) {
    const [left, , right] = frame.axes;
    preview = [from, to];
    draw();
    clearTimeout(timer);
    const margin = (edge) => from + ((edge - left) / (right - left)) * (to - from);
    const first = tickAt(frame.scale, margin(frame.scale[0][0]));
    const last = tickAt(frame.scale, margin(frame.scale[frame.scale.length - 1][0]));
    asked += 1;
    patient = Date.now() + PATIENCE_MS;
    const window = asked;
    timer = setTimeout(() => send({ do: "window", first, last, window }), SETTLE_MS);
  }

  function zoom(factor, x) {
    if (!frame || frame.scale.length < 2) return;
    const [left, , right] = frame.axes;
    const [from, to] = preview || [left, right];
    const at = from + ((x - left) / (right - left)) * (to - from);
    look(at - (at - from) * factor, at + (to - at) * factor);
  }

  function pan(share) {
    if (!frame || frame.scale.length < 2) return;
    const [left, , right] = frame.axes;
    const [from, to] = preview || [left, right];
    look(from + (to - from) * share, to + (to - from) * share);
  }

  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };

  canvas.addEventListener("pointerdown", (event) => {
    if (!frame || event.button) return;
    const [left, , right] = frame.axes;
    drag = { x: place(event)[0], moved: false, from: preview || [left, right] };
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!frame) return;
    const [x, y] = place(event);
    if (!drag) return hover(x, y);
    if (!drag.moved && Math.abs(x - drag.x) < 4) return;
    drag.moved = true;
    drag.at = x;
    canvas.classList.add("drag");
    tip.hidden = true;
    if (frame.scale.length < 2) return;
    const [left, , right] = frame.axes;
    const by = ((drag.x - x) / (right - left)) * (drag.from[1] - drag.from[0]);
    look(drag.from[0] + by, drag.from[1] + by);
  });
  const release = (event) => {
    if (!drag) return;
    const clicked = !drag.moved && event.type === "pointerup";
    drag = null;
    canvas.classList.remove("drag");
    if (!clicked || preview) return;
    const found = find(...place(event));
    send({ do: "select", number: found ? found[0] : -1 });
  };
  canvas.addEventListener("pointerup", release);
  canvas.addEventListener("pointercancel", release);
  canvas.addEventListener("pointerleave", () => {
    tip.hidden = true;
    hovered = -1;
    draw();
  });
  canvas.addEventListener("dblclick", (event) => zoom(0.25, place(event)[0]));
  canvas.addEventListener(
    "wheel",
    (event) => {
      // only once it was clicked into: else a reader who scrolls the page would get stuck here
      if (!frame || (document.activeElement !== canvas && !event.ctrlKey)) return;
      event.preventDefault();
      event.stopPropagation();
      tip.hidden = true;
      if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) pan((event.deltaX || event.deltaY) / 900);
      else zoom(Math.exp(Math.max(-120, Math.min(120, event.deltaY)) / 300), place(event)[0]);
    },
    { passive: false },
  );
  canvas.addEventListener("keydown", (event) => {
    const middle = frame ? (frame.axes[0] + frame.axes[2]) / 2 : 0;
    const actions = {
      "+": () => zoom(0.5, middle),
      "=": () => zoom(0.5, middle),
      "-": () => zoom(2, middle),
      PageUp: () => pan(-0.5),
      PageDown: () => pan(0.5),
      Home: () => send({ do: "everything" }),
      End: () => send({ do: "now" }),
      Escape: () => send({ do: "select", number: -1 }),
      " ": () => send({ do: "pause" }),
    };
    const step = STEPS[event.key];
    const action = step ? () => (event.shiftKey ? pan(step * 0.25) : send({ do: "step", by: step })) : actions[event.key];
    if (!action || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation(); // the notebook has commands on the same keys
    action();
  });

  function tell() {
    const found = model.get("details") || {};
    life.hidden = !found.title;
    life.replaceChildren();
    if (!found.title) return;
    spoken.textContent = `${found.title}, ${found.rows.map((row) => row.join(" ")).join(", ")}`;
    const facts = element("dl");
    for (const [name, value] of found.rows) facts.append(element("dt", "", name), element("dd", "", value));
    const table = element("table");
    for (const step of found.steps) {
      const row = element("tr");
      const share = element("div", "share");
      const part = element("div");
      const before = found.steps.slice(0, found.steps.indexOf(step)).reduce((sum, s) => sum + s.share, 0);
      part.style.left = `${100 * before}%`;
      part.style.width = `${100 * step.share}%`;
      share.append(part);
      const bar = element("td");
      bar.append(share);
      row.append(
        element("td", "number", step.after),
        bar,
        element("td", "number", `${Math.round(100 * step.share)} %`),
        element("td", "", step.what),
        element("td", "", step.process),
      );
      table.append(row);
    }
    const parts = element("div", "parts");
    parts.append(table, facts);
    life.append(element("h4", "", found.title), parts);
    if (found.payload) life.append(element("pre", "payload", found.payload));
    if (found.trace || found.error) life.append(element("pre", "", found.trace || found.error));
    const around = element("div");
    if (found.cause) {
      const cause = element("button", "", "Select its cause");
      cause.addEventListener("click", () => send({ do: "message", id: found.cause }));
      around.append(cause);
    }
    const close = element("button", "", "Close");
    close.addEventListener("click", () => send({ do: "select", number: -1 }));
    around.append(close, element("span", "", found.around));
    life.append(around);
  }

  const say = () => (said.textContent = model.get("status"));
  let told = "";
  const resized = new ResizeObserver(() => {
    const width = Math.floor(root.clientWidth);
    const ratio = Math.min(2, window.devicePixelRatio || 1);
    if (width < 50 || told === `${width} ${ratio}`) return;
    told = `${width} ${ratio}`;
    send({ do: "size", width, ratio });
  });
  resized.observe(root);
  model.on("change:frame", show);
  model.on("change:details", tell);
  model.on("change:status", say);
  show();
  tell();
  say();
  return () => {
    gone = true;
    if (picture) picture.close();
    picture = null;
    clearTimeout(timer);
    resized.disconnect();
    model.off("change:frame", show);
    model.off("change:details", tell);
    model.off("change:status", say);
  };
}

export default { render };
