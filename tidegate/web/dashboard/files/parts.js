// The parts that several views share: panels, tables, states, times, amounts, buttons.

import { h, svg } from "./dom.js";
import { exactMoney, moment, money, relative, unixSeconds, UNKNOWN } from "./format.js";

const WORDS = {
  closed: "in use",
  open: "paused after failures",
  half_open: "being tried",
  out_of_quota: "out of quota",
};
const TONES = {
  good: ["ok", "closed", "healthy", "active", "well", "delivered", "valid"],
  warn: ["limited", "half_open", "muted", "expired", "degraded", "unknown", "waiting"],
  bad: ["away", "open", "out_of_quota", "invalid", "firing", "revoked", "failed"],
};
const MARKS = { good: "M3 8.5l3.2 3L13 5", warn: "M8 3.5v5.5M8 12v.5", bad: "M4 4l8 8M12 4l-8 8", none: "M4 8h8" };

/** A panel with its heading. */
export function panel(id, title, { span, aside } = {}, ...content) {
  return h(
    "section",
    { class: `panel${span ? ` span-${span}` : ""}`, id: `panel-${id}`, "aria-labelledby": `${id}-title` },
    h("div", { class: "panel-top" }, h("h2", { id: `${id}-title` }, title), aside),
    content,
  );
}

/** A large figure with its caption. */
export function figure(caption, value, { title, note, id } = {}) {
  return h("div", { class: "figure" }, h("dt", {}, caption), h("dd", { title, id }, value), note && h("dd", { class: "note" }, note));
}

/** An amount of dollars, with all its digits in the title. */
export function amount(usd, attributes = {}) {
  return h("span", { class: "amount", title: exactMoney(usd), ...attributes }, money(usd));
}

/** A time as people say it, with date and time in the title. `tickTimes` keeps it current. */
export function time(at, now) {
  const seconds = unixSeconds(at);
  if (seconds === null) return UNKNOWN;
  const attributes = { datetime: new Date(seconds * 1000).toISOString(), title: moment(seconds), "data-at": seconds };
  return h("time", attributes, relative(seconds, now));
}

/** Writes all relative times anew. */
export function tickTimes(root, now) {
  for (const each of root.querySelectorAll("time[data-at]")) {
    const text = relative(Number(each.dataset.at), now);
    if (each.textContent !== text) each.textContent = text;
  }
}

/** A text of a caller or an upstream: in one line, cut with the whole in the title. */
export function cut(text, attributes = {}) {
  if (text === null || text === undefined || text === "") return UNKNOWN;
  return h("span", { class: "cut", title: shortTitle(text), ...attributes }, String(text).slice(0, 300));
}

function shortTitle(text) {
  const whole = String(text);
  return whole.length > 1000 ? `${whole.slice(0, 1000)}…` : whole;
}

/** A state with its mark, so that colour is not all that tells it. */
export function state(name, { title } = {}) {
  const tone = toneOf(name);
  return h("span", { class: `state tone-${tone}`, title }, mark(tone), WORDS[name] ?? String(name ?? UNKNOWN).replaceAll("_", " "));
}

export function toneOf(name) {
  return Object.keys(TONES).find((tone) => TONES[tone].includes(name)) ?? "none";
}

/** The mark of a tone. */
export function mark(tone) {
  return svg("svg", { class: "mark", viewBox: "0 0 16 16", "aria-hidden": "true" }, svg("path", { d: MARKS[tone] ?? MARKS.none }));
}

/** A button for an act of the view; `data` is what the act gets. */
export function button(act, label, { kind = "plain", data = {}, describes, disabled } = {}) {
  const given = Object.fromEntries(Object.entries(data).map(([name, value]) => [`data-${name}`, value]));
  const name = describes ? `${label}: ${shortTitle(describes).slice(0, 120)}` : null;
  return h("button", { type: "button", class: `button ${kind}`, "data-act": act, "aria-label": name, disabled, ...given }, label);
}

/**
 * A table that becomes a list of cards on a narrow screen. Columns: {name, cell(row), kind}; a kind is "number",
 * "wide" or "acts". The roles are said again, because laying the rows out as blocks takes them away.
 */
export function table(columns, rows, { label, rowId }) {
  const head = columns.map(({ name, kind }) =>
    h("th", { role: "columnheader", scope: "col", class: kind }, kind === "acts" ? h("span", { class: "unseen" }, name) : name),
  );
  const body = rows.map((row) =>
    h("tr", { role: "row", "data-row": rowId?.(row) }, columns.map(({ name, cell, kind }) => h("td", { role: "cell", class: kind, "data-name": name }, cell(row)))),
  );
  return h(
    "table",
    { role: "table", class: "stack", "aria-label": label },
    h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, head)),
    h("tbody", { role: "rowgroup" }, body),
  );
}

/** What stands where there is nothing to show. */
export function empty(text) {
  return h("p", { class: "empty" }, text);
}

/** A note: degraded, forbidden, failed. */
export function notice(tone, text, ...more) {
  return h("div", { class: `notice tone-${tone}` }, mark(tone === "none" ? "warn" : tone), h("p", {}, text), more);
}

export function loading() {
  return h("p", { class: "empty loading" }, "Loading…");
}

/** A labelled field of a form. */
export function field(id, label, { hint, control, ...attributes } = {}) {
  const described = hint ? { "aria-describedby": `${id}-hint` } : {};
  return h(
    "div",
    { class: "field" },
    h("label", { for: id }, label),
    control ?? h("input", { id, name: id, autocomplete: "off", spellcheck: "false", ...described, ...attributes }),
    hint && h("p", { class: "hint", id: `${id}-hint` }, hint),
  );
}

/** A list to choose from: [value, text] pairs. */
export function select(id, options, chosen) {
  return h("select", { id, name: id }, options.map(([value, text]) => h("option", { value, selected: value === chosen }, text)));
}
