// What surrounds each view: brand, navigation, the state of the connection, colours, and who is logged in.

import { h, svg } from "./dom.js";
import { duration } from "./format.js";
import { cut } from "./parts.js";

const ICONS = {
  overview: "M3 12.5V9M8 12.5V3.5M13 12.5V6.5",
  upstreams: "M8 13V4M4.5 7.5L8 4l3.5 3.5M3 2h10",
  alerts: "M4 11V7.5a4 4 0 018 0V11l1 1H3zM6.8 14h2.4",
  keys: "M9.6 6.4a3 3 0 10-2.1 2.9L9.2 11h1.6v1.6h2.4v-2.4L9.4 7.3M5.6 6.4h.1",
  conversations: "M2.5 3.5h11v7h-6L4.5 13v-2.5h-2z",
};
const SHORT = { keys: "Keys" };
const SCHEMES = [["system", "System"], ["light", "Light"], ["dark", "Dark"]];
const STATES = { live: "Live", connecting: "Connecting…", cut: "Cut off, trying again", refused: "Refused, trying again", resting: "Resting while hidden" };
/** Figures older than this are told as old. */
const OLD_MS = 10_000;

export function shell({ session, view, views, range, content }) {
  return [
    h(
      "header",
      { class: "top" },
      h("a", { class: "brand", href: "#/overview" }, h("img", { src: "dashboard/files/icon.svg", alt: "", width: 28, height: 28 }), h("span", {}, "Tidegate")),
      h("p", { class: "connection", id: "connection" }),
      menu(session),
    ),
    h("nav", { class: "views", "aria-label": "Views" }, Object.entries(views).map(([name, { title }]) => link(name, title, { view, range }))),
    h("main", { id: "content", class: `view view-${view}`, tabindex: "-1" }, content),
  ];
}

function link(name, title, { view, range }) {
  const query = name === "overview" && range !== "1h" ? `?range=${range}` : "";
  const short = SHORT[name] ?? title;
  return h(
    "a",
    { href: `#/${name}${query}`, "aria-current": name === view ? "page" : null, "aria-label": title },
    svg("svg", { viewBox: "0 0 16 16", "aria-hidden": "true" }, svg("path", { d: ICONS[name] })),
    h("span", { class: "long" }, title),
    h("span", { class: "short" }, short),
  );
}

function menu({ name, kind }) {
  const chosen = globalThis.tidegateScheme.read();
  return h(
    "details",
    { class: "menu" },
    h("summary", {}, h("span", { class: "unseen" }, "Session and colours: "), h("span", { class: "who-name" }, cut(name || "admin"))),
    h(
      "div",
      { class: "menu-box" },
      h("p", { class: "note" }, "Logged in with ", h("strong", {}, cut(name || "an admin key")), kind === "read_only" ? " (read-only)" : ""),
      h("div", { class: "schemes", role: "group", "aria-label": "Colours" }, SCHEMES.map(([scheme, text]) => h("button", { type: "button", class: "button", "data-act": "scheme", "data-scheme": scheme, "aria-pressed": String(scheme === chosen) }, text))),
      h("button", { type: "button", class: "button", "data-act": "logout" }, "Log out"),
    ),
  );
}

/** Writes the state of the connection, and how old the figures are once they are old. */
export function showConnection({ state, reason, seenAt }) {
  const element = document.getElementById("connection");
  if (!element) return;
  const age = seenAt === null ? null : Date.now() - seenAt;
  const isLive = state === "live" || (state === "connecting" && age !== null && age < OLD_MS);
  const seen = !isLive && age !== null ? `, last seen ${duration(age / 1000)} ago` : "";
  const text = isLive ? STATES.live : `${STATES[state]}${seen}`;
  if (element.textContent !== text) element.textContent = text;
  element.dataset.state = isLive ? "live" : state;
  element.title = (!isLive && reason) || "";
}
