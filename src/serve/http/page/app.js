// The page: asks the server, shows what it says. A question is in the address behind #, so that a link asks it again; a token never is.

import * as api from "./api.js";
import { Chart } from "./chart.js";
import { Editor } from "./editor.js";
import { Grid, text } from "./grid.js";
import { Inputs } from "./inputs.js";
import { Shelf } from "./shelf.js";
import { byId, grouped, instant, make, tabs } from "./tabs.js";

const FIELDS = ["version", "at_time", "as_of", "time_zone"];
const FORMATS = [["csv", "CSV", "csv"], ["xlsx", "Excel", "xlsx"], ["json", "JSON", "json"], ["ndjson", "NDJSON", "ndjson"], ["parquet", "Parquet", "parquet"],
  ["feather", "Arrow file", "arrow"], ["arrow", "Arrow stream", "arrows"], ["tsv", "TSV", "tsv"], ["markdown", "Markdown", "md"], ["svg", "Chart (SVG)", "svg"]];
/** Bytes of an answer that the page holds at most. */
const HELD = 64 * 1024 * 1024;
/** Columns that the table shows at most. */
const SHOWN_COLUMNS = 300;
const FIRST = "select communication_type, count(*) as sessions\nfrom workflow_sessions\ngroup by 1\norder by 2 desc";

const known = { tables: [], columns: [], functions: [], paths: [], parameters: [] };
let running = null;
let answer = null;

const inputs = new Inputs(() => {});
const editor = new Editor({
  area: byId("sql"), ink: byId("ink"), list: byId("offers"), spoken: byId("spoken"), known: () => known, run: () => run(),
  changed: () => {
    inputs.take(editor?.value ?? "");
    known.parameters = inputs.parameters?.map((each) => each.name) ?? [];
    byId("error").hidden = true;
  },
});
const shelf = new Shelf({
  ask: (sql) => {
    stop();
    editor.value = sql;
    if (matchMedia("(max-width: 56rem)").matches) byId("shelf").open = false;
    byId("ask").scrollIntoView({ block: "nearest" });
    run();
  },
  insert: (name) => editor.insert(name),
});
const grid = new Grid(byId("grid"), show, (words) => {
  byId("spoken").textContent = words;
});
const chart = new Chart(async (spec, signal) => (await api.sql({ ...pinned(), chart: spec }, "svg", signal)).text());
const resultTab = tabs(document.querySelector("#result [role=tablist]"), (id) => {
  if (id === "tab-chart" && answer) chart.show();
});

/** What is asked, as the fields have it. */
function question() {
  const asked = { sql: editor.value };
  const params = inputs.values();
  if (Object.keys(params).length > 0) asked.params = params;
  for (const field of FIELDS) {
    const value = byId(field).value.trim();
    if (value !== "") asked[field] = field === "version" && /^\d+$/.test(value) ? Number(value) : value;
  }
  return asked;
}

/** The question of the last answer, at the version and the instant that it was asked of. */
function pinned() {
  if (!answer) return question();
  const { at_time: _, ...asked } = answer.question;
  return { ...asked, version: answer.version, as_of: answer.as_of, time_zone: answer.time_zone };
}

/** Writes a question as what stands behind # in an address. */
function fragment(asked, written) {
  const parts = new URLSearchParams();
  parts.set("sql", asked.sql);
  for (const [name, value] of Object.entries(written)) parts.set(`p.${name}`, value);
  for (const field of FIELDS) if (asked[field] !== undefined) parts.set(field, asked[field]);
  if (chart.drawn || answer?.spec) parts.set("chart", chart.spec);
  if (byId("max_rows").value !== "1000") parts.set("rows", byId("max_rows").value);
  return `#${parts}`;
}

/** Fills the fields from the address; says whether it has a question. */
function restore() {
  const parts = new URLSearchParams(location.hash.slice(1));
  const sql = parts.get("sql");
  if (sql === null) return false;
  editor.value = sql;
  const values = {};
  for (const [name, value] of parts) if (name.startsWith("p.")) values[name.slice(2)] = value;
  inputs.fill(values);
  for (const field of FIELDS) byId(field).value = parts.get(field) ?? "";
  byId("options").open = FIELDS.some((field) => parts.has(field));
  const rows = parts.get("rows");
  byId("max_rows").value = [...byId("max_rows").options].some((option) => option.value === rows) ? rows : "1000";
  restore.chart = parts.get("chart");
  return true;
}

function say(words) {
  byId("said").textContent = words;
}

function fail(error) {
  if (error.status === 401) {
    needLogIn(api.hasToken() ? "" : "Log in again to go on.");
    return;
  }
  const box = byId("error");
  const parts = [];
  if (error.line) {
    const go = make("button", { type: "button", className: "place" }, `Line ${error.line}, column ${error.column}`);
    go.addEventListener("click", () => editor.goTo(error.line, error.column));
    parts.push(go, ": ");
    editor.setMark(error.line, error.column, error.width);
  }
  parts.push(error.message);
  if (error.hint) parts.push(make("span", { className: "hint" }, `Hint: ${error.hint}`));
  box.replaceChildren(...parts);
  box.hidden = false;
}

function busy(on) {
  byId("run").disabled = on;
  byId("download").disabled = on;
  byId("stop").hidden = !on;
  byId("result").setAttribute("aria-busy", String(on));
}

function stop() {
  running?.abort();
  running = null;
  busy(false);
}

async function run() {
  stop();
  byId("error").hidden = true;
  editor.setMark(null);
  const aborted = new AbortController();
  running = aborted;
  busy(true);
  const begun = performance.now();
  const timer = setInterval(() => say(`Running for ${Math.round((performance.now() - begun) / 1000)} s …`), 1000);
  say("Running …");
  const most = Number(byId("max_rows").value);
  const asked = question();
  const written = inputs.written();
  const asks = restore.chart ?? inputs.read.chart;
  restore.chart = null;
  answer = null;
  const mine = () => running === aborted;
  try {
    const response = await api.sql({ ...asked, max_rows: most }, "json", aborted.signal);
    let held = 0;
    const end = await api.rows(response, (head) => {
      if (!mine()) return;
      answer = { ...head, question: asked, written, spec: asks };
      byId("result").hidden = false;
      byId("cut").hidden = true;
      grid.begin(head.columns.slice(0, SHOWN_COLUMNS));
      chart.begin(head.columns, asks);
      byId("origin").textContent = `Version ${grouped(head.version)} of the lake · now() is ${instant(head.as_of)} · ${head.time_zone}`;
    }, (rows, bytes) => {
      if (!mine()) return false;
      grid.add(rows);
      held += bytes;
      return held < HELD;
    });
    if (!mine()) return;
    if (end?.error) throw new api.Refused(0, end.error);
    const rows = grid.rows.length;
    const seconds = ((performance.now() - begun) / 1000).toFixed(2);
    say(`${grouped(rows)} ${rows === 1 ? "row" : "rows"} in ${seconds} s.`);
    const cuts = [];
    if (!end || end.cut) cuts.push(`These are the first ${grouped(rows)} rows: the page asked for no more${end ? "" : " than it can hold"}. A download has all of them, and so does the chart.`);
    if (answer.columns.length > SHOWN_COLUMNS) cuts.push(`The table has the first ${SHOWN_COLUMNS} of ${grouped(answer.columns.length)} columns; a download has all.`);
    byId("cut").textContent = cuts.join("\n");
    byId("cut").hidden = cuts.length === 0;
    const address = fragment(asked, written);
    // The way back leads through what was asked.
    if (address !== location.hash) history.pushState(null, "", address);
  } catch (error) {
    if (!mine() || error.name === "AbortError") return;
    say("");
    fail(error);
    if (answer && grid.rows.length > 0) {
      byId("cut").textContent = `The query ended with an error after these ${grouped(grid.rows.length)} rows.`;
      byId("cut").hidden = false;
    }
    if (!answer) byId("result").hidden = true;
  } finally {
    clearInterval(timer);
    if (answer && mine()) {
      grid.end();
      byId("grid-keys").hidden = grid.rows.length === 0;
      const drawn = asks && grid.rows.length > 0 && !/^table\b/.test(asks);
      resultTab(drawn ? "tab-chart" : "tab-rows");
    }
    if (mine()) {
      running = null;
      busy(false);
    }
  }
}

async function download() {
  const [format, label, ending] = FORMATS.find(([name]) => name === byId("format").value);
  stop();
  const aborted = new AbortController();
  running = aborted;
  busy(true);
  say(`${label}: the server writes …`);
  byId("error").hidden = true;
  try {
    const asked = answer && answer.question.sql === editor.value ? pinned() : question();
    if (format === "svg") asked.chart = chart.spec || undefined;
    const response = await api.sql(asked, format, aborted.signal);
    const blob = await response.blob();
    const link = make("a", { href: URL.createObjectURL(blob), download: `${fileName()}.${ending}` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    say(`${link.download}: ${grouped(blob.size)} bytes.`);
  } catch (error) {
    if (error.name === "AbortError") return;
    say("");
    fail(error.status === undefined ? new api.Refused(0, { message: "the download broke off: the query ended with an error, or a limit of the server was reached" }) : error);
  } finally {
    if (running === aborted) {
      running = null;
      busy(false);
    }
  }
}

function fileName() {
  const title = inputs.read.title ?? "result";
  return title.toLowerCase().replaceAll(/[^\p{L}\p{N}]+/gu, "_").replaceAll(/^_+|_+$/g, "").slice(0, 60) || "result";
}

async function copy(words, done) {
  try {
    await navigator.clipboard.writeText(words);
    say(done);
  } catch {
    // Without the right to the clipboard, or a safe origin, it is shown to be copied.
    byId("cell-name").textContent = "Copy this";
    byId("cell-value").textContent = words;
    byId("cell").showModal();
    getSelection().selectAllChildren(byId("cell-value"));
  }
}

function show(row, column) {
  const value = grid.rows[row]?.[column];
  if (value === undefined) return;
  byId("cell-name").textContent = `${grid.columns[column].name}, row ${grouped(row + 1)}`;
  let shown = value === null ? "null" : text(value);
  if (/^[[{]/.test(shown)) {
    try {
      // Numbers beyond a double would come out changed.
      if (!/\d{16}/.test(shown)) shown = JSON.stringify(JSON.parse(shown), null, 2);
    } catch {
      // What only looks like JSON is shown as it is.
    }
  }
  byId("cell-value").textContent = shown;
  byId("cell").showModal();
}

function needLogIn(words) {
  stop();
  say("");
  byId("work").hidden = true;
  byId("who").hidden = true;
  byId("log-in").hidden = false;
  byId("log-in-error").textContent = words;
  byId("log-in-error").hidden = words === "";
  byId("name").focus();
}

async function start() {
  let about;
  try {
    about = await api.get("/v1/server");
    const [tables, functions, queries] = await Promise.all([api.get("/v1/tables"), api.get("/v1/functions"), api.get("/v1/queries")]);
    byId("log-in").hidden = true;
    byId("work").hidden = false;
    known.tables = tables.tables;
    const columns = new Map();
    for (const table of tables.tables) for (const column of table.columns) if (!columns.has(column.name)) columns.set(column.name, column);
    known.columns = [...columns.values()];
    known.functions = functions.functions;
    shelf.queries(queries.queries);
    shelf.tables(known.tables, []);
    shelf.functions(known.functions);
  } catch (error) {
    if (error.status === 401) {
      needLogIn("");
      return;
    }
    byId("work").hidden = false;
    fail(error);
    return;
  }
  byId("facts").textContent = `${about.version ? `version ${about.version}, ` : ""}reading only`;
  byId("who").hidden = !about.user;
  byId("user").textContent = about.user ?? "";
  byId("time_zone").placeholder = about.time_zone ?? "the server's";
  // These may take longer, and nothing waits for them.
  api.get("/v1/paths").then(({ paths }) => {
    known.paths = paths;
    shelf.tables(known.tables, paths);
  }).catch(() => {});
  api.get("/v1/reports").then(({ runs, offered }) => shelf.runs(runs, offered)).catch(() => shelf.runs([], false));
  if (editor.value === "" || location.hash) {
    if (restore()) run();
    else if (editor.value === "") editor.value = FIRST;
  }
}

byId("log-in-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    await api.logIn(byId("name").value, byId("password").value);
    byId("password").value = "";
    byId("log-in-error").hidden = true;
    await start();
  } catch (error) {
    byId("log-in-error").textContent = [error.message, error.hint].filter(Boolean).join("\n");
    byId("log-in-error").hidden = false;
    byId("password").select();
  }
});
byId("log-out").addEventListener("click", async () => {
  await api.logOut().catch(() => {});
  // What was shown is not for whoever comes next.
  location.replace(location.pathname);
});
byId("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  run();
});
byId("stop").addEventListener("click", () => {
  stop();
  say("Stopped.");
});
byId("download").addEventListener("click", download);
byId("copy-link").addEventListener("click", () => {
  const fresh = answer && answer.question.sql === editor.value;
  const asked = fresh ? pinned() : question();
  copy(location.origin + location.pathname + fragment(asked, fresh ? answer.written : inputs.written()), fresh ? "The link is copied: it asks the same of the same version and instant." : "The link is copied.");
});
byId("cell-copy").addEventListener("click", () => navigator.clipboard?.writeText(byId("cell-value").textContent));
byId("skip").addEventListener("click", (event) => {
  // The address keeps the question.
  event.preventDefault();
  byId("sql").focus();
});
addEventListener("hashchange", () => {
  if (restore()) run();
});
byId("format").replaceChildren(...FORMATS.map(([value, label]) => make("option", { value }, label)));
byId("zones").replaceChildren(...(Intl.supportedValuesOf?.("timeZone") ?? []).map((value) => make("option", { value })));
start();
