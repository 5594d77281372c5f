// What somebody may do with a run: send its signals, updates and queries, cancel and terminate it.
import { ask, pathOf } from "./api.js";
import { form } from "./forms.js";
import { problem, value } from "./parts.js";
import { html } from "./vendor/lit-html/lit-html.js";

const SORTS = [["signals", "Signal"], ["updates", "Update"], ["queries", "Query"]];

/** The buttons of a run. `done` is called when something was done. */
export function actions(frame, id, signal, done) {
  let open = null; // {sort, name, title, form} of the form that is shown
  let answer = null;
  let error = null;
  let busy = false;

  function choose(what) {
    open = open?.key === what.key ? null : { ...what, form: what.sort === "end" ? null : form(what.schema, what.name ?? "Value") };
    answer = null;
    error = null;
    frame.draw();
    if (open) setTimeout(() => document.querySelector("#action :is(input, textarea, select, button)")?.focus(), 80);
  }

  async function submit(event) {
    event.preventDefault();
    busy = true;
    error = null;
    answer = null;
    try {
      const path = open.sort === "end" ? pathOf("runs", id, open.name) : pathOf("runs", id, open.sort, nameOf());
      const body = open.sort === "end" ? JSON.stringify({ reason: document.getElementById("reason").value }) : open.form.text();
      const given = await ask(path, { method: "POST", body, signal });
      answer = open.sort === "queries" || open.sort === "updates" ? { value: given } : { said: open.said ?? "Sent." };
      frame.announce(answer.said ?? "The run has answered.");
    } catch (raised) {
      error = raised;
    }
    busy = false;
    done();
    frame.draw();
  }

  const nameOf = () => open.name ?? document.getElementById("action-name").value.trim();
  const button = (what, extra = "") => html`<button type="button" class=${extra} aria-expanded=${open?.key === what.key ? "true" : "false"} aria-controls="action"
    @click=${() => choose(what)}>${what.title}</button>`;

  function declared(entry, sort, word) {
    return Object.entries(entry?.[sort] ?? {}).map(([name, schema]) =>
      button({ key: `${sort} ${name}`, sort, name, title: name, verb: word, schema }));
  }

  const any = (sort, word) => button({ key: `${sort} any`, sort, title: `other ${word.toLowerCase()} …`, verb: word, schema: null }, "link");

  const panel = () => html`<form id="action" class="panel" aria-label=${open.title} @submit=${submit}>
    <h3>${open.verb} ${open.name ?? ""}</h3>
    ${open.sort === "end" ? html`<div class="field"><label for="reason">Reason</label><input id="reason" autocomplete="off"></div>`
      : html`${open.name ? "" : html`<div class="field"><label for="action-name">Name</label><input id="action-name" required autocomplete="off"></div>`}
        ${open.form.render(frame.draw)}`}
    <p class="row"><button type="submit" class=${open.danger ? "danger" : "primary"} ?disabled=${busy}>${open.verb}</button>
      <button type="button" @click=${() => choose(open)}>Close</button></p>
    ${problem(error)}
    ${answer?.said ? html`<p class="hint">${answer.said}</p>` : ""}
    ${answer && "value" in answer ? html`<h4>Answer</h4>${value(answer.value, "answer")}` : ""}</form>`;

  return {
    render(run, entry) {
      if (run.closed_at && !Object.keys(entry?.queries ?? {}).length) return open ? panel() : "";
      const sorts = run.closed_at ? [["queries", "Query"]] : SORTS;
      return html`<section class="actions"><h2>Do</h2>
        ${sorts.map(([sort, word]) => html`<div class="row" role="group" aria-label=${sort}><span class="word">${word}</span>
          ${declared(entry, sort, word)} ${any(sort, word)}</div>`)}
        ${run.closed_at ? "" : html`<div class="row" role="group" aria-label="End"><span class="word">End</span>
          ${button({ key: "cancel", sort: "end", name: "cancel", title: "cancel", verb: "Cancel", said: "The run has been asked to cancel." })}
          ${button({ key: "terminate", sort: "end", name: "terminate", title: "terminate", verb: "Terminate", danger: true, said: "The run is terminated." }, "danger")}</div>`}
        ${open ? panel() : ""}</section>`;
    },
  };
}
