// The SQL box: a text area with its text in colours behind it, completions below the cursor, and the place of an error marked.

import { complete, pieces } from "./sql.js";

/** A longer text stays without colours, so that typing is never slow. */
const COLOURED = 60_000;

export class Editor {
  constructor({ area, ink, list, spoken, known, changed, run }) {
    Object.assign(this, { area, ink, list, spoken, known, changed, run });
    this.mark = null;
    this.offers = [];
    this.chosen = -1;
    this.from = 0;
    area.addEventListener("input", () => {
      this.mark = null;
      this.paint();
      this.changed();
      this.offer(false);
    });
    area.addEventListener("scroll", () => this.align());
    area.addEventListener("keydown", (event) => this.key(event));
    area.addEventListener("blur", () => this.close());
    area.addEventListener("click", () => this.close());
    list.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      const item = event.target.closest("[role=option]");
      if (item) this.take(Number(item.dataset.at));
    });
    new ResizeObserver(() => this.align()).observe(area);
  }

  get value() {
    return this.area.value;
  }

  set value(text) {
    this.area.value = text;
    this.mark = null;
    this.close();
    this.area.rows = Math.min(14, Math.max(8, text.split("\n").length + 1));
    this.area.style.height = "";
    this.area.scrollTop = 0;
    this.area.scrollLeft = 0;
    this.paint();
    this.changed();
  }

  /** Marks characters at a line and a column, both from 1. */
  setMark(line, column, width) {
    this.mark = line ? { line, column, width: Math.max(1, width || 1) } : null;
    this.paint();
  }

  /** Puts the cursor at a place. */
  goTo(line, column) {
    const at = this.offset(line, column);
    this.area.focus();
    this.area.setSelectionRange(at, at);
    this.area.scrollTop = Math.max(0, (line - 4) * this.lineHeight());
  }

  /** Writes a text at the cursor. */
  insert(text) {
    const { area } = this;
    area.focus();
    // This way the browser can undo it.
    if (!document.execCommand("insertText", false, text)) {
      area.setRangeText(text, area.selectionStart, area.selectionEnd, "end");
      area.dispatchEvent(new Event("input"));
    }
    this.close();
  }

  /** Columns count characters, as people do, and not the units of a text in a browser. */
  offset(line, column) {
    const lines = this.area.value.split("\n");
    let at = 0;
    for (let each = 0; each < line - 1 && each < lines.length; each += 1) at += lines[each].length + 1;
    return at + [...(lines[line - 1] ?? "")].slice(0, column - 1).join("").length;
  }

  paint() {
    const text = this.area.value;
    const painted = document.createDocumentFragment();
    let begin = -1;
    let end = -1;
    if (this.mark) {
      begin = this.offset(this.mark.line, this.mark.column);
      const lineEnd = text.indexOf("\n", begin);
      end = Math.min(this.offset(this.mark.line, this.mark.column + Math.min(this.mark.width, 10_000)), lineEnd < 0 ? text.length : lineEnd);
      if (end <= begin) end = begin + 1;
    }
    const add = (kind, part) => {
      if (part === "") return;
      if (kind === "other" || kind === "name") {
        painted.append(part);
        return;
      }
      const span = document.createElement(kind === "mark" ? "mark" : "span");
      if (kind !== "mark") span.className = `of-${kind}`;
      span.textContent = part;
      painted.append(span);
    };
    const all = text.length > COLOURED ? [{ kind: "other", text, at: 0 }] : pieces(text);
    for (const piece of all) {
      const from = Math.max(0, begin - piece.at);
      const to = Math.min(piece.text.length, end - piece.at);
      if (begin < 0 || from >= piece.text.length || to <= 0) {
        add(piece.kind, piece.text);
      } else {
        add(piece.kind, piece.text.slice(0, from));
        add("mark", piece.text.slice(from, to));
        add(piece.kind, piece.text.slice(to));
      }
    }
    // An error at the very end has no character of its own.
    if (begin >= text.length) add("mark", " ");
    painted.append("\n ");
    this.ink.replaceChildren(painted);
    this.align();
  }

  align() {
    // The text area's bars take of its room, and the text behind must scroll as far as its own.
    this.ink.style.width = `${this.area.clientWidth}px`;
    this.ink.style.height = `${this.area.clientHeight}px`;
    this.ink.scrollTop = this.area.scrollTop;
    this.ink.scrollLeft = this.area.scrollLeft;
  }

  lineHeight() {
    return parseFloat(getComputedStyle(this.area).lineHeight) || 20;
  }

  offer(asked) {
    const { area } = this;
    if (area.selectionStart !== area.selectionEnd) {
      this.close();
      return;
    }
    const before = area.value.slice(0, area.selectionStart);
    const { from, offers } = complete(before, this.known(), asked);
    if (offers.length === 0) {
      this.close();
      if (asked) this.spoken.textContent = "nothing to offer";
      return;
    }
    this.from = from;
    this.offers = offers;
    this.list.replaceChildren(...offers.map((each, at) => {
      const item = document.createElement("li");
      item.id = `offer-${at}`;
      item.dataset.at = String(at);
      item.setAttribute("role", "option");
      const name = document.createElement("span");
      name.textContent = each.shown;
      const note = document.createElement("small");
      note.textContent = each.note ?? "";
      item.append(name, note);
      return item;
    }));
    this.list.hidden = false;
    this.choose(asked ? 0 : -1);
    this.place(before);
    this.spoken.textContent = `${offers.length} completions`;
  }

  /** Puts the list below the cursor, or above it where there is no room. */
  place(before) {
    const { area, list } = this;
    const style = getComputedStyle(area);
    const line = before.split("\n").length - 1;
    const canvas = this.canvas ??= document.createElement("canvas").getContext("2d");
    canvas.font = `${style.fontSize} ${style.fontFamily}`;
    const shown = before.slice(Math.max(before.lastIndexOf("\n") + 1, 0), this.from).replaceAll("\t", "    ");
    const x = parseFloat(style.paddingLeft) + canvas.measureText(shown).width - area.scrollLeft;
    const y = parseFloat(style.paddingTop) + (line + 1) * this.lineHeight() - area.scrollTop;
    list.style.left = `${Math.max(4, Math.min(x, area.clientWidth - list.offsetWidth - 4))}px`;
    list.style.top = `${Math.min(y, area.offsetHeight) + 4}px`;
  }

  choose(at) {
    this.chosen = at;
    for (const [index, item] of [...this.list.children].entries()) item.setAttribute("aria-selected", String(index === at));
    if (at < 0) {
      this.area.removeAttribute("aria-activedescendant");
      return;
    }
    this.area.setAttribute("aria-activedescendant", `offer-${at}`);
    this.list.children[at].scrollIntoView({ block: "nearest" });
  }

  take(at) {
    const offer = this.offers[at];
    if (!offer) return;
    const { area } = this;
    area.setSelectionRange(this.from, area.selectionStart);
    this.insert(offer.text);
  }

  close() {
    this.list.hidden = true;
    this.offers = [];
    this.chosen = -1;
    this.area.removeAttribute("aria-activedescendant");
  }

  key(event) {
    const ctrl = event.ctrlKey || event.metaKey;
    if (ctrl && event.key === "Enter") {
      event.preventDefault();
      this.close();
      this.run();
    } else if (ctrl && event.key === " ") {
      event.preventDefault();
      this.offer(true);
    } else if (!this.list.hidden && !ctrl && !event.altKey) {
      const count = this.offers.length;
      if (event.key === "ArrowDown") this.choose((this.chosen + 1) % count);
      else if (event.key === "ArrowUp") this.choose(this.chosen <= 0 ? count - 1 : this.chosen - 1);
      else if (event.key === "Escape") this.close();
      else if (event.key === "Tab" && !event.shiftKey) this.take(Math.max(0, this.chosen));
      else if (event.key === "Enter" && this.chosen >= 0) this.take(this.chosen);
      else return;
      event.preventDefault();
    }
  }
}
