// SQL as the page needs it: pieces to colour, what a header declares, the parameters that stand in a text.

/** Words that a query begins its parts with; the others are names. */
export const WORDS = ("all and as asc between by case cross desc distinct else end except exists explain analyze false filter from full group "
  + "having in inner intersect interval is join lateral left like ilike limit not null nulls offset on or order outer over partition right "
  + "select show then timestamptz true union unnest using values when where window with").split(" ");
const KNOWN = new Set(WORDS);

const PIECE = new RegExp([
  String.raw`(?<comment>--[^\n]*|/\*[\s\S]*?(?:\*/|$))`,
  String.raw`(?<text>'[^']*(?:''[^']*)*(?:'|$))`,
  String.raw`(?<quoted>"[^"]*(?:""[^"]*)*(?:"|$))`,
  String.raw`(?<parameter>\$[A-Za-z_]\w*)`,
  String.raw`(?<number>\d[\d_]*(?:\.\d+)?(?:[eE][+-]?\d+)?)`,
  String.raw`(?<name>[\p{L}_][\p{L}\p{N}_$]*)`,
  String.raw`(?<other>\s+|[^])`,
].join("|"), "gu");

/** Cuts SQL into pieces, each with its kind; together they are the text. */
export function* pieces(sql) {
  for (const found of sql.matchAll(PIECE)) {
    const groups = found.groups;
    let kind = Object.keys(groups).find((each) => groups[each] !== undefined);
    if (kind === "name") kind = KNOWN.has(found[0].toLowerCase()) ? "word" : "name";
    yield { kind, text: found[0], at: found.index };
  }
}

/** Reads the comment block at the top: the entries that the page shows, and the parameters. */
export function header(sql) {
  const read = { parameters: [] };
  let open = null;
  for (const line of sql.split(/\r?\n/)) {
    if (line.trim() === "") continue;
    if (!line.startsWith("--")) break;
    const entry = /^--\s?([A-Za-z][\w-]*):\s*(.*)$/.exec(line);
    const more = /^--\s{2,}(\S.*)$/.exec(line);
    if (entry) {
      const [, key, value] = entry;
      open = null;
      if (key.toLowerCase() === "param") {
        const declared = /^([A-Za-z_]\w*)\s+([A-Za-z]+(?:\[\])?)(?:\s*=\s*(.*?))?\s*$/.exec(value);
        if (!declared) continue;
        const parameter = { name: declared[1], type: type(declared[2]), default: declared[3], description: "" };
        read.parameters.push(parameter);
        open = (text) => { parameter.description += (parameter.description ? " " : "") + text; };
      } else {
        const name = key.toLowerCase();
        if (read[name] !== undefined) continue;
        read[name] = value.trim();
        open = (text) => { read[name] += ` ${text}`; };
      }
    } else if (more && open) {
      open(more[1].trim());
    } else {
      open = null;
    }
  }
  return read;
}

/** The usual names of a type are the same type. */
function type(name) {
  const lower = name.toLowerCase();
  const same = { string: "text", varchar: "text", int: "integer", bigint: "integer", double: "float", real: "float", number: "float",
    numeric: "float", bool: "boolean", timestamptz: "timestamp", datetime: "timestamp", interval: "duration", texts: "text[]", list: "text[]" };
  return same[lower] ?? lower;
}

/** Lists the parameters that stand in a text, each once; those of the run are not among them. */
export function placeholders(sql) {
  const names = new Set();
  for (const piece of pieces(sql)) {
    if (piece.kind === "parameter") names.add(piece.text.slice(1));
  }
  names.delete("time_zone");
  names.delete("as_of");
  return [...names];
}

/** Writes a name as SQL needs it. */
export function quoted(name) {
  return /^[a-z_][a-z0-9_]*$/.test(name) || name.startsWith('"') ? name : `"${name.replaceAll('"', '""')}"`;
}

const ARROWS = /(\w+)((?:\s*->>?\s*'[^']*')*)\s*->>?\s*'([^']*)$/;
const STEPS = /json_\w+\(\s*(?:\w+\.)?(\w+)((?:\s*,\s*'[^']*')*)\s*,\s*'([^'$]*)$/i;
const JSON_PATH = /json_\w+\(\s*(?:\w+\.)?(\w+)\s*,\s*'\$((?:\.\w+)*)\.(\w*)$/i;
const OFFERED = 60;

/**
 * What may stand where the cursor is: the place where the word before it begins, and what it may become, each with a note.
 * `known` has tables, columns, functions, paths and parameters.
 */
export function complete(before, known, asked) {
  // What lies far above the cursor says nothing of the word at it, and patterns would be slow there.
  const near = before.slice(-2000);
  const skipped = before.length - near.length;
  for (const [place, end] of [[ARROWS, "'"], [STEPS, "'"], [JSON_PATH, ""]]) {
    const found = place.exec(near);
    if (!found) continue;
    const above = end === "" ? found[2].split(".").slice(1) : [...found[2].matchAll(/'([^']*)'/g)].map((key) => key[1]);
    const keys = new Map();
    for (const path of known.paths) {
      if (path.column !== found[1] || !above.every((key, at) => path.keys[at] === key)) continue;
      const key = path.keys[above.length];
      if (key === undefined || !key.startsWith(found[3]) || key.includes("'")) continue;
      if (!keys.has(key) || path.keys.length === above.length + 1) keys.set(key, path.keys.length === above.length + 1 ? path.types : "{ }");
    }
    const offers = [...keys].sort().slice(0, OFFERED).map(([key, note]) => ({ text: key + end, shown: key, note }));
    return { from: skipped + near.length - found[3].length, offers };
  }
  const word = /[$\p{L}\p{N}_]*$/u.exec(near)[0];
  const from = before.length - word.length;
  const isMember = before[from - 1] === ".";
  if ((word === "" && !isMember && !asked) || inTextOrComment(before)) return { from, offers: [] };
  const lower = word.toLowerCase();
  const begins = (name) => name.toLowerCase().replace(/^"/, "").startsWith(lower) && name !== word;
  const offers = [];
  const seen = new Set();
  const add = (text, note) => {
    if (!seen.has(text) && offers.length < OFFERED) {
      seen.add(text);
      offers.push({ text, shown: text, note });
    }
  };
  if (!isMember) known.parameters.filter((name) => `$${name}`.startsWith(word) && `$${name}` !== word).forEach((name) => add(`$${name}`, "parameter"));
  if (word.startsWith("$")) return { from, offers };
  known.columns.filter((column) => begins(column.name)).forEach((column) => add(quoted(column.name), column.type));
  if (!isMember) {
    known.tables.filter((table) => begins(table.name)).forEach((table) => add(table.name, "table"));
    if (word !== "") {
      known.functions.filter((each) => begins(each.name)).forEach((each) => add(`${each.name}(`, each.syntax));
      const isUpper = word === word.toUpperCase() && word !== lower;
      WORDS.filter(begins).forEach((each) => add(isUpper ? each.toUpperCase() : each, ""));
    }
  }
  return { from, offers };
}

function inTextOrComment(before) {
  let last = null;
  for (const piece of pieces(before.slice(-20_000))) last = piece;
  if (!last) return false;
  if (last.kind === "comment") return true;
  return last.kind === "text" && (last.text.length === 1 || !/'$/.test(last.text));
}
