// The public API of this server, with the token of this tab where the server asks for one.
const KEY = "evermoon.token";
const API = "/api/v1";

/** What the server refuses, in its own words (RFC 9457). */
export class Problem extends Error {
  constructor(document, status) {
    super(document.detail || document.title || `the server answered ${status}`);
    this.status = status;
    this.document = document;
  }
}

export const pathOf = (...parts) => [API, ...parts.map(encodeURIComponent)].join("/");

let asking = null; // one dialog, however many requests wait for it

/** Asks for a token, and returns when one was given. `wrong`: one was sent, and refused. */
function needToken(wrong) {
  asking ??= new Promise((resolve) => {
    const dialog = document.getElementById("token-dialog");
    const input = document.getElementById("token");
    document.getElementById("token-problem").textContent = wrong ? "The server does not know this token." : "";
    dialog.addEventListener("cancel", (event) => event.preventDefault());
    document.getElementById("token-form").onsubmit = (event) => {
      event.preventDefault();
      sessionStorage.setItem(KEY, input.value.trim());
      input.value = "";
      dialog.close();
      asking = null;
      resolve();
    };
    if (!dialog.open) dialog.showModal();
    input.focus();
  });
  return asking;
}

export const hasToken = () => sessionStorage.getItem(KEY) !== null;

export function forgetToken() {
  sessionStorage.removeItem(KEY);
  location.reload();
}

async function send(path, { headers = {}, ...options } = {}) {
  for (;;) {
    const token = sessionStorage.getItem(KEY);
    const more = token ? { Authorization: `Bearer ${token}` } : {};
    const response = await fetch(path, { ...options, headers: { ...headers, ...more }, credentials: "same-origin" });
    if (response.status !== 401) return response;
    if (sessionStorage.getItem(KEY) !== token) continue; // somebody has given another one meanwhile
    await needToken(token !== null);
  }
}

async function refused(response) {
  const text = await response.text();
  let document = {};
  try {
    document = JSON.parse(text);
  } catch {
    document = { detail: text.slice(0, 300) };
  }
  return new Problem(document, response.status);
}

/** The value that the server answers with; raises `Problem`. `body` is the text of a JSON value. */
export async function ask(path, { method = "GET", body, signal } = {}) {
  const headers = body === undefined ? {} : { "Content-Type": "application/json" };
  const response = await send(path, { method, body, headers, signal });
  if (!response.ok) throw await refused(response);
  const text = await response.text();
  if (!text) return null;
  const isJson = (response.headers.get("Content-Type") ?? "").includes("json");
  return isJson ? JSON.parse(text) : text;
}

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/**
 * The events of a run, each once, until its last one: comes back by itself with the id of the last event that was heard.
 * `tell.event(name, data)`, `tell.state("live" | "waiting" | "over")`. It streams by `fetch`, because an EventSource can send no token.
 */
export async function follow(id, tell, signal) {
  let last = null;
  let retry = 1000;
  while (!signal.aborted) {
    try {
      const headers = last === null ? {} : { "Last-Event-ID": last };
      const response = await send(pathOf("runs", id, "events"), { headers, signal });
      if (response.status === 204) return tell.state("over");
      if (!response.ok) throw await refused(response);
      tell.state("live");
      for await (const message of messages(response.body)) {
        if (message.retry) retry = message.retry;
        if (message.id) last = message.id;
        if (message.data !== undefined) tell.event(message.event, JSON.parse(message.data), message.id);
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Problem && error.status < 500 && error.status !== 429) throw error;
    }
    tell.state("waiting");
    await pause(retry);
  }
}

/** The messages of an event stream. */
async function* messages(body) {
  let rest = "";
  for await (const part of texts(body)) {
    const blocks = (rest + part).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) yield message(block);
  }
}

async function* texts(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

function message(block) {
  const found = { event: "message" };
  for (const line of block.split("\n")) {
    const colon = line.indexOf(":");
    if (colon < 1) continue;
    const name = line.slice(0, colon);
    const value = line.slice(colon + 1).replace(/^ /, "");
    if (name === "data") found.data = found.data === undefined ? value : `${found.data}\n${value}`;
    else if (name === "retry") found.retry = Number(value);
    else if (name === "id" || name === "event") found[name] = value;
  }
  return found;
}
