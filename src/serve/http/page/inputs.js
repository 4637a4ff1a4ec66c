// The form of a query's parameters. A field that is left empty has the default; what is written is read by the type, as on the command line.

import { byId, make } from "./tabs.js";
import { header, placeholders } from "./sql.js";

const HELP = {
  date: "a day: 2026-11-20, today, yesterday, start of week -4 weeks",
  timestamp: "an instant: 2026-11-20T09:00:00Z, now, today -30 days",
  duration: "a length of time: 90s, 4h, 2 days",
  "text[]": "texts with commas between",
};

const MOMENTS = new Set(["date", "timestamp"]);

export class Inputs {
  constructor(changed) {
    this.changed = changed;
    this.read = { parameters: [] };
    this.shape = "";
  }

  /** Takes the SQL; fields that stay keep what is written in them. */
  take(sql) {
    const read = header(sql);
    this.read = read;
    const declares = read.parameters.length > 0;
    const parameters = declares ? read.parameters : placeholders(sql).map((name) => ({ name, type: "any", description: "" }));
    this.declares = declares;
    byId("about").hidden = !read.title;
    byId("title").textContent = read.title ?? "";
    byId("description").textContent = read.description ?? "";
    const shape = JSON.stringify(parameters);
    if (shape === this.shape) return;
    const kept = this.written();
    this.shape = shape;
    this.parameters = parameters;
    byId("parameters").hidden = parameters.length === 0;
    byId("inputs").replaceChildren(...parameters.map((parameter) => this.field(parameter, kept[parameter.name])));
  }

  field(parameter, kept) {
    const id = `p-${parameter.name}`;
    const isNull = /^null$/i.test(parameter.default ?? "");
    const quoted = /^'([^]*)'$/.exec(parameter.default ?? "");
    const initial = quoted ? quoted[1].replaceAll("''", "'") : parameter.default;
    const placeholder = parameter.default === undefined ? "must be given" : isNull ? "all" : initial;
    let input;
    if (parameter.type === "boolean") {
      const first = parameter.default === undefined ? "must be given" : isNull ? "not set" : `${initial} (default)`;
      input = make("select", { id }, ...[["", first], ["true", "true"], ["false", "false"]].map(([value, shown]) => make("option", { value }, shown)));
    } else {
      input = make("input", { id, placeholder, spellcheck: false, autocomplete: "off" });
      if (parameter.type === "integer") input.inputMode = "numeric";
      if (parameter.type === "float") input.inputMode = "decimal";
    }
    input.dataset.parameter = parameter.name;
    if (kept !== undefined) input.value = kept;
    input.addEventListener("input", () => this.changed());
    const help = HELP[parameter.type];
    if (help) input.title = help;
    if (MOMENTS.has(parameter.type)) input.setAttribute("list", "moments");
    const says = parameter.description || help;
    if (says) input.setAttribute("aria-describedby", `${id}-help`);
    return make("div", {}, make("label", { htmlFor: id }, `${parameter.name} `, make("small", {}, parameter.type === "any" ? "text, or a number" : parameter.type)), input, says ? make("small", { className: "help", id: `${id}-help` }, says) : null);
  }

  /** What is written in the fields, by name. */
  written() {
    const written = {};
    for (const input of document.querySelectorAll("[data-parameter]")) {
      if (input.value !== "") written[input.dataset.parameter] = input.value;
    }
    return written;
  }

  /** What the server gets: texts, read by their type; where the SQL declares none, numbers are numbers. */
  values() {
    const written = this.written();
    if (this.declares) return written;
    const number = (text) => (/^-?(0|[1-9]\d{0,14})(\.\d+)?$/.test(text.trim()) ? Number(text) : /^(true|false)$/.test(text) ? text === "true" : /^'.*'$/.test(text) ? text.slice(1, -1) : text);
    return Object.fromEntries(Object.entries(written).map(([name, text]) => [name, number(text)]));
  }

  /** Fills the fields. */
  fill(values) {
    for (const input of document.querySelectorAll("[data-parameter]")) input.value = values[input.dataset.parameter] ?? "";
  }
}
