// The schedules of the registry, and what others have on the same server.
import { ask, pathOf } from "./api.js";
import { every, problem, runPath, when } from "./parts.js";
import { html } from "./vendor/lit-html/lit-html.js";

export function schedulesView(frame, signal) {
  let answer = null;
  let error = null;

  async function look() {
    try {
      answer = await ask(pathOf("schedules"), { signal });
      error = null;
    } catch (raised) {
      if (signal.aborted) return;
      error = raised;
    }
    frame.draw();
  }

  every(10, look, signal);

  const shown = (schedule) => html`<tr>
    <th scope="row" data-label="Schedule">${schedule.entry}</th>
    <td data-label="Workflow">${schedule.workflow}</td>
    <td data-label="State">${schedule.paused ? "paused" : "active"}${schedule.declared ? "" : ", not in the registry"}${schedule.note ? html`<br><span class="said">${schedule.note}</span>` : ""}</td>
    <td data-label="Next">${schedule.paused ? "" : when(schedule.next[0])}</td>
    <td data-label="Started" class="number">${schedule.actions}</td>
    <td data-label="Latest runs">${schedule.recent.slice(-3).reverse().map((id) => html`<a href=${runPath(id)}>${id}</a><br>`)}</td></tr>`;

  return {
    title: "Schedules",
    render: () => html`<h1>Schedules</h1>${problem(error)}
      ${answer?.schedules.length ? html`<div class="scroll"><table class="runs"><caption class="visually-hidden">Schedules</caption>
        <thead><tr><th scope="col">Schedule</th><th scope="col">Workflow</th><th scope="col">State</th><th scope="col">Next</th>
          <th scope="col" class="number">Started</th><th scope="col">Latest runs</th></tr></thead><tbody>${answer.schedules.map(shown)}</tbody></table></div>` : ""}
      ${answer && !answer.schedules.length ? html`<p class="empty">There are none.</p>` : ""}`,
  };
}
