// A form from a JSON Schema, and the text of the JSON value that it says. The server judges it by the schema; what has no field of its own is JSON.
import { html } from "./vendor/lit-html/lit-html.js";

let made = 0;

const typeOf = (schema) => (Array.isArray(schema?.type) ? schema.type.find((type) => type !== "null") : schema?.type);
const isPlain = (schema) => schema && typeof schema === "object" && !schema.$ref && !schema.oneOf && !schema.anyOf && !schema.allOf;

function sortOf(schema) {
  if (!isPlain(schema)) return "json";
  if (Array.isArray(schema.enum)) return "enum";
  const type = typeOf(schema);
  if (type === "object" && schema.properties && Object.keys(schema.properties).length) return "object";
  return { string: "string", integer: "number", number: "number", boolean: "boolean" }[type] ?? "json";
}

/** A field is a node: `render()`, and `read()` which gives its value, or undefined where it was left empty. Raises what is no JSON. */
function field(schema, name, required) {
  const id = `field-${++made}`;
  const hint = schema?.description ? html`<span class="hint" id=${`${id}-hint`}>${schema.description}</span>` : "";
  const label = schema?.title ?? name;
  const input = () => document.getElementById(id);
  const start = schema?.default;
  const row = (control) => html`<div class="field"><label for=${id}>${label}${required ? html` <span aria-hidden="true">*</span>` : ""}</label>${control}${hint}</div>`;
  const blank = required ? "" : html`<option value="" ?selected=${start === undefined}></option>`;
  const sort = sortOf(schema);
  if (sort === "object") return object(schema, label, required, hint);
  if (sort === "boolean") {
    const control = html`<select id=${id} ?required=${required}>${blank}
      <option value="true" ?selected=${start === true}>yes</option><option value="false" ?selected=${start === false || (required && start !== true)}>no</option></select>`;
    return { render: () => row(control), read: () => (input().value === "" ? undefined : input().value === "true") };
  }
  if (sort === "enum") {
    const control = html`<select id=${id} ?required=${required}>${blank}
      ${schema.enum.map((choice, index) => html`<option value=${index} ?selected=${choice === start}>${typeof choice === "string" ? choice : JSON.stringify(choice)}</option>`)}</select>`;
    return { render: () => row(control), read: () => (input().value === "" ? undefined : schema.enum[Number(input().value)]) };
  }
  if (sort === "number") {
    const control = html`<input id=${id} type="number" step=${typeOf(schema) === "integer" ? "1" : "any"} ?required=${required} value=${start ?? ""}>`;
    return { render: () => row(control), read: () => (input().value === "" ? undefined : Number(input().value)) };
  }
  if (sort === "string") {
    const control = html`<input id=${id} type="text" ?required=${required && schema.minLength !== 0 && schema.minLength !== undefined} value=${start ?? ""} autocomplete="off">`;
    return { render: () => row(control), read: () => (input().value === "" && !required ? undefined : input().value) };
  }
  const control = html`<textarea id=${id} rows="4" spellcheck="false" ?required=${required}>${start === undefined ? "" : JSON.stringify(start, null, 2)}</textarea>`;
  return { render: () => row(html`<span class="hint">JSON</span>${control}`), read: () => parsed(input().value, label) };
}

function parsed(text, label) {
  if (!text.trim()) return undefined;
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`${label} is no JSON: ${error.message}`);
  }
}

function object(schema, label, isRequired, hint) {
  const names = Object.keys(schema.properties);
  const required = new Set(schema.required ?? []);
  const fields = names.map((name) => [name, field(schema.properties[name], name, isRequired && required.has(name))]);
  return {
    render: () => html`<fieldset><legend>${label}</legend>${hint}${fields.map(([, one]) => one.render())}</fieldset>`,
    read() {
      const given = fields.map(([name, one]) => [name, one.read()]).filter(([, said]) => said !== undefined);
      return given.length || isRequired ? Object.fromEntries(given) : undefined;
    },
  };
}

/** A form for a value of the schema (null: any value). `text()` is its JSON, undefined for none; raises what cannot be said. */
export function form(schema, label) {
  const open = schema === null || schema === undefined;
  const asFields = open ? null : field(schema, label, true);
  const asJson = field({}, label, false);
  let json = open || sortOf(schema) === "json";
  const only = json;
  return {
    render: (draw) => html`${(json ? asJson : asFields).render()}
      ${only ? "" : html`<p><button type="button" class="link" @click=${() => { json = !json; draw(); }}>${json ? "Fill in fields" : "Write JSON"}</button></p>`}`,
    text() {
      const given = (json ? asJson : asFields).read();
      return given === undefined ? undefined : JSON.stringify(given);
    },
  };
}
