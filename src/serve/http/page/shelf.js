// The lists beside the SQL box: queries, tables, functions, runs of reports.

import { byId, instant, make, tabs } from "./tabs.js";
import { quoted } from "./sql.js";

const item = (search, ...children) => make("li", { "data-search": search.toLowerCase() }, ...children);

export class Shelf {
  constructor({ ask, insert }) {
    this.ask = ask;
    this.insert = insert;
    this.show = tabs(document.querySelector("aside [role=tablist]"), () => this.filter());
    byId("filter").addEventListener("input", () => this.filter());
    // On a narrow screen the lists would push the question away.
    if (matchMedia("(max-width: 56rem)").matches) byId("shelf").open = false;
  }

  queries(queries) {
    const list = make("ul");
    for (const query of queries) {
      const pick = make("button", { type: "button", className: "pick", "data-query": query.id }, make("b", {}, query.title), make("small", { title: query.description }, query.description));
      pick.addEventListener("click", () => this.ask(query.sql));
      list.append(item(`${query.id} ${query.title} ${query.description}`, pick));
    }
    this.fill("queries", list, queries.length, "No queries ship with this server.");
  }

  tables(tables, paths) {
    const list = make("ul");
    for (const table of tables) {
      const inside = make("div");
      const ask = make("button", { type: "button", className: "quiet" }, "First rows");
      ask.addEventListener("click", () => this.ask(`select * from ${table.name} limit 100`));
      const columns = make("ul", { className: "columns" });
      for (const column of table.columns) {
        const pick = make("button", { type: "button", className: "pick", title: "Write it into the SQL" }, make("code", {}, column.name), " ", make("span", { className: "kind" }, column.type), make("small", {}, column.meaning));
        pick.addEventListener("click", () => this.insert(quoted(column.name)));
        columns.append(make("li", {}, pick));
      }
      inside.append(ask, columns);
      const search = `${table.name} ${table.meaning} ${table.columns.map((column) => `${column.name} ${column.meaning}`).join(" ")}`;
      list.append(item(search, make("details", {}, make("summary", {}, make("code", {}, table.name), make("small", {}, table.meaning)), inside)));
    }
    if (paths.length > 0) {
      const columns = make("ul", { className: "columns" });
      for (const path of paths.slice(0, 500)) {
        const pick = make("button", { type: "button", className: "pick", title: "Write it into the SQL" }, make("code", {}, `${path.column} ${path.path}`), " ", make("span", { className: "kind" }, path.types), make("small", {}, path.sessions === null ? "" : `in ${path.sessions.toLocaleString("en-US")} sessions`));
        const steps = path.keys.map((key) => `'${key.replaceAll("'", "''")}'`);
        const last = steps.pop();
        pick.addEventListener("click", () => this.insert([path.column, ...steps].join("->") + (last === undefined ? "" : `->>${last}`)));
        columns.append(make("li", {}, pick));
      }
      const note = make("small", {}, paths.length > 500 ? `the 500 most frequent of ${paths.length.toLocaleString("en-US")}; the others are in lake_json_paths` : "what the JSON of this lake holds");
      list.append(item(paths.map((path) => path.path).join(" "), make("details", {}, make("summary", {}, make("code", {}, "JSON paths"), note), make("div", {}, columns))));
    }
    this.fill("tables", list, tables.length, "There are no tables.");
  }

  functions(functions) {
    const list = make("ul");
    for (const each of functions) {
      const pick = make("button", { type: "button", className: "pick", title: "Write it into the SQL" }, make("code", {}, each.syntax || each.name), make("small", {}, each.meaning));
      pick.addEventListener("click", () => this.insert(`${each.name}(`));
      list.append(item(`${each.name} ${each.meaning}`, pick));
    }
    this.fill("functions", list, functions.length, "There are no functions.");
  }

  runs(runs, offered) {
    const list = make("ul");
    for (const run of runs) {
      const link = make("a", { href: run.page, target: "_blank", rel: "noopener noreferrer" }, run.title);
      const about = [run.window, run.folder, `version ${run.version}`, run.privacy === "redacted" ? "masked" : ""].filter(Boolean).join(" · ");
      const state = run.failed > 0 ? ["bad", `${run.failed} failed`] : run.checks > 0 ? ["warn", `${run.checks} checks do not hold`] : ["good", `${run.reports} reports`];
      list.append(item(`${run.title} ${run.folder} ${run.window ?? ""}`, make("div", { className: "run-of" }, link, " ", make("span", { className: `badge ${state[0]}` }, state[1]), make("small", {}, `as of ${instant(run.as_of)}`), make("small", {}, about))));
    }
    this.fill("reports", list, runs.length, offered ? "There are no runs of reports yet." : "This server shows no reports: it was started without a folder of them.");
  }

  fill(panel, list, count, nothing) {
    byId(`panel-${panel}`).replaceChildren(count > 0 ? list : make("p", { className: "muted" }, nothing), make("p", { className: "muted none", hidden: true }, "Nothing here has this text."));
    this.filter();
  }

  filter() {
    const text = byId("filter").value.trim().toLowerCase();
    for (const panel of document.querySelectorAll("aside [role=tabpanel]")) {
      const items = [...panel.querySelectorAll(":scope > ul > li")];
      for (const each of items) each.hidden = !each.dataset.search.includes(text);
      const none = panel.querySelector(".none");
      if (none) none.hidden = items.length === 0 || items.some((each) => !each.hidden);
    }
  }

  /** Marks the query whose text this is. */
  current(sql) {
    for (const pick of document.querySelectorAll("[data-query]")) pick.setAttribute("aria-current", String(pick.dataset.query === sql));
  }
}
