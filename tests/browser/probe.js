// Looks at a page from inside, in a copy that may run scripts, and sends what it finds to the page around it.
"use strict";
const problems = [];
const say = (text) => { if (problems.length < 40) problems.push(text); };
const name = (element) => {
  const text = (element.textContent || "").trim().slice(0, 40);
  return `<${element.tagName.toLowerCase()} class="${element.getAttribute("class") || ""}"> ${JSON.stringify(text)}`;
};

// Colours as red, green, blue and opacity.
const parse = (text) => {
  const parts = (text.match(/[\d.]+/g) || []).map(Number);
  return parts.length < 3 ? null : { rgb: parts.slice(0, 3), alpha: parts.length > 3 ? parts[3] : 1 };
};
const blend = (over, under) => over.rgb.map((value, index) => value * over.alpha + under[index] * (1 - over.alpha));
const luminance = (rgb) => {
  const [red, green, blue] = rgb.map((value) => {
    const part = value / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
};
const contrast = (one, other) => {
  const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
};
const background = (element) => {
  const layers = [];
  for (let at = element; at; at = at.parentElement) {
    const color = parse(getComputedStyle(at).backgroundColor);
    if (color && color.alpha > 0) layers.push(color);
    if (color && color.alpha === 1) break;
  }
  return layers.reverse().reduce((under, over) => blend(over, under), [255, 255, 255]);
};
// What a text in a drawing stands on: the last shape before it that holds its middle.
const ground = (text) => {
  const box = text.getBoundingClientRect();
  const [x, y] = [box.left + box.width / 2, box.top + box.height / 2];
  let found = background(text.ownerSVGElement);
  for (const shape of text.ownerSVGElement.querySelectorAll("rect")) {
    if (shape.compareDocumentPosition(text) & Node.DOCUMENT_POSITION_PRECEDING) break;
    const area = shape.getBoundingClientRect();
    const fill = parse(getComputedStyle(shape).fill);
    if (fill && area.left <= x && x <= area.right && area.top <= y && y <= area.bottom) found = blend(fill, found);
  }
  return found;
};
const checkContrast = () => {
  const seen = new Set();
  let least = 21;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || seen.has(element) || ["SCRIPT", "STYLE", "title", "desc"].includes(element.tagName)) continue;
    seen.add(element);
    const style = getComputedStyle(element);
    const box = element.getBoundingClientRect();
    if (box.width < 2 || style.visibility === "hidden" || style.display === "none") continue;
    const drawn = element.ownerSVGElement != null;
    const color = parse(drawn ? style.fill : style.color);
    const under = drawn ? ground(element) : background(element);
    if (!color) { say(`no colour: ${name(element)}`); continue; }
    const ratio = contrast(blend(color, under), under);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    least = Math.min(least, ratio);
    if (ratio < (large ? 3 : 4.5)) say(`contrast ${ratio.toFixed(2)}: ${name(element)}`);
  }
  for (const shape of document.querySelectorAll(".chart .f, .chart .l")) {
    const style = getComputedStyle(shape);
    const color = parse(shape.classList.contains("l") ? style.stroke : style.fill);
    const ratio = color ? contrast(color.rgb, background(shape.ownerSVGElement)) : 0;
    if (ratio < 3) say(`contrast of a mark ${ratio.toFixed(2)}: ${shape.getAttribute("class")}`);
  }
  return { texts: seen.size, least: least.toFixed(2) };
};
const checkWidth = () => {
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth > width) say(`the page is ${document.documentElement.scrollWidth} wide in ${width}`);
  for (const element of document.body.querySelectorAll("*")) {
    if (element.closest(".scroll, .plot, pre, .sr, .skip") && !element.matches(".scroll, .plot, pre")) continue;
    if (element.closest(".index thead")) continue;
    const box = element.getBoundingClientRect();
    if (box.width > 0 && box.right > width + 1) say(`reaches to ${box.right.toFixed(0)} of ${width}: ${name(element)}`);
  }
};
const checkStructure = () => {
  const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
  if (new Set(ids).size !== ids.length) say("an id is there twice");
  for (const link of document.querySelectorAll("a[href]")) {
    const address = link.getAttribute("href");
    if (address.startsWith("#") && !document.getElementById(address.slice(1))) say(`a link to nowhere: ${address}`);
    if (!link.textContent.trim()) say(`a link without a name: ${address}`);
  }
  for (const table of document.querySelectorAll(".report table")) {
    if (!table.caption || !table.caption.textContent.trim()) say("a table without a caption");
  }
  for (const header of document.querySelectorAll("th")) if (!header.scope) say(`a header without scope: ${name(header)}`);
  for (const drawing of document.querySelectorAll("svg")) {
    const words = (part) => (drawing.querySelector(`:scope > ${part}`)?.textContent || "").trim();
    if (drawing.getAttribute("role") !== "img" || !words("title") || !words("desc")) say("a drawing without a text");
    const frame = drawing.getBoundingClientRect();
    for (const part of drawing.querySelectorAll("text, rect, circle, path")) {
      const box = part.getBoundingClientRect();
      if (box.left < frame.left - 1.5 || box.right > frame.right + 1.5 || box.top < frame.top - 1.5 || box.bottom > frame.bottom + 1.5) {
        say(`outside of its drawing: ${name(part)} in ${JSON.stringify(words("title"))}`);
      }
    }
    const labels = [...drawing.querySelectorAll("text")].map((text) => [text, text.getBoundingClientRect()]);
    labels.forEach(([text, one], index) => labels.slice(index + 1).forEach(([other, two]) => {
      const across = Math.min(one.right, two.right) - Math.max(one.left, two.left);
      const down = Math.min(one.bottom, two.bottom) - Math.max(one.top, two.top);
      if (across > 1 && down > 4) say(`texts over each other: ${name(text)} and ${name(other)} in ${JSON.stringify(words("title"))}`);
    }));
  }
  const scrolls = [...document.querySelectorAll(".scroll, .plot")].filter((box) => box.scrollWidth > box.clientWidth + 1);
  for (const box of scrolls) if (box.tabIndex !== 0) say(`a box that scrolls but has no focus: ${name(box)}`);
};
addEventListener("load", () => {
  const state = {
    width: innerWidth,
    height: document.documentElement.scrollHeight,
    dark: matchMedia("(prefers-color-scheme: dark)").matches,
    fetched: performance.getEntriesByType("resource").map((entry) => entry.name),
  };
  checkWidth();
  state.contrast = checkContrast();
  checkStructure();
  state.problems = problems;
  parent.postMessage(state, "*");
});
