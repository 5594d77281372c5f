// The processes of the host that serves this page.
import { ask, pathOf } from "./api.js";
import { every, problem, when } from "./parts.js";
import { repeat } from "./vendor/lit-html/directives/repeat.js";
import { html } from "./vendor/lit-html/lit-html.js";

export function processesView(frame, signal) {
  let answer = null;
  let error = null;
  const open = new Map(); // by pid what is shown of it

  async function look() {
    try {
      answer = await ask(pathOf("processes"), { signal });
      for (const pid of open.keys()) open.set(pid, await ask(pathOf("processes", pid), { signal }).catch(() => null));
      error = null;
    } catch (raised) {
      if (signal.aborted) return;
      error = raised;
    }
    frame.draw();
  }

  every(3, look, signal);

  async function toggle(event, pid) {
    if (event.target.open) open.set(pid, null);
    else open.delete(pid);
    await look();
  }

  const stack = (process) => process?.stack.map((coroutine) => html`<p>Coroutine ${coroutine.coroutine} waits for ${coroutine.waiting_for}</p>
    <ol class="frames">${coroutine.frames.map((line) => html`<li><code>${line}</code></li>`)}</ol>`);

  const shown = (process) => html`<details class="entry" @toggle=${(event) => toggle(event, process.pid)}>
    <summary><strong>${process.names.join(", ") || process.entry}</strong> <span class="said">${process.entry} · waits for ${process.waiting}</span></summary>
    <dl class="facts"><div><dt>PID</dt><dd><code>${process.pid}</code></dd></div><div><dt>Host</dt><dd>${process.host}</dd></div>
      <div><dt>Started</dt><dd>${when(process.started_at)}</dd></div><div><dt>By</dt><dd>${process.sender ?? ""}</dd></div></dl>
    ${stack(open.get(process.pid))}</details>`;

  return {
    title: "Processes",
    render: () => html`<h1>Processes ${answer ? html`<span class="count">${answer.count}</span>` : ""}</h1>
      ${error?.status === 404 ? html`<p class="empty">This host runs none.</p>` : problem(error)}
      ${answer ? repeat(answer.processes, (process) => process.pid, shown) : ""}
      ${answer && !answer.count ? html`<p class="empty">This host runs none.</p>` : ""}`,
  };
}
