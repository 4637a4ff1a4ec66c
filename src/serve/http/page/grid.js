// The rows of a result as a table of which only what is seen is in the document: a hundred thousand rows scroll like ten.

/** The height of a row, as the style sheet has it. */
const ROW = 32;
/** Rows beyond those that are seen, above and below. */
const SPARE = 12;
/** Rows that the widths of columns are taken from. */
const SAMPLE = 200;
const NARROWEST = 64;
const WIDEST = 360;
/** A cell shows no more of a text than could be seen. */
const SHOWN = 200;

const NUMBERS = /^(tinyint|smallint|integer|bigint|unsigned|real|double|decimal)/;

/** Writes a value as a cell shows it. */
export function text(value) {
  if (value === null) return "";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

export class Grid {
  /** `open` shows a whole value, `say` tells those who hear the page which cell is chosen. */
  constructor(root, open, say) {
    Object.assign(this, { root, open, say });
    this.columns = [];
    this.rows = [];
    this.cell = { row: 0, column: 0 };
    root.addEventListener("scroll", () => this.soon(), { passive: true });
    new ResizeObserver(() => this.soon()).observe(root);
    root.addEventListener("keydown", (event) => this.key(event));
    root.addEventListener("click", (event) => {
      const found = event.target.closest("td");
      if (!found || found.dataset.column === undefined) return;
      const again = found.classList.contains("here");
      this.cell = { row: Number(found.parentElement.dataset.row), column: Number(found.dataset.column) };
      this.paint();
      if (again || event.detail > 1 || event.pointerType === "touch") this.open(this.cell.row, this.cell.column);
    });
  }

  /** Begins a result. */
  begin(columns) {
    this.columns = columns;
    this.rows = [];
    this.cell = { row: 0, column: 0 };
    this.measured = false;
    this.root.scrollTop = 0;
    this.root.scrollLeft = 0;
    const table = document.createElement("table");
    const widths = document.createElement("colgroup");
    this.widths = [null, ...columns].map(() => widths.appendChild(document.createElement("col")));
    const head = table.createTHead().insertRow();
    const corner = document.createElement("th");
    corner.scope = "col";
    corner.className = "n";
    corner.textContent = "#";
    head.append(corner, ...columns.map((column) => {
      const th = document.createElement("th");
      th.scope = "col";
      th.title = `${column.name}: ${column.type}`;
      th.className = NUMBERS.test(column.type) ? "n" : "";
      const kind = document.createElement("small");
      kind.textContent = column.type;
      th.append(column.name, kind);
      return th;
    }));
    table.prepend(widths);
    this.table = table;
    this.body = table.createTBody();
    this.root.replaceChildren(table);
    this.paint();
  }

  /** Takes the next rows. */
  add(rows) {
    for (const row of rows) this.rows.push(row);
    if (!this.measured && this.rows.length >= SAMPLE) this.measure();
    this.soon();
  }

  /** Ends a result. */
  end() {
    if (!this.measured) this.measure();
    this.table.setAttribute("aria-rowcount", String(this.rows.length + 1));
    this.paint();
  }

  measure() {
    this.measured = true;
    const canvas = document.createElement("canvas").getContext("2d");
    const style = getComputedStyle(this.root);
    canvas.font = `${style.fontSize} ${style.fontFamily}`;
    const sample = this.rows.slice(0, SAMPLE);
    const width = (texts) => Math.min(WIDEST, Math.max(NARROWEST, ...texts.map((each) => canvas.measureText(each.slice(0, SHOWN)).width + 30)));
    let all = width([`${Math.max(this.rows.length, 1000)}`]);
    this.widths[0].style.width = `${all}px`;
    this.columns.forEach((column, at) => {
      const each = Math.ceil(width([`${column.name}${"x".repeat(Math.ceil(column.name.length / 8))}`, `${column.type}`, ...sample.map((row) => text(row[at]))]));
      this.widths[at + 1].style.width = `${each}px`;
      all += each;
    });
    this.table.style.width = `${all}px`;
  }

  soon() {
    if (this.asked) return;
    this.asked = true;
    requestAnimationFrame(() => {
      this.asked = false;
      this.paint();
    });
  }

  paint() {
    if (!this.body) return;
    const first = Math.max(0, Math.floor(this.root.scrollTop / ROW) - SPARE);
    const last = Math.min(this.rows.length, Math.ceil((this.root.scrollTop + this.root.clientHeight) / ROW) + SPARE);
    const part = document.createDocumentFragment();
    part.append(this.gap(first));
    for (let at = first; at < last; at += 1) part.append(this.line(at));
    part.append(this.gap(this.rows.length - last));
    this.body.replaceChildren(part);
  }

  gap(rows) {
    const tr = document.createElement("tr");
    tr.className = "gap";
    tr.setAttribute("aria-hidden", "true");
    const td = tr.insertCell();
    td.colSpan = this.columns.length + 1;
    td.style.height = `${rows * ROW}px`;
    tr.hidden = rows <= 0;
    return tr;
  }

  line(at) {
    const tr = document.createElement("tr");
    tr.dataset.row = String(at);
    tr.setAttribute("aria-rowindex", String(at + 2));
    // Stripes go by the row, for what is in the document changes.
    if (at % 2) tr.className = "odd";
    const number = document.createElement("th");
    number.scope = "row";
    number.className = "n";
    number.textContent = String(at + 1);
    tr.append(number);
    this.columns.forEach((column, index) => {
      const td = tr.insertCell();
      td.dataset.column = String(index);
      const value = this.rows[at][index];
      if (value === null) {
        td.className = "nil";
        td.textContent = "null";
      } else {
        td.textContent = text(value).slice(0, SHOWN);
        if (NUMBERS.test(column.type)) td.className = "n";
      }
      if (at === this.cell.row && index === this.cell.column) {
        td.classList.add("here");
      }
    });
    return tr;
  }

  key(event) {
    const { row, column } = this.cell;
    const page = Math.max(1, Math.floor(this.root.clientHeight / ROW) - 2);
    const ends = event.ctrlKey || event.metaKey;
    const to = {
      ArrowDown: [row + 1, column], ArrowUp: [row - 1, column], ArrowRight: [row, column + 1], ArrowLeft: [row, column - 1],
      PageDown: [row + page, column], PageUp: [row - page, column],
      Home: [ends ? 0 : row, 0], End: [ends ? this.rows.length - 1 : row, this.columns.length - 1],
    }[event.key];
    if (this.rows.length === 0) return;
    if (to) {
      event.preventDefault();
      this.cell = { row: Math.min(Math.max(0, to[0]), this.rows.length - 1), column: Math.min(Math.max(0, to[1]), this.columns.length - 1) };
      this.show();
    } else if (event.key === "Enter") {
      event.preventDefault();
      this.open(row, column);
    } else if (ends && event.key === "c" && String(getSelection()) === "") {
      navigator.clipboard?.writeText(text(this.rows[row][column]));
    }
  }

  /** Brings the chosen cell into sight. */
  show() {
    const { root } = this;
    const head = this.table.tHead.offsetHeight;
    const top = this.cell.row * ROW;
    if (top < root.scrollTop) root.scrollTop = top;
    else if (top + ROW + head > root.scrollTop + root.clientHeight - 16) root.scrollTop = top + ROW + head - root.clientHeight + 16;
    this.paint();
    const td = this.body.querySelector(".here");
    if (!td) return;
    const left = td.offsetLeft;
    const fixed = this.table.tHead.rows[0].cells[0].offsetWidth;
    if (left - fixed < root.scrollLeft) root.scrollLeft = left - fixed;
    else if (left + td.offsetWidth > root.scrollLeft + root.clientWidth) root.scrollLeft = left + td.offsetWidth - root.clientWidth;
    const { row, column } = this.cell;
    this.say(`row ${row + 1}, ${this.columns[column].name}: ${text(this.rows[row][column]).slice(0, SHOWN) || "null"}`);
  }
}
