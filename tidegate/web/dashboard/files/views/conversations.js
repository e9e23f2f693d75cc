// Stored conversations: search, then read one in pages.

import { h } from "../dom.js";
import { count } from "../format.js";
import { button, cut, empty, field, panel, time } from "../parts.js";

const PAGE = 30;
const KINDS = { chain: "chain of responses", completion: "stored completion", conversation: "conversation", found: "" };

export const conversationsView = {
  title: "Conversations",
  async load({ api, route }) {
    const [id] = route.rest;
    if (id) return { ...(await read(api, route)), id };
    return { ...(await list(api, route)), id: null };
  },
  draw({ data, now, route }) {
    return data.id === null ? listing(data, now, route) : reading(data, now);
  },
  acts: {
    async more(app) {
      const { api, data, route } = app;
      const more = await (data.id === null ? list : read)(api, route, data.next);
      app.show({ ...data, next: more.next, rows: [...data.rows, ...more.rows] });
    },
  },
  submits: {
    search: (app, { query, project }) => app.go("conversations", { query: query.trim(), project: project.trim() }),
  },
};

async function list(api, { query }, before) {
  const wanted = { query: query.get("query"), project: query.get("project"), limit: PAGE, before };
  const { data, next_before: next } = await api.admin("GET", "conversations", { query: wanted });
  return { rows: data, next };
}

async function read(api, { rest: [id], query }, after) {
  const wanted = { project: query.get("project"), limit: PAGE, after };
  const { items, last, ...about } = await api.admin("GET", `conversations/${encodeURIComponent(id)}`, { query: wanted });
  return { rows: items, next: last, about };
}

function listing({ rows, next }, now, { query }) {
  const words = query.get("query") ?? "";
  const project = query.get("project") ?? "";
  return [
    h("div", { class: "view-top" }, h("h1", {}, "Conversations")),
    h(
      "form",
      { class: "search", role: "search", "data-form": "search", "data-row": `${words} ${project}` },
      field("query", "Words", { type: "search", value: words, maxlength: 1000, placeholder: 'all of them, "a phrase", or, -without' }),
      field("project", "Project", { value: project, maxlength: 200, placeholder: "all" }),
      h("button", { type: "submit", class: "button primary" }, "Search"),
    ),
    panel(
      "results",
      words ? "Found" : "Newest",
      {},
      rows.length ? h("ul", { class: "rows" }, rows.map((row) => entry(row, now))) : empty(words ? "No conversation has these words." : "No conversation is stored yet."),
      next && h("p", { class: "more" }, button("more", "Show older")),
    ),
  ];
}

function entry({ id, project, kind, at, items, end_user: endUser, excerpt }, now) {
  const size = items === null ? "" : `${count(items)} items`;
  const address = `#/conversations/${encodeURIComponent(id)}?${new URLSearchParams({ project })}`;
  return h(
    "li",
    { "data-row": `${project} ${id}` },
    h(
      "div",
      {},
      h("a", { class: "talk", href: address }, kind === "found" ? marked(excerpt) : excerpt || id),
      h("span", { class: "words" }, cut([project, endUser, KINDS[kind] ?? kind, size].filter(Boolean).join(" · "))),
    ),
    h("div", { class: "right note" }, time(at, now)),
  );
}

/** The words that match stand between ** and **. */
function marked(text) {
  return String(text).split("**").map((part, index) => (index % 2 ? h("mark", {}, part) : part));
}

function reading({ id, about, rows, next }, now) {
  const where = [about.project, KINDS[about.kind] ?? about.kind, id].filter(Boolean).join(" · ");
  const parent = about.parent && `#/conversations/${encodeURIComponent(about.parent)}?${new URLSearchParams({ project: about.project })}`;
  return [
    h("div", { class: "view-top" }, h("h1", {}, "Conversation"), h("a", { href: "#/conversations" }, "All conversations")),
    h("p", { class: "note" }, cut(where), " · ", time(about.created_at, now)),
    parent && h("p", {}, "It goes on from ", h("a", { href: parent }, "an earlier conversation"), "."),
    h("ol", { class: "reading" }, rows.map((row) => item(row, now))),
    rows.length === 0 && empty("This conversation has no items, or they have expired."),
    next && h("p", { class: "more" }, button("more", "Show more")),
  ];
}

function item({ n, role, type, output, text, at, is_cut: isCut }, now) {
  return h(
    "li",
    { class: `said ${output ? "by-model" : "by-caller"}`, "data-row": n },
    h("p", { class: "who" }, h("strong", {}, cut(role ?? type)), " ", time(at, now)),
    h("div", { class: "text" }, text),
    isCut && h("p", { class: "note" }, "Cut here: the whole is in the export."),
  );
}
