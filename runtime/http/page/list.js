// The list of runs: newest first, with filters, counts by status, and live.
import { ask, pathOf } from "./api.js";
import { badge, every, problem, runPath, span, when } from "./parts.js";
import { repeat } from "./vendor/lit-html/directives/repeat.js";
import { html } from "./vendor/lit-html/lit-html.js";

const STATUSES = [["", "All"], ["Running", "Running"], ["Completed", "Completed"], ["Failed", "Failed"],
  ["Canceled", "Canceled"], ["Terminated", "Terminated"], ["TimedOut", "Timed out"]];
const LIMIT = 50;

const quoted = (word) => `'${word.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;

/** The visibility query of filters; `more` is a query that somebody wrote. */
function queryOf({ status, type, id }) {
  const parts = [];
  if (status) parts.push(`ExecutionStatus = ${quoted(status)}`);
  if (type) parts.push(`WorkflowType = ${quoted(type)}`);
  if (id) parts.push(`WorkflowId STARTS_WITH ${quoted(id)}`);
  return parts.join(" AND ");
}

const runsPath = (query, more = {}) => `${pathOf("runs")}?${new URLSearchParams({ ...(query ? { query } : {}), ...more })}`;

export function listView(frame, signal) {
  const given = new URLSearchParams(location.search);
  const filters = { status: given.get("status") ?? "", type: given.get("type") ?? "", id: given.get("id") ?? "" };
  const counts = {};
  let entries = [];
  let pages = [""]; // the token of each page up to the one that is shown
  let answer = null;
  let error = null;
  let round = 0;

  async function look() {
    const mine = ++round;
    try {
      const token = pages.at(-1);
      const found = await ask(runsPath(queryOf(filters), { limit: LIMIT, ...(token ? { page_token: token } : {}) }), { signal });
      if (mine !== round) return;
      answer = found;
      error = null;
      frame.connection("live");
    } catch (raised) {
      if (signal.aborted || mine !== round) return;
      error = raised;
      frame.connection("waiting");
    }
    frame.draw();
  }

  async function count() {
    for (const [status] of STATUSES) {
      const found = await ask(runsPath(queryOf({ ...filters, status }), { limit: 1 }), { signal });
      counts[status] = found.count;
    }
    frame.draw();
  }

  async function changed() {
    const said = Object.entries(filters).filter(([, word]) => word);
    history.replaceState(null, "", said.length ? `/runs?${new URLSearchParams(said)}` : "/runs");
    pages = [""];
    await Promise.all([look(), count().catch(() => {})]);
    frame.announce(`${answer?.count ?? 0} runs`);
  }

  const turn = (fn) => async () => {
    fn();
    await look();
  };

  ask(pathOf("entries"), { signal }).then((found) => { entries = found.entries; frame.draw(); }).catch(() => {});
  every(3, look, signal);
  every(8, () => count().catch(() => {}), signal);

  const filterBar = () => html`
    <form class="filters" role="search" aria-label="Filter runs" @submit=${(event) => event.preventDefault()}>
      <fieldset class="tabs"><legend class="visually-hidden">Status</legend>
        ${STATUSES.map(([status, name]) => html`<label class="tab">
          <input type="radio" name="status" .checked=${filters.status === status} value=${status}
            @change=${() => { filters.status = status; changed(); }}>
          <span>${name} <span class="count">${counts[status] ?? "…"}</span></span></label>`)}
      </fieldset>
      <label>Workflow
        <select @change=${(event) => { filters.type = event.target.value; changed(); }}>
          <option value="">all</option>
          ${entries.map((entry) => html`<option value=${entry.workflow_type} ?selected=${entry.workflow_type === filters.type}>${entry.id}</option>`)}
        </select></label>
      <label>Id begins with
        <input type="search" .value=${filters.id} @change=${(event) => { filters.id = event.target.value.trim(); changed(); }}></label>
    </form>`;

  const row = (run) => html`<tr>
    <td data-label="Status">${badge(run.status, run.state)}</td>
    <th scope="row" data-label="Run"><a href=${runPath(run.id)}>${run.id}</a></th>
    <td data-label="Workflow">${run.entry}</td>
    <td data-label="Started">${when(run.started_at)}</td>
    <td data-label="Took" class="number">${span((run.closed_at ? new Date(run.closed_at) : new Date()) - new Date(run.started_at))}</td>
    <td data-label="Events" class="number">${run.history_length}</td></tr>`;

  const table = () => html`
    <div class="scroll"><table class="runs"><caption class="visually-hidden">Runs, newest first</caption>
      <thead><tr><th scope="col">Status</th><th scope="col">Run</th><th scope="col">Workflow</th><th scope="col">Started</th>
        <th scope="col" class="number">Took</th><th scope="col" class="number">Events</th></tr></thead>
      <tbody>${repeat(answer.runs, (run) => run.run_id, row)}</tbody></table></div>
    ${answer.runs.length ? "" : html`<p class="empty">No run is here${filters.status || filters.type || filters.id ? " that fits the filters" : ""}.
      <a href="/runs#entries">Start one</a>.</p>`}
    ${answer.partial ? html`<p class="hint">Some runs may be missing: a narrower filter finds them.</p>` : ""}
    <p class="row">
      <button type="button" ?disabled=${pages.length < 2} @click=${turn(() => pages.pop())}>Newer</button>
      <button type="button" ?disabled=${!answer.next_page_token} @click=${turn(() => pages.push(answer.next_page_token))}>Older</button></p>`;

  return {
    title: "Runs",
    render: () => html`<h1>Runs ${answer ? html`<span class="count">${answer.count}</span>` : ""}</h1>
      ${filterBar()} ${problem(error)} ${answer ? table() : error ? "" : html`<p class="hint">Looking …</p>`}`,
  };
}
