// Small pieces that all views share. What a run says is always put in as text.
import { html, nothing } from "./vendor/lit-html/lit-html.js";

const MARKS = { RUNNING: "●", COMPLETED: "✓", FAILED: "✕", CANCELED: "⊘", TERMINATED: "⊘", TIMED_OUT: "⏱", CONTINUED_AS_NEW: "↻" };

export const words = (text) => String(text ?? "").toLowerCase().replaceAll("_", " ");

/** A status by mark and word, so that nothing depends on a colour. `state` is said where it adds something. */
export function badge(status, state) {
  const wedged = state === "wedged";
  return html`<span class="badge" data-status=${wedged ? "WEDGED" : status}><span aria-hidden="true">${wedged ? "!" : (MARKS[status] ?? "·")}</span>
    ${wedged ? "wedged" : words(status)}</span>`;
}

export function when(text) {
  if (!text) return "";
  const at = new Date(text);
  const today = at.toDateString() === new Date().toDateString();
  const shown = today ? at.toLocaleTimeString() : at.toLocaleString();
  return html`<time datetime=${text} title=${text}>${shown}</time>`;
}

export function span(milliseconds) {
  if (!(milliseconds >= 0)) return "";
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`;
  const seconds = milliseconds / 1000;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${Math.floor(seconds % 60)} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

export const text = (value) => (typeof value === "string" ? value : JSON.stringify(value, null, 2));

const SHOWN = 20_000;

/** A value as text; of a very long one the beginning. */
export function value(given, label) {
  const whole = text(given) ?? "";
  const cut = whole.length > SHOWN;
  return html`<pre class="value" tabindex="0" aria-label=${label ?? nothing}>${cut ? whole.slice(0, SHOWN) : whole}</pre>
    ${cut ? html`<p class="hint">The first ${SHOWN.toLocaleString()} of ${whole.length.toLocaleString()} characters.</p>` : ""}`;
}

export function failure(error) {
  if (!error) return "";
  if (typeof error === "string") return html`<span class="problem">${error}</span>`;
  return html`<span class="problem">${error.kind ? html`<strong>${error.kind}</strong>: ` : ""}${error.message ?? text(error)}</span>`;
}

/** What was refused, with what the server says of it. */
export function problem(error) {
  if (!error) return "";
  const details = error.document?.details;
  return html`<p class="problem" role="alert">${error.message}</p>
    ${details && Object.keys(details).length ? value(details, "details") : ""}`;
}

/** Calls `fn` now and then every `seconds`, while somebody looks, until the signal. */
export async function every(seconds, fn, signal) {
  while (!signal.aborted) {
    if (!document.hidden) await fn();
    await new Promise((resolve) => {
      const timer = setTimeout(resolve, seconds * 1000);
      const soon = () => { clearTimeout(timer); resolve(); };
      signal.addEventListener("abort", soon, { once: true });
      document.addEventListener("visibilitychange", soon, { once: true });
    });
  }
}

export const runPath = (id) => `/runs/${encodeURIComponent(id)}`;
