// Tabs that arrows go through, and small makers of elements.

/** Makes an element with properties and children. */
export function make(name, properties, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties ?? {})) {
    if (value === undefined || value === null) continue;
    if (key in element && key !== "list") element[key] = value;
    else element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child !== undefined && child !== null && child !== ""));
  return element;
}

export const byId = (id) => document.getElementById(id);

/** Writes a whole number with groups. */
export const grouped = (number) => number.toLocaleString("en-US");

/** Writes an instant without parts of seconds. */
export const instant = (text) => text.replace(/\.\d+/, "");

/** Makes a list of tabs work; returns what shows one of them. */
export function tabs(list, shown) {
  const all = [...list.querySelectorAll("[role=tab]")];
  const show = (tab) => {
    for (const each of all) {
      const on = each === tab;
      each.setAttribute("aria-selected", String(on));
      each.tabIndex = on ? 0 : -1;
      byId(each.getAttribute("aria-controls")).hidden = !on;
    }
    shown?.(tab.id);
  };
  for (const [at, tab] of all.entries()) {
    tab.addEventListener("click", () => show(tab));
    tab.addEventListener("keydown", (event) => {
      const to = { ArrowRight: at + 1, ArrowLeft: at - 1 + all.length, Home: 0, End: all.length - 1 }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      const next = all[to % all.length];
      next.focus();
      show(next);
    });
  }
  return (id) => show(byId(id));
}
