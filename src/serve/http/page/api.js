// What the page asks of the server. The token of a log-in is kept for this tab alone, and goes into a header, never into an address.

const TOKEN = "sessionlake.token";
let token = read();

function read() {
  try {
    return sessionStorage.getItem(TOKEN);
  } catch {
    return null;
  }
}

function keep(value) {
  token = value;
  try {
    if (value) sessionStorage.setItem(TOKEN, value);
    else sessionStorage.removeItem(TOKEN);
  } catch {
    // Without storage the log-in lasts until the page is left.
  }
}

/** What the server refused, with the place in the SQL where there is one. */
export class Refused extends Error {
  constructor(status, said) {
    super(said.message ?? `the server answered ${status}`);
    Object.assign(this, { status, hint: said.hint, line: said.line, column: said.column, width: said.width, code: said.code });
  }
}

async function ask(path, options = {}) {
  const headers = { ...options.headers };
  if (token) headers.Authorization = `Bearer ${token}`;
  const { body } = options;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(path, {
      method: body === undefined ? "GET" : "POST", headers, body: body === undefined ? undefined : JSON.stringify(body),
      signal: options.signal, credentials: "same-origin", cache: "no-store", referrerPolicy: "no-referrer",
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused(0, { message: "the server cannot be reached" });
  }
  if (response.ok) return response;
  let said = {};
  try {
    said = (await response.json()).error ?? {};
  } catch {
    // Something between here and the server answered in its own words.
  }
  if (response.status === 401) keep(null);
  throw new Refused(response.status, said);
}

export async function get(path) {
  return (await ask(path)).json();
}

export async function logIn(user, password) {
  const answer = await (await ask("/v1/login", { body: { user, password } })).json();
  keep(answer.token);
}

export async function logOut() {
  try {
    await ask("/v1/logout", { body: {} });
  } finally {
    keep(null);
  }
}

/** Whether this tab is logged in. */
export const hasToken = () => Boolean(token);

export async function sql(question, format, signal) {
  return ask(`/v1/sql?format=${format}`, { body: question, signal });
}

/** Numbers beyond what a double holds stay as they were written. */
function exact(line) {
  if (!/\d{16}/.test(line)) return JSON.parse(line);
  return JSON.parse(line, (_, value, context) => (typeof value === "number" && context?.source && String(value) !== context.source
    && /^-?\d+(\.\d+)?$/.test(context.source) && context.source.length > 15 ? context.source : value));
}

/**
 * Reads an answer as it comes: the server writes its head, each row and its end on lines of their own. `take` gets the head and then lists of rows,
 * and says whether it wants more. Returns the end, or null where `take` had enough.
 */
export async function rows(response, head, take) {
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  let begun = false;
  for (;;) {
    const { done, value } = await reader.read();
    rest += done ? decoder.decode() : decoder.decode(value, { stream: true });
    const lines = rest.split("\n");
    rest = lines.pop();
    const batch = [];
    for (const line of lines) {
      if (!begun) {
        head(JSON.parse(`${line}]}`));
        begun = true;
      } else if (line.startsWith("]")) {
        if (batch.length > 0) take(batch, 0);
        return exact(`{${line.slice(2)}`);
      } else if (line !== "") {
        batch.push(exact(line.endsWith(",") ? line.slice(0, -1) : line));
      }
    }
    if (batch.length > 0 && !take(batch, value?.length ?? 0)) {
      await reader.cancel();
      return null;
    }
    if (done) throw new Refused(0, { message: "the answer broke off" });
  }
}
