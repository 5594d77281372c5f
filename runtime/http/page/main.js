// The frame of the page: which view is shown, what is told to a screen reader, and when it is drawn.
import { forgetToken, hasToken } from "./api.js";
import { entriesView } from "./entries.js";
import { listView } from "./list.js";
import { processesView } from "./processes.js";
import { runView } from "./run.js";
import { schedulesView } from "./schedules.js";
import { html, render } from "./vendor/lit-html/lit-html.js";

const VIEWS = { "": listView, entries: entriesView, processes: processesView, schedules: schedulesView };
const PARTS = [["", "Runs"], ["entries", "Start"], ["processes", "Processes"], ["schedules", "Schedules"]];

const main = document.getElementById("main");
const run = location.pathname.match(/^\/runs\/([^/]+)\/?$/);
let view = null;
let leaving = null;
let drawing = false;

/** What views use of the frame. */
const frame = {
  /** Draws soon: once, however much has changed by then. */
  draw() {
    if (drawing) return;
    drawing = true;
    setTimeout(() => {
      drawing = false;
      render(view.render(), main);
      nav();
    }, 40);
  },
  announce(text) {
    document.getElementById("announce").textContent = text;
  },
  connection(state) {
    const words = { live: "live", waiting: "connecting again …", over: "ended" };
    const shown = document.getElementById("connection");
    shown.dataset.state = state;
    shown.textContent = words[state] ?? "";
  },
};

function part() {
  const name = decodeURIComponent(location.hash.slice(1)).split("=")[0];
  return Object.hasOwn(VIEWS, name) ? name : "";
}

function nav() {
  const shown = run ? null : part();
  render(html`<ul>${PARTS.map(([name, text]) => html`<li>
    <a href=${name ? `/runs#${name}` : "/runs"} aria-current=${name === shown ? "page" : "false"}>${text}</a></li>`)}
    <li><a href="/docs">API</a></li>
    ${hasToken() ? html`<li><button type="button" class="link" @click=${forgetToken}>Forget the token</button></li>` : ""}
  </ul>`, document.getElementById("nav"));
}

function show() {
  leaving?.abort();
  leaving = new AbortController();
  frame.connection("");
  render("", main);
  view = run ? runView(frame, decodeURIComponent(run[1]), leaving.signal) : VIEWS[part()](frame, leaving.signal);
  document.title = `${view.title} · Evermoon`;
  frame.draw();
}

document.getElementById("skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
addEventListener("hashchange", () => {
  show();
  main.focus();
});
nav();
show();
