// Where each coroutine of a run waits, in the source.
import { html } from "./vendor/lit-html/lit-html.js";

const AROUND = 6;

/** `file:line in name` of a frame. */
function placed(frame) {
  const found = /^(.*):(\d+) in (.*)$/s.exec(frame);
  return found ? { file: found[1], line: Number(found[2]), name: found[3] } : null;
}

function lines(source, line) {
  const all = source.text.split("\n");
  const from = Math.max(1, line - AROUND);
  const to = Math.min(all.length, line + AROUND);
  return html`<pre class="source" tabindex="0" aria-label=${`${source.name}, line ${line}`}>${all.slice(from - 1, to).map((code, index) => {
    const number = from + index;
    const here = number === line;
    return html`<span class="line" ?data-here=${here} aria-current=${here ? "true" : "false"}><span class="gutter">${here ? "▶" : " "}${String(number).padStart(4)}</span> ${code}${"\n"}</span>`;
  })}</pre>`;
}

export function coroutines(run, entry) {
  if (!run.stack.length) return "";
  const source = entry?.source;
  return html`<section><h2>Where it waits</h2>${run.stack.map((coroutine) => {
    const frames = coroutine.frames.map((frame) => ({ text: frame, ...placed(frame) }));
    const shown = source && frames.find((frame) => frame.file === source.name);
    return html`<article class="coroutine"><h3>Coroutine ${coroutine.coroutine} <span class="said">waits for ${coroutine.waiting_for}</span></h3>
      <ol class="frames">${frames.map((frame) => html`<li><code>${frame.text}</code></li>`)}</ol>
      ${shown ? lines(source, shown.line) : ""}</article>`;
  })}</section>`;
}
