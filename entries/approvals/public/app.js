// The live list: what the server says over server-sent events, and the forms that answer it. Text from people is only ever
// set as text, never as HTML.
"use strict";

const OPEN = ["waiting", "escalated"];
const SHOWN_LETTERS = 30;
const DECISIONS = {
  approve: { label: "Approve", done: "approved", who: (it) => [it.manager, it.approver].filter(Boolean) },
  reject: { label: "Reject", done: "rejected", who: (it) => [it.manager, it.approver].filter(Boolean), reason: true },
  withdraw: { label: "Withdraw", done: "withdrawn", who: (it) => [it.requester] },
};

const approvals = new Map();
let letters = [];
let deciding = null; // {approval, topic}

const $ = (id) => document.getElementById(id);

/** An element with properties and children; strings become text. */
function make(tag, properties, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

const words = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const UNITS = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];

/** "in 3 days", "2 minutes ago" */
function relative(moment) {
  const seconds = Math.round((Date.parse(moment) - Date.now()) / 1000);
  const [unit, size] = UNITS.find(([, size]) => Math.abs(seconds) >= 0.98 * size) ?? UNITS.at(-1);
  return words.format(Math.round(seconds / size), unit);
}

// The list ------------------------------------------------------------------------------------------------------------

function facts(approval) {
  const reminders = { 0: "no reminder yet", 1: "1 reminder" }[approval.reminders] ?? `${approval.reminders} reminders`;
  const ends = Date.parse(approval.expires_at) > Date.now() ? `expires ${relative(approval.expires_at)}` : "expiring";
  return `asked ${relative(approval.opened_at)} · ${ends} · ${reminders}`;
}

/** How much of its time is over, in percent. */
function spent(approval) {
  const from = Date.parse(approval.opened_at);
  return Math.min(100, Math.max(0, (100 * (Date.now() - from)) / (Date.parse(approval.expires_at) - from)));
}

function people(...parts) {
  return make("p", { className: "people" }, ...parts);
}

const strong = (text) => make("b", {}, text);

function card(approval) {
  const bar = make("i", {});
  const asked = make("p", { className: "facts" });
  const top = make("div", { className: "top" }, make("h3", {}, approval.title));
  if (approval.status === "escalated") top.append(make("span", { className: "badge escalated" }, "escalated"));
  const buttons = ["withdraw", "reject", "approve"].map((topic) => {
    const { label } = DECISIONS[topic];
    const button = make("button", { type: "button", className: topic, onclick: () => decide(approval.id, topic) }, label);
    button.setAttribute("aria-label", `${label}: ${approval.title}`);
    button.dataset.topic = topic;
    return button;
  });
  const item = make("li", { className: "card" }, top,
    people(strong(approval.requester), " asks ", strong(approval.waiting_for)),
    ...(approval.note ? [make("p", { className: "note" }, approval.note)] : []),
    make("div", { className: "meter", ariaHidden: "true" }, bar),
    make("div", { className: "bottom" }, asked, make("div", { className: "actions" }, ...buttons)));
  item.tick = () => {
    asked.textContent = facts(approval);
    bar.style.width = `${spent(approval)}%`;
  };
  return item;
}

function row(approval) {
  const by = approval.decided_by ? [" by ", strong(approval.decided_by)] : [];
  const when = make("span", {});
  const item = make("li", {},
    make("div", { className: "top" }, make("h3", {}, approval.title), make("span", { className: `badge ${approval.status}` }, approval.status)),
    people("asked by ", strong(approval.requester), `, ${approval.status}`, ...by, " ", when, ...(approval.why ? [` · ${approval.why}`] : [])));
  item.tick = () => { when.textContent = relative(approval.decided_at); };
  return item;
}

/** Brings the children of `list` in line with `items`, touching only what changed, so that focus and reading places stay. */
function sync(list, items, build) {
  const old = new Map([...list.children].map((child) => [child.dataset.id, child]));
  const wanted = items.map((item) => {
    const known = old.get(item.id);
    if (known && known.dataset.revision === String(item.revision)) return known;
    const focused = known?.contains(document.activeElement) ? document.activeElement.dataset.topic : null;
    const made = build(item);
    made.dataset.id = item.id;
    made.dataset.revision = item.revision;
    if (!known) made.classList.add("is-new");
    if (focused) queueMicrotask(() => made.querySelector(`[data-topic="${focused}"]`)?.focus());
    return made;
  });
  wanted.forEach((child, index) => {
    if (list.children[index] !== child) list.insertBefore(child, list.children[index] ?? null);
  });
  while (list.children.length > wanted.length) list.lastElementChild.remove();
  tick(list);
}

function tick(list) {
  for (const child of list.children) child.tick?.();
}

function show() {
  const all = [...approvals.values()];
  const open = all.filter((it) => OPEN.includes(it.status)).sort((a, b) => a.expires_at.localeCompare(b.expires_at));
  const closed = all.filter((it) => !OPEN.includes(it.status)).sort((a, b) => b.decided_at.localeCompare(a.decided_at));
  sync($("waiting"), open, card);
  sync($("decided"), closed, row);
  $("waiting-count").textContent = open.length;
  $("decided-count").textContent = closed.length;
  $("nothing-waits").hidden = open.length > 0;
  $("nothing-decided").hidden = closed.length > 0;
  document.title = open.length ? `(${open.length}) Approvals` : "Approvals";
}

function showLetters() {
  const items = letters.map((letter) => ({ ...letter, id: `${letter.approval}/${letter.number}/${letter.at}`, revision: 1 }));
  sync($("outbox"), items, (letter) => {
    const when = make("span", { className: "about" });
    const item = make("li", {}, make("p", {}, "to ", make("span", { className: "to" }, letter.to), " · ", when),
      make("p", {}, letter.subject), make("p", { className: "about" }, letter.title));
    item.tick = () => { when.textContent = relative(letter.at); };
    return item;
  });
  $("nothing-sent").hidden = letters.length > 0;
}

// What the server says --------------------------------------------------------------------------------------------------

function connection(state) {
  $("connection").dataset.state = state;
  $("connection").textContent = state;
}

function listen() {
  const events = new EventSource("/approvals/live");
  events.onopen = () => connection("live");
  events.onerror = () => {
    connection("reconnecting");
    if (events.readyState === EventSource.CLOSED) setTimeout(listen, 2000); // refused, as while the host starts
  };
  events.addEventListener("list", ({ data }) => {
    const list = JSON.parse(data);
    approvals.clear();
    for (const approval of list.approvals) approvals.set(approval.id, approval);
    letters = list.letters;
    show();
    showLetters();
  });
  events.addEventListener("approval", ({ data }) => {
    const approval = JSON.parse(data);
    const before = approvals.get(approval.id)?.status;
    approvals.set(approval.id, approval);
    if (before !== approval.status) $("news").textContent = `${approval.title}: ${approval.status}`;
    show();
  });
  events.addEventListener("letter", ({ data }) => {
    letters = [JSON.parse(data), ...letters].slice(0, SHOWN_LETTERS);
    showLetters();
  });
}

// What people say --------------------------------------------------------------------------------------------------------

/** Posts JSON; throws what the server's problem document says. */
async function post(path, body) {
  let response;
  try {
    response = await fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  } catch {
    throw new Error("the server does not answer; try again");
  }
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(answer.detail ?? `the server answers ${response.status}`);
  return answer;
}

/** A form in a dialog: sends once, closes when that went well, else shows the problem. */
function dialog(name, send) {
  const box = $(`${name}-dialog`);
  const form = $(`${name}-form`);
  form.querySelector('[value="close"]').onclick = () => box.close();
  form.onsubmit = async (event) => {
    event.preventDefault();
    const submit = form.querySelector('[type="submit"]');
    const problem = form.querySelector(".problem");
    const given = Object.fromEntries([...new FormData(form)].map(([key, value]) => [key, value.trim()]).filter(([, value]) => value));
    submit.disabled = true;
    problem.textContent = "";
    try {
      await send(given, form);
      box.close();
    } catch (error) {
      problem.textContent = error.message;
    } finally {
      submit.disabled = false;
    }
  };
  return { open() { form.querySelector(".problem").textContent = ""; box.showModal(); }, form };
}

let asking = null; // the id stays the same while the form does, so that asking twice asks once
const newId = () => "r-" + [...crypto.getRandomValues(new Uint8Array(6))].map((byte) => byte.toString(16).padStart(2, "0")).join("");

const ask = dialog("ask", async (request, form) => {
  await post("/approvals", { id: asking, ...request });
  const { requester } = request;
  form.reset();
  form.elements.requester.defaultValue = requester;
});

$("ask").onclick = () => {
  asking = newId();
  ask.open();
};
ask.form.addEventListener("input", () => { asking = newId(); });

const decision = dialog("decide", async ({ by, why }) => {
  await post(`/approvals/${encodeURIComponent(deciding.approval.id)}/${deciding.topic}`, { by, why });
});

function decide(id, topic) {
  const approval = approvals.get(id);
  const { label, who, reason } = DECISIONS[topic];
  deciding = { approval, topic };
  decision.form.reset();
  $("decide-title").textContent = `${label} this request?`;
  $("decide-about").textContent = `${approval.title}, asked for by ${approval.requester}`;
  const names = who(approval);
  decision.form.elements.by.replaceChildren(...names.map((name) => make("option", { selected: name === approval.waiting_for }, name)));
  decision.form.elements.why.required = Boolean(reason);
  $("why-optional").hidden = Boolean(reason);
  $("decide").textContent = label;
  $("decide").className = topic === "withdraw" ? "primary" : topic;
  decision.open();
}

listen();
setInterval(() => ["waiting", "decided", "outbox"].forEach((id) => tick($(id))), 1000);
