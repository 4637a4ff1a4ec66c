// The chart of a result. The server draws it, as reports have it: from all rows, also where the table shows fewer.

import { byId, make } from "./tabs.js";

const KINDS = ["bar", "stacked bar", "line", "area", "heat map", "histogram", "number"];
const NUMBERS = /^(tinyint|smallint|integer|bigint|unsigned|real|double|decimal)/;
const TIMES = /^(timestamp|date)/;

const written = (name) => (/[\s,="]/.test(name) || name === "" ? `"${name.replaceAll('"', '""')}"` : name);

export class Chart {
  /** `draw` asks the server for the picture of a chart line. */
  constructor(draw) {
    this.draw = draw;
    byId("kind").replaceChildren(...KINDS.map((kind) => make("option", {}, kind)));
    for (const id of ["kind", "x", "y", "series"]) byId(id).addEventListener("change", () => this.chosen());
    byId("draw").addEventListener("click", () => this.show());
    byId("chart").addEventListener("keydown", (event) => {
      if (event.key === "Enter") {
        event.preventDefault();
        this.show();
      }
    });
    this.clear();
  }

  clear() {
    this.drawn = null;
    this.asked?.abort();
    byId("figure").hidden = true;
    byId("chart-error").hidden = true;
  }

  /** Takes the columns of a result, and the chart that its SQL asks for, if any. */
  begin(columns, spec) {
    this.clear();
    const names = columns.map((column) => column.name);
    const options = () => names.map((name) => make("option", { value: name }, name));
    byId("x").replaceChildren(...options());
    byId("y").replaceChildren(...options());
    byId("series").replaceChildren(make("option", { value: "" }, "none"), ...options());
    const numbers = columns.filter((column) => NUMBERS.test(column.type));
    const x = columns.find((column) => !NUMBERS.test(column.type)) ?? columns[0];
    byId("kind").value = columns.length === 1 && numbers.length === 1 ? "number" : x && TIMES.test(x.type) ? "line" : "bar";
    byId("x").value = x?.name ?? "";
    byId("series").value = "";
    const first = numbers.find((column) => column !== x);
    for (const option of byId("y").options) option.selected = option.value === (first ?? numbers[0])?.name;
    if (spec) {
      byId("chart").value = spec;
      this.read();
    } else {
      this.write();
    }
  }

  /** Chooses what a line says, as far as the fields can say it. */
  read() {
    const { spec } = this;
    const kind = KINDS.find((each) => spec.toLowerCase().replaceAll(/[-_]/g, " ").startsWith(each));
    if (kind) byId("kind").value = kind;
    const value = (key) => {
      const found = new RegExp(`\\b${key}=("(?:[^"]|"")*"|[^\\s]*)`).exec(spec);
      return found ? found[1].replace(/^"|"$/g, "").replaceAll('""', '"') : "";
    };
    const isHeatMap = kind === "heat map";
    byId("x").value = value("x");
    byId("series").value = isHeatMap ? value("y") : value("series");
    const y = value(isHeatMap ? "value" : "y").split(",");
    for (const option of byId("y").options) option.selected = y.includes(option.value);
  }

  /** Writes the line of what is chosen. */
  write() {
    const kind = byId("kind").value;
    const y = [...byId("y").selectedOptions].map((option) => written(option.value)).join(",");
    const x = written(byId("x").value);
    const series = byId("series").value;
    let parts;
    if (kind === "number") parts = [`y=${y}`];
    else if (kind === "histogram") parts = [`x=${x}`];
    else if (kind === "heat map") parts = [`x=${x}`, `y=${written(series || byId("x").value)}`, `value=${y}`];
    else parts = [`x=${x}`, `y=${y}`, series ? `series=${written(series)}` : ""];
    byId("chart").value = [kind, ...parts.filter(Boolean)].join(" ");
  }

  chosen() {
    this.write();
    this.show();
  }

  get spec() {
    return byId("chart").value.trim();
  }

  /** Draws the chart, unless it is drawn already. */
  async show() {
    const { spec } = this;
    if (spec === "" || spec === this.drawn) return;
    this.asked?.abort();
    const asked = new AbortController();
    this.asked = asked;
    byId("chart-error").hidden = true;
    byId("panel-chart").setAttribute("aria-busy", "true");
    try {
      const text = await this.draw(spec, asked.signal);
      // The page has the styles of charts, and its policy allows none inside of a document.
      const bare = text.replaceAll(/<style>[^<]*<\/style>/g, "");
      const svg = new DOMParser().parseFromString(bare, "image/svg+xml").documentElement;
      if (svg.localName !== "svg") throw new Error("the answer is no drawing");
      byId("plot").replaceChildren(document.importNode(svg, true));
      byId("caption").textContent = svg.querySelector("desc")?.textContent ?? "";
      byId("figure").hidden = false;
      this.drawn = spec;
    } catch (error) {
      if (error.name === "AbortError") return;
      byId("figure").hidden = true;
      byId("chart-error").textContent = [error.message, error.hint].filter(Boolean).join("\n");
      byId("chart-error").hidden = false;
    } finally {
      if (this.asked === asked) byId("panel-chart").removeAttribute("aria-busy");
    }
  }
}
