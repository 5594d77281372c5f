// What the events of a run come to: its steps with their attempts, what is streamed, and how it ended.
import { failure, span, value, when } from "./parts.js";
import { repeat } from "./vendor/lit-html/directives/repeat.js";
import { html, svg } from "./vendor/lit-html/lit-html.js";

const ENDS = new Set(["completed", "failed", "canceled", "terminated", "timed_out"]);
const KEPT = 500; // events that are shown

export class Progress {
  constructor() {
    this.clear();
  }

  clear() {
    this.steps = new Map();
    this.streams = new Map();
    this.events = [];
    this.heard = 0;
    this.started = null;
    this.end = null;
  }

  take(name, data, id) {
    if (name === "reset") return this.clear();
    this.heard += 1;
    this.#note(name, data, id);
    if (name === "started") this.started ??= data;
    if (ENDS.has(name)) this.end = { name, ...data };
    const [group, what] = name.split(".");
    if (group === "stream") this.#stream(what, data);
    else if (group === "step") this.#step(what, data);
    else if (group === "child") this.#part("child", `child ${data.child_run_id ?? data.id}`, what, data, data.type ?? data.id);
    else if (group === "timer") this.#part("timer", `timer ${data.run_id} ${data.timer_id}`, what, data, `timer ${data.seconds ?? ""} s`);
    else if (name === "queue.unserved") this.#step("unserved", data);
    else if (name === "signal") this.#moment(`signal ${id}`, "signal", `signal ${data.topic}`, data);
    else if (name === "cancel.requested") this.#moment(`cancel ${id}`, "cancel", "cancel requested", data);
    else if (name === "continued") this.#moment(`continued ${id}`, "continued", `continued: ${data.why}`, data);
  }

  #note(name, data, id) {
    const last = this.events.at(-1);
    if (name === "stream" && last?.name === "stream" && last.data.name === data.name) {
      last.times += 1; // tokens would push everything else out
      last.data = data;
    } else {
      this.events.push({ id: id ?? `live ${this.heard}`, name, data, times: 1 });
      if (this.events.length > KEPT) this.events.shift();
    }
  }

  #of(key, fields) {
    if (!this.steps.has(key)) this.steps.set(key, { key, attempts: new Map(), ...fields });
    return this.steps.get(key);
  }

  #step(what, data) {
    const step = this.#of(`step ${data.run_id} ${data.activity_id}`, { sort: "step", name: data.activity, from: data.at, id: data.activity_id, run: data.run_id });
    if (data.summary) step.summary = data.summary;
    const attempt = data.attempt && this.#attempt(step, data.attempt);
    if (what === "started") {
      if (attempt) attempt.from ??= data.at;
      if (!step.to) Object.assign(step, { state: "running", next: null, queue: null });
      if (data.last_failure && data.attempt > 1) this.#attempt(step, data.attempt - 1).error ??= data.last_failure;
    } else if (what === "retrying") {
      step.state = "retrying";
      if (attempt) attempt.error = data.error;
      step.next = data.next_retry_at;
    } else if (what === "heartbeat") {
      step.heartbeat = data.progress;
    } else if (what === "unserved") {
      step.queue = data.queue;
    } else if (what === "completed" || what === "failed") {
      step.state = what;
      step.to = data.at;
      step.error = data.error;
      step.next = step.queue = null;
      if (attempt) Object.assign(attempt, { to: data.at, error: data.error });
    } else {
      step.state ??= what;
    }
  }

  #attempt(step, number) {
    if (!step.attempts.has(number)) step.attempts.set(number, { number });
    return step.attempts.get(number);
  }

  #part(sort, key, what, data, name) {
    const open = sort === "child" ? what === "scheduled" : what === "started";
    const waiting = sort === "child" && this.steps.get(`child ${data.id}`);
    if (waiting && data.child_run_id) { // it had no run id yet when it was scheduled
      this.steps.delete(waiting.key);
      waiting.key = key;
      this.steps.set(key, waiting);
    }
    const part = this.#of(key, { sort, name, from: data.at, child: sort === "child" ? data.id : undefined });
    if (data.summary) part.summary = data.summary;
    part.state = open ? "running" : what === "started" ? "running" : what;
    if (part.state !== "running") Object.assign(part, { to: data.at, error: data.error });
  }

  #moment(key, sort, name, data) {
    this.#of(key, { sort, name, from: data.at, to: data.at, state: sort, data });
  }

  #stream(what, data) {
    const key = `${data.activity_id ?? data.by ?? ""} ${data.name}`;
    if (!this.streams.has(key)) this.streams.set(key, { key, name: data.name, by: data.activity ?? data.by, parts: [], again: 0 });
    const stream = this.streams.get(key);
    if (what === "restarted") { // what came before, with that position or a later one, does not count
      const counts = (part) => data.position != null && part.position != null && part.position < data.position;
      Object.assign(stream, { parts: stream.parts.filter(counts), again: stream.again + 1 });
    } else {
      const text = typeof data.data === "string" ? data.data : `${JSON.stringify(data.data)}\n`;
      stream.parts.push({ position: data.position, text });
    }
    stream.text = null;
  }

  /** What only the description of the run knows of steps under way: attempts that are tried again, and heartbeats. */
  pending(items) {
    for (const item of items) {
      const step = [...this.steps.values()].findLast((known) => known.sort === "step" && known.id === item.activity_id && !known.to);
      if (!step) continue;
      step.state = item.next_retry_at ? "retrying" : item.state === "started" ? "running" : "scheduled";
      step.next = item.next_retry_at;
      step.queue = item.unserved;
      step.heartbeat = item.heartbeat ?? step.heartbeat;
      const attempt = this.#attempt(step, item.attempt);
      const failed = item.attempt > 1 ? this.#attempt(step, item.attempt - 1) : attempt;
      if (item.last_failure) failed.error = item.last_failure;
    }
  }
}

/** The steps against time. `to`: until when, for what is under way. */
export function timeline(progress, to) {
  const steps = [...progress.steps.values()];
  const begin = new Date(progress.started?.at ?? steps[0]?.from ?? to).getTime();
  const whole = Math.max(1, to - begin);
  const percent = (at) => Math.min(100, Math.max(0, ((new Date(at) - begin) / whole) * 100));
  if (!steps.length) return html`<p class="hint">No step yet.</p>`;
  return html`<ol class="steps" aria-label="Steps, first one first">${repeat(steps, (step) => step.key, (step) => item(step, percent, to))}</ol>`;
}

function item(step, percent, to) {
  const from = percent(step.from);
  const till = step.to ? percent(step.to) : 100;
  const took = (step.to ? new Date(step.to) : to) - new Date(step.from);
  const name = step.child ? html`<a href=${`/runs/${encodeURIComponent(step.child)}`}>${step.name}</a>` : step.name;
  return html`<li class="step" data-state=${step.state} data-sort=${step.sort}>
    <div class="head"><span class="name">${name}</span>
      <span class="said">${step.state}${step.from !== step.to ? html` · ${span(took)}` : ""}${step.attempts.size > 1 ? ` · attempt ${Math.max(...step.attempts.keys())}` : ""}</span>
      ${step.summary ? html`<code class="summary">${step.summary}</code>` : ""} ${when(step.from)}</div>
    <svg class="bar" width="100%" height="8" aria-hidden="true">${svg`<rect x="0" y="3" width="100%" height="2" class="rail"/>
      <rect x=${`${from}%`} y="1" width=${`${Math.max(0.5, till - from)}%`} height="6" rx="3" class="done"/>`}</svg>
    ${step.data?.by || step.data?.from || step.data?.reason ? html`<p class="said">${[step.data.by ?? step.data.from, step.data.reason].filter(Boolean).join(": ")}</p>` : ""}
    ${attempts(step)}
    ${step.error ? html`<p>${failure(step.error)}</p>` : ""}
    ${step.queue ? html`<p class="problem">No worker polls its task queue, ${step.queue}.</p>` : ""}
    ${step.next ? html`<p class="said">tried again at ${when(step.next)}</p>` : ""}
    ${step.heartbeat !== undefined && step.heartbeat !== null && !step.to ? html`<p class="said">heartbeat</p>${value(step.heartbeat, "heartbeat")}` : ""}</li>`;
}

function attempts(step) {
  const failed = [...step.attempts.values()].filter((attempt) => attempt.error && attempt.error !== step.error);
  if (!failed.length) return "";
  return html`<ul class="attempts" aria-label="Attempts that failed">${failed.map((attempt) => html`<li>attempt ${attempt.number}: ${failure(attempt.error)}</li>`)}</ul>`;
}

const SHOWN = 100_000; // characters of a stream

function textOf(stream) {
  stream.text ??= stream.parts.map((part) => part.text).join("").slice(-SHOWN);
  return stream.text;
}

export function streams(progress) {
  return [...progress.streams.values()].map((stream) => html`<section class="stream" aria-label=${`Stream ${stream.name}`}>
    <h3>${stream.name} <span class="said">${stream.by ?? ""} · ${stream.parts.length} events${stream.again ? ` · begun again ${stream.again} times` : ""}</span></h3>
    <pre class="tokens" role="log" aria-live="off" tabindex="0" aria-label=${`What ${stream.name} has published`}>${textOf(stream)}</pre></section>`);
}
