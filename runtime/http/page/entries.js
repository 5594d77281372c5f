// The workflows that can be started, each with a form from its schema.
import { ask, pathOf } from "./api.js";
import { form } from "./forms.js";
import { problem, runPath, value } from "./parts.js";
import { html } from "./vendor/lit-html/lit-html.js";

export function entriesView(frame, signal) {
  const forms = new Map();
  const errors = new Map();
  let entries = null;
  let error = null;

  ask(pathOf("entries"), { signal })
    .then((found) => { entries = found.entries; })
    .catch((raised) => { error = raised; })
    .finally(frame.draw);

  async function start(event, entry) {
    event.preventDefault();
    errors.delete(entry.id);
    try {
      const body = forms.get(entry.id).text();
      const given = Object.fromEntries([...new FormData(event.target)].filter(([, said]) => said));
      const parameters = new URLSearchParams(given);
      const started = await ask(`${pathOf("workflows", entry.id)}${parameters.size ? `?${parameters}` : ""}`, { method: "POST", body, signal });
      location.href = runPath(started.id);
    } catch (raised) {
      errors.set(entry.id, raised);
      frame.draw();
    }
  }

  function formOf(entry) {
    if (!forms.has(entry.id)) forms.set(entry.id, form(entry.input_schema, "Input"));
    return forms.get(entry.id);
  }

  const shown = (entry) => html`<details class="entry"><summary><strong>${entry.id}</strong> <span class="said">${entry.kind}</span></summary>
    <form @submit=${(event) => start(event, entry)} aria-label=${`Start ${entry.id}`}>
      ${formOf(entry).render(frame.draw)}
      <div class="row"><label>Id of the run <input name="id" autocomplete="off" placeholder="made up"></label>
        <label>Time budget <input name="timeout" autocomplete="off" placeholder="none, or 30s"></label></div>
      <p class="row"><button type="submit" class="primary">Start</button></p>
      ${problem(errors.get(entry.id))}</form>
    ${entry.input_schema ? html`<details><summary>Schema of the input</summary>${value(entry.input_schema, "schema")}</details>` : ""}</details>`;

  return {
    title: "Start",
    render: () => html`<h1>Start a run</h1>${problem(error)}
      ${entries ? entries.map(shown) : ""} ${entries && !entries.length ? html`<p class="empty">The registry has no workflow.</p>` : ""}`,
  };
}
