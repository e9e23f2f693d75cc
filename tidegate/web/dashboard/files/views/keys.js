// Keys (create, rotate, revoke) and budgets. A secret is shown once.

import { usedBar } from "../chart.js";
import { h } from "../dom.js";
import { money, percent } from "../format.js";
import { amount, button, cut, empty, field, notice, panel, select, state, table, time } from "../parts.js";
import { scopeName } from "../verdict.js";

const PAGE = 100;
const DAY = 86_400;
const OVERLAPS = [["86400", "1 day"], ["3600", "1 hour"], ["604800", "7 days"], ["0", "none: the old secret stops now"]];
const LIFETIMES = [["", "never"], ["30", "in 30 days"], ["90", "in 90 days"], ["365", "in a year"]];
const KINDS = [
  ["caller", "Caller: it calls models"],
  ["admin", "Admin: it may change everything here"],
  ["read_only", "Read-only admin: it sees everything here"],
];

export const keysView = {
  title: "Keys & budgets",
  follows: (overview) => overview.spend?.budgets,
  async load({ api }) {
    const query = { limit: PAGE };
    const [keys, budgets] = await Promise.all([api.admin("GET", "keys", { query }), api.admin("GET", "budgets", { query })]);
    return { keys: page(keys), budgets: page(budgets), isComplete: budgets.is_complete };
  },
  draw({ data, now, canChange }) {
    return [
      h("div", { class: "view-top" }, h("h1", {}, "Keys & budgets"), canChange && button("create", "Create a key", { kind: "primary" })),
      h("div", { class: "column" }, keys(data.keys, now, canChange), budgets(data, now)),
    ];
  },
  acts: {
    create,
    rotate: (app, { id, name }) => rotate(app, id, name),
    revoke: (app, { id, name }) => revoke(app, id, name),
    more: async (app, { list }) => {
      const shown = app.data[list];
      const next = page(await app.api.admin("GET", list, { query: { limit: PAGE, after: shown.last } }));
      app.show({ ...app.data, [list]: { ...next, rows: [...shown.rows, ...next.rows] } });
    },
  },
};

function page({ data, last }) {
  return { rows: data, last };
}

function keys({ rows, last }, now, canChange) {
  const columns = [
    { name: "Key", cell: (key) => [h("strong", {}, cut(key.name || "without a name")), h("span", { class: "words" }, `…${key.hint}`)] },
    { name: "Project", cell: (key) => cut(key.project) },
    { name: "Kind", cell: kindOf },
    { name: "State", cell: (key) => [state(key.state), key.replaced?.state === "valid" && h("span", { class: "words" }, "old secret stops ", time(key.replaced.stops_at, now))] },
    { name: "Budgets", cell: (key) => limitsOf(key.limits) },
    { name: "Last used", kind: "number", cell: (key) => time(key.last_used_at, now) },
    { name: "Expires", kind: "number", cell: (key) => (key.expires_at ? time(key.expires_at, now) : "never") },
  ];
  if (canChange) columns.push({ name: "Acts", kind: "acts", cell: keyActs });
  return panel("keys", "Keys", {}, rows.length ? table(columns, rows, { label: "Keys", rowId: ({ id }) => id }) : empty("There is no key yet."), more("keys", last));
}

function kindOf(key) {
  if (key.read_only) return "read-only admin";
  return key.admin ? "admin" : "caller";
}

function limitsOf(limits) {
  const budgets = ["day", "week", "month"].filter((period) => limits[`budget_${period}_usd`] !== null);
  return budgets.length ? budgets.map((period) => h("span", { class: "block" }, money(limits[`budget_${period}_usd`]), ` a ${period}`)) : "none";
}

function keyActs({ id, name, hint, state: present }) {
  if (present === "revoked") return null;
  const data = { id, name: name || `…${hint}` };
  return [
    present === "active" && button("rotate", "Rotate", { data, describes: data.name }),
    button("revoke", "Revoke", { kind: "danger", data, describes: data.name }),
  ];
}

function budgets({ budgets: { rows, last }, isComplete }, now) {
  const columns = [
    { name: "Budget", cell: budgetName },
    { name: "Period", cell: ({ period }) => period },
    { name: "Spent", kind: "number", cell: (each) => amount(each.spent_usd) },
    { name: "Reserved", kind: "number", cell: (each) => amount(each.reserved_usd) },
    { name: "Limit", kind: "number", cell: (each) => (each.budget_usd === null ? "none" : amount(each.budget_usd)) },
    { name: "Used", kind: "wide", cell: used },
    { name: "Renews", kind: "number", cell: (each) => time(each.renews_at, now) },
  ];
  const rowId = (each) => [each.kind, each.project, each.key_id, each.user, each.tag, each.period].join(" ");
  return panel(
    "budgets",
    "Budgets",
    {},
    !isComplete && notice("warn", "Redis lost its data: these figures are complete again once they are read from the ledger."),
    rows.length ? table(columns, rows, { label: "Budgets", rowId }) : empty("No budget limits the spending."),
    more("budgets", last),
  );
}

function budgetName(each) {
  const name = { key: each.name || each.key_id, user: each.user, tag: each.tag, project: each.project }[each.kind];
  const isBelow = ["key", "user", "tag"].includes(each.kind) && each.project;
  return [h("strong", {}, scopeName(each.kind), name && [" ", cut(name)]), isBelow && h("span", { class: "words" }, "project ", cut(each.project))];
}

function used({ used_ratio: ratio, spent_usd: spent, budget_usd: limit }) {
  if (ratio === null) return "–";
  const share = Number(limit) > 0 ? Number(spent) / Number(limit) : 1;
  const tone = ratio >= 1 ? "bad" : ratio >= 0.8 ? "warn" : "accent";
  return h("div", { class: "used-cell" }, usedBar({ used: share, held: ratio - share, tone, label: `${percent(ratio)} used` }), h("span", { "aria-hidden": "true" }, percent(ratio)));
}

function more(list, last) {
  return last && h("p", { class: "more" }, button("more", "Show more", { data: { list }, describes: list }));
}

async function create(app) {
  const fields = [
    field("project", "Project", { required: true, maxlength: 200, hint: "It is made with its first key." }),
    field("name", "Name", { maxlength: 200, hint: "What uses it, such as a service's name." }),
    field("kind", "Kind", { control: select("kind", KINDS, "caller") }),
    field("lifetime", "Expires", { control: select("lifetime", LIFETIMES, "") }),
    field("budget", "Budget a month in dollars", { inputmode: "decimal", pattern: "[0-9]+([.][0-9]{1,9})?", hint: "Empty for none." }),
  ];
  const send = (values) => app.api.admin("POST", "keys", { body: newKey(values, app.now()) });
  const made = await app.dialogs.form("Create a key", fields, "Create", send);
  if (made) await shown(app, "The new key", made, `Key ${made.name || made.id} was made.`);
}

function newKey({ project, name, kind, lifetime, budget }, now) {
  return {
    project,
    name,
    admin: kind !== "caller",
    ...(kind === "read_only" && { read_only: true }),
    ...(lifetime && { expires_at: now + Number(lifetime) * DAY }),
    ...(budget && { limits: { budget_month_usd: budget } }),
  };
}

async function rotate(app, id, name) {
  const fields = [
    h("p", {}, "The key gets a new secret. Callers that have the old one change over meanwhile."),
    field("overlap", "The old secret stays valid for", { control: select("overlap", OVERLAPS, "86400") }),
  ];
  const send = ({ overlap }) => app.api.admin("POST", `keys/${encodeURIComponent(id)}/rotate`, { body: { overlap_seconds: Number(overlap) } });
  const made = await app.dialogs.form(`Rotate ${name}`, fields, "Rotate", send);
  if (made) await shown(app, `The new secret of ${name}`, made, `Key ${name} has a new secret.`);
}

async function shown(app, title, made, said) {
  app.say(said);
  await app.dialogs.secret(title, made.key);
  await app.reload();
}

async function revoke(app, id, name) {
  const question = "Every replica refuses it within a second. This cannot be undone.";
  if (!(await app.dialogs.confirm(`Revoke ${name}?`, question, "Revoke"))) return;
  await app.api.admin("DELETE", `keys/${encodeURIComponent(id)}`);
  app.say(`Key ${name} is revoked.`);
  await app.reload();
}
