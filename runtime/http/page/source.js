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

function values(locals) {
  if (!locals?.length) return "";
  return html`<dl class="locals" aria-label="Locals">${locals.map((local) => html`<div><dt><code>${local.name}</code></dt><dd><code>${local.value}</code></dd></div>`)}</dl>`;
}

/** The source of a frame's file: what the run itself says it runs; else, where it is not to be asked, that of the entry today. */
function sourceOf(frame, sources, entry) {
  if (!sources.has(frame.file)) return null;
  const text = sources.get(frame.file);
  if (text !== null) return { name: frame.file, text };
  return entry?.source?.name === frame.file ? { ...entry.source, today: true } : null;
}

const frameOf = (frame, sources, entry, locals, first) => {
  const source = sourceOf(frame, sources, entry);
  return html`<li><details ?open=${first}><summary><code>${frame.text}</code></summary>
    ${source ? lines(source, frame.line) : ""}
    ${source?.today ? html`<p class="hint">This is the source as the registry has it now; the run may go on with an older one.</p>` : ""}
    ${values(locals)}</details></li>`;
};

/** Each coroutine with its frames. `sources`: by file what the run says; null where it does not. */
export function coroutines(run, entry, sources) {
  if (!run.stack.length) return "";
  return html`<section><h2>Where it waits</h2>${run.stack.map((coroutine) => html`<article class="coroutine">
    <h3>Coroutine ${coroutine.coroutine} <span class="said">waits for ${coroutine.waiting_for}</span></h3>
    <ol class="frames">${coroutine.frames.map((frame, index) =>
      frameOf({ text: frame, ...placed(frame) }, sources, entry, coroutine.locals?.[index], index === 0))}</ol></article>`)}</section>`;
}

/** The files of all frames. */
export const filesOf = (run) => new Set(run.stack.flatMap((coroutine) => coroutine.frames.map((frame) => placed(frame)?.file)));
