// One run, live: its events over one connection, and its description whenever something has happened.
import { actions } from "./actions.js";
import { ask, follow, pathOf } from "./api.js";
import { badge, every, failure, problem, runPath, span, value, when, words } from "./parts.js";
import { coroutines, filesOf } from "./source.js";
import { Progress, streams, timeline } from "./steps.js";
import { html } from "./vendor/lit-html/lit-html.js";

const MANY = 2000; // events of a history that is not read just for the input of its run

const bytesOf = (text) => Uint8Array.from(atob(text ?? ""), (char) => char.charCodeAt(0));
const decoded = (bytes) => new TextDecoder().decode(bytes);

/** What the run was started with, as far as it is JSON. What is encrypted, or kept elsewhere, is asked of the codec. */
async function inputs(history) {
  let given = history.events?.[0]?.workflowExecutionStartedEventAttributes?.input;
  const isPlain = (payload) => ["json/plain", "binary/null"].includes(decoded(bytesOf(payload.metadata?.encoding)));
  if (given?.payloads?.some((payload) => !isPlain(payload))) {
    given = await ask(pathOf("codec", "decode"), { method: "POST", body: JSON.stringify(given) }).catch(() => given);
  }
  return (given?.payloads ?? []).map((payload) => {
    const bytes = bytesOf(payload.data);
    try {
      return bytes.length ? JSON.parse(decoded(bytes)) : null;
    } catch {
      return `${bytes.length} bytes that are no JSON`;
    }
  });
}

export function runView(frame, id, signal) {
  const progress = new Progress();
  const act = actions(frame, id, signal, () => refresh());
  let run = null;
  let entry = null;
  let error = null;
  let input;
  let history = null;
  let result;
  let refreshing = null;
  const sources = new Map(); // of the run's own bundle, by file; null where it was asked and does not say

  async function describe() {
    try {
      run = await ask(pathOf("runs", id), { signal });
      error = null;
      progress.pending(run.pending);
      if (entry === null) await about();
      if ([...filesOf(run)].some((file) => !sources.has(file))) await readSources();
      if (run.status === "COMPLETED" && result === undefined) result = await ask(pathOf("runs", id, "result"), { signal });
    } catch (raised) {
      if (signal.aborted) return;
      error = raised;
    }
    frame.draw();
  }

  async function about() {
    entry = await ask(pathOf("entries", run.entry), { signal }).catch(() => ({}));
    if (run.history_length <= MANY) await readHistory().catch(() => {});
  }

  /** The query that Temporal's UI asks: the run answers with the code that it is pinned to. */
  async function readSources() {
    const files = filesOf(run);
    const found = await ask(pathOf("runs", id, "queries", "__enhanced_stack_trace"), { method: "POST", signal })
      .catch((raised) => (raised.status === 403 ? { sources: {} } : null)); // one that does not answer now is asked again
    if (found === null) return;
    for (const file of files) sources.set(file, found.sources?.[file]?.content ?? null);
  }

  async function readHistory() {
    const found = await ask(pathOf("runs", id, "history"), { signal });
    input = await inputs(found);
    return found;
  }

  /** Soon, and once for many events. */
  function refresh() {
    refreshing ??= setTimeout(async () => {
      refreshing = null;
      await describe();
    }, 250);
  }

  const tell = {
    state: (state) => frame.connection(state),
    event(name, data, eventId) {
      progress.take(name, data, eventId);
      if (name !== "stream" && name !== "step.heartbeat") refresh();
      if (name === "step.completed" || name === "step.failed") frame.announce(`${data.activity} ${name.slice(5)}`);
      if (progress.end?.name === name) frame.announce(`The run is ${words(name)}`);
      frame.draw();
    },
  };

  follow(id, tell, signal).catch((raised) => { error = raised; frame.draw(); });
  every(4, () => (run?.closed_at ? null : describe()), signal);

  async function showHistory(event) {
    if (!event.target.open || (history && run?.closed_at)) return;
    history = await readHistory().catch((raised) => raised.document);
    frame.draw();
  }

  function download() {
    const address = URL.createObjectURL(new Blob([JSON.stringify(history, null, 2)], { type: "application/json" }));
    Object.assign(document.createElement("a"), { href: address, download: `${id}.json` }).click();
    URL.revokeObjectURL(address);
  }

  const facts = () => {
    const took = (run.closed_at ? new Date(run.closed_at) : new Date()) - new Date(run.started_at);
    const rows = [["Workflow", run.entry], ["Started", when(run.started_at)], ["Closed", when(run.closed_at)], ["Took", span(took)],
      ["Events", run.history_length], ["Queue", run.task_queue], ["Run", html`<code>${run.run_id}</code>`],
      ["Bundle", run.bundle ? html`<code title=${run.bundle}>${run.bundle.slice(0, 12)}</code>` : ""]];
    return html`<dl class="facts">${rows.filter(([, said]) => said !== "" && said !== null)
      .map(([name, said]) => html`<div><dt>${name}</dt><dd>${said}</dd></div>`)}</dl>`;
  };

  const told = () => html`
    ${run.cancel ? html`<p class="note">Cancel was asked for by ${run.cancel.by || "nobody known"}${run.cancel.reason ? html`: ${run.cancel.reason}` : ""} ${when(run.cancel.at)}</p>` : ""}
    ${run.warnings.map((warning) => html`<p class="note">${warning}</p>`)}
    ${run.details !== null && run.details !== undefined ? html`<section><h2>Status</h2>${value(run.details, "status")}</section>` : ""}
    ${run.failure ? html`<section><h2>Failure</h2><p>${failure(run.failure)}</p>
      ${run.failure.details ? value(run.failure.details, "details of the failure") : ""}
      ${run.failure.stack ? value(run.failure.stack, "stack of the failure") : ""}</section>` : ""}`;

  const pending = () => (run.pending.length ? html`<section><h2>Pending</h2><ul class="pending">
    ${run.pending.map((item) => html`<li><strong>${item.activity}</strong> ${words(item.state)}, attempt ${item.attempt}
      ${item.unserved ? html`<br><span class="problem">no worker polls its task queue, ${item.unserved}</span>` : ""}${item.next_retry_at ? html`, tried again at ${when(item.next_retry_at)}` : ""}
      ${item.last_failure ? html`<br>last failure: ${failure(item.last_failure)}` : ""}</li>`)}</ul></section>` : "");

  const values = () => html`<section class="values">
    ${input ? html`<div><h2>Input</h2>${input.length ? input.map((given) => value(given, "input")) : html`<p class="hint">None.</p>`}</div>` : ""}
    ${result !== undefined ? html`<div><h2>Result</h2>${value(result, "result")}</div>` : ""}</section>`;

  const records = () => html`<section><details><summary>Events (${progress.heard})</summary>
      <ol class="events">${progress.events.map((event) => html`<li><code>${event.id}</code> <strong>${event.name}</strong>${event.times > 1 ? ` × ${event.times}` : ""}
        <code class="data">${JSON.stringify(event.data)}</code></li>`)}</ol></details>
    <details @toggle=${showHistory}><summary>History as JSON</summary>
      ${history ? html`<p><button type="button" @click=${download}>Download</button></p>${value(history, "history")}` : html`<p class="hint">Looking …</p>`}</details></section>`;

  const all = () => html`
    <p class="lead">${badge(run.status, run.state)} ${run.status === "RUNNING" && run.state !== "wedged" ? html`<span class="said">${words(run.state)}</span>` : ""}</p>
    ${facts()} ${told()} ${act.render(run, entry)} ${values()}
    ${progress.streams.size ? html`<section><h2>Streams</h2>${streams(progress)}</section>` : ""}
    <section><h2>Steps</h2>${timeline(progress, run.closed_at ? new Date(run.closed_at) : new Date())}</section>
    ${pending()} ${coroutines(run, entry, sources)} ${records()}`;

  return {
    title: id,
    render: () => html`<p class="back"><a href="/runs">All runs</a></p><h1 class="id"><a class="self" href=${runPath(id)}>${id}</a></h1>
      ${problem(error)} ${run ? all() : error ? "" : html`<p class="hint">Looking …</p>`}`,
  };
}
