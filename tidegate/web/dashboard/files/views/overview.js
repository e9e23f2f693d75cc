// What it costs, what fails, and whether it is us or them.

import { bars, shares, usedBar } from "../chart.js";
import { h } from "../dom.js";
import { bytes, count, counted, duration, milliseconds, money, percent, UNKNOWN } from "../format.js";
import { amount, cut, empty, figure, loading, mark, notice, panel, state, table, time, toneOf } from "../parts.js";
import { scopeName, verdict } from "../verdict.js";

const RANGES = [["1h", "1 hour"], ["24h", "24 hours"], ["7d", "7 days"], ["30d", "30 days"]];
const MOST_BUDGETS = 4;
const MOST_UPSTREAMS = 8;
const SIDES = new Map([[true, "this gateway"], [false, "the upstream"], [null, "the caller"]]);
const STORES = [["redis", "Redis"], ["postgresql", "PostgreSQL"]];

export const overviewView = {
  title: "Overview",
  draw({ overview, range, now }) {
    const found = verdict(overview);
    return [
      h("div", { class: "view-top" }, h("h1", {}, "Overview"), ranges(range)),
      verdictLine(found),
      (overview?.degraded ?? []).map(({ text, since }) => notice("warn", text, since ? h("p", { class: "note" }, "Since ", time(since, now)) : null)),
      overview ? h("div", { class: "panels" }, panels(overview, now)) : loading(),
    ];
  },
};

function ranges(chosen) {
  const links = RANGES.map(([value, text]) =>
    h("a", { href: `#/overview?range=${value}`, "aria-current": value === chosen ? "true" : null }, text),
  );
  return h("nav", { class: "ranges", "aria-label": "Range of the figures" }, links);
}

function verdictLine({ tone, sentence, also }) {
  return h(
    "div",
    { class: `verdict tone-${tone}`, id: "verdict" },
    mark(tone === "unknown" ? "none" : tone),
    h("div", {}, h("p", { class: "sentence" }, sentence), also.length > 0 && h("ul", {}, also.slice(0, 5).map((text) => h("li", {}, text)))),
  );
}

function panels(overview, now) {
  return [
    spend(overview, now),
    calls(overview),
    latency(overview.latency),
    errors(overview.calls?.errors ?? [], now),
    cache(overview.cache),
    queue(overview.queue),
    alerts(overview.alerts, now),
    upstreams(overview, now),
    stores(overview),
  ];
}

function spend({ spend: spent, calls: made, at }) {
  if (!spent) return panel("spend", "Spend", {}, unknown());
  const ends = (until, what) => (until ? `${what} ends in ${duration(until - at)}` : null);
  const budgets = [...(spent.budgets ?? [])].sort((one, other) => usedShare(other) - usedShare(one));
  return panel(
    "spend",
    "Spend",
    { aside: spent.zone && h("span", { class: "note", title: "The zone of days and months" }, spent.zone) },
    h(
      "dl",
      { class: "figures-row" },
      figure("Today", amount(spent.today_usd), { id: "spend-today", note: ends(spent.day_ends_at, "day") }),
      figure("This month", amount(spent.month_usd), { id: "spend-month", note: ends(spent.month_ends_at, "month") }),
    ),
    h(
      "dl",
      { class: "lines" },
      line("At this pace, the month ends at", amount(spent.projected_month_usd, { id: "spend-projected" })),
      line("Saved today by the cache", amount(spent.saved_today_usd, { id: "spend-saved" })),
    ),
    cost(made?.series ?? []),
    h("h3", {}, "Limits"),
    budgets.length === 0
      ? empty("No budget limits the spending.")
      : h("ul", { class: "budgets" }, budgets.slice(0, MOST_BUDGETS).map(budget)),
    budgets.length > MOST_BUDGETS && h("p", { class: "more" }, h("a", { href: "#/keys" }, `All ${budgets.length} budgets`)),
  );
}

function usedShare({ spent_usd: spent, held_usd: held, limit_usd: limit }) {
  return Number(limit) > 0 ? (Number(spent) + Number(held ?? 0)) / Number(limit) : 0;
}

function budget(one) {
  const share = Number(one.limit_usd) > 0 ? Number(one.spent_usd) / Number(one.limit_usd) : 0;
  const words = `${money(one.spent_usd)} of ${money(one.limit_usd)} a ${one.period}`;
  return h(
    "li",
    { "data-row": `${one.scope} ${one.name} ${one.period}` },
    h("div", { class: "budget-words" }, h("span", {}, scopeName(one.scope), " ", cut(one.name === null ? "" : one.name)), h("span", { class: "amount" }, words)),
    usedBar({ used: share, held: Number(one.held_usd ?? 0) / Number(one.limit_usd), tone: share >= 1 ? "bad" : share >= 0.8 ? "warn" : "accent", label: `${percent(share)} used` }),
  );
}

function calls({ calls: made }) {
  if (!made) return panel("calls", "Calls", { span: 2 }, unknown());
  const layers = [
    { name: "errors", tone: "bad", value: (point) => point.errors, text: count },
    { name: "answered", tone: "accent", value: (point) => (point.calls ?? 0) - (point.errors ?? 0), text: count },
  ];
  const label = `Calls by time: ${counted(made.total ?? 0, "call")}, of them ${count(made.failed)} failed.`;
  return panel(
    "calls",
    "Calls",
    { span: 2 },
    h(
      "dl",
      { class: "figures-row" },
      figure("All", count(made.total), { id: "calls-total" }),
      figure("Answered", count(made.answered), { id: "calls-answered", note: made.total > 0 ? percent(made.answered / made.total) : null }),
      figure("Refused", count(made.refused), { id: "calls-refused", note: "by limits, before the upstream" }),
      figure("Failed", count(made.failed), { id: "calls-failed" }),
    ),
    bars(made.series ?? [], layers, { label, total: (value) => counted(value, "call") }),
  );
}

function cost(series) {
  if (!series.some((point) => Number(point.cost_usd) > 0)) return null;
  const layers = [{ name: "Cost", tone: "accent", value: (point) => point.cost_usd, text: (value) => money(value) }];
  return bars(series, layers, { label: "Cost by time.", total: (value) => money(value) });
}

function latency(times) {
  if (!times) return panel("latency", "Latency", {}, unknown());
  const rows = [
    ["First content", times.first_content_ms, "first-content"],
    ["Whole answer", times.whole_ms, "whole"],
    ["Our own share", times.gateway_share_ms, "own-share"],
  ];
  const cell = (id, name, times_) => h("td", { class: "number", id: `latency-${id}-${name}` }, milliseconds(times_?.[name]));
  return panel(
    "latency",
    "Latency",
    {},
    h(
      "table",
      { class: "latency", "aria-label": "Latency" },
      h("thead", {}, h("tr", {}, h("td"), h("th", { scope: "col", class: "number" }, "median"), h("th", { scope: "col", class: "number" }, h("abbr", { title: "95 of 100 calls are faster" }, "p95")))),
      h("tbody", {}, rows.map(([name, figures, id]) => h("tr", {}, h("th", { scope: "row" }, name), cell(id, "p50", figures), cell(id, "p95", figures)))),
    ),
  );
}

function errors(all, now) {
  const columns = [
    { name: "Cause", kind: "wide", cell: (each) => [h("strong", {}, cut(each.error)), each.upstream_message && h("span", { class: "words" }, cut(each.upstream_message))] },
    { name: "Target", cell: (each) => cut(each.target) },
    { name: "Whose", cell: (each) => SIDES.get(each.ours ?? null) },
    { name: "Calls", kind: "number", cell: (each) => count(each.count) },
    { name: "Last", kind: "number", cell: (each) => time(each.last_at, now) },
  ];
  const rowId = (each) => `${each.error} ${each.target} ${each.upstream_message}`;
  return panel("errors", "Errors by cause", { span: 2 }, all.length ? table(columns, all, { label: "Errors by cause", rowId }) : empty("No call failed in this range."));
}

function cache(figures) {
  if (!figures) return panel("cache", "Cache", {}, unknown());
  const part = (name, tone, value) => ({ name, tone, value, text: count(value) });
  const parts = [
    part("hits", "accent", figures.hits),
    part("joined", "second", figures.joined),
    part("stale", "warn", figures.stale),
    part("misses", "none", figures.misses),
  ];
  return panel(
    "cache",
    "Cache",
    {},
    h(
      "dl",
      { class: "figures-row" },
      figure("Without an upstream call", percent(figures.hit_share), { id: "cache-share" }),
      figure("Saved", amount(figures.saved_usd), { id: "cache-saved" }),
    ),
    shares(parts, `Of the calls, ${percent(figures.hit_share)} needed no upstream call.`),
  );
}

function queue(waiting) {
  if (!waiting) return panel("queue", "Queue", {}, unknown());
  const lanes = (waiting.lanes ?? []).filter((lane) => lane.waiting > 0);
  return panel(
    "queue",
    "Queue",
    {},
    h(
      "dl",
      { class: "figures-row" },
      figure("Waiting", count(waiting.waiting), { id: "queue-waiting" }),
      figure("Oldest wait", waiting.waiting === 0 ? UNKNOWN : milliseconds(waiting.oldest_wait_ms), { id: "queue-oldest" }),
    ),
    lanes.length > 0
      ? h("dl", { class: "lines" }, lanes.slice(0, 5).map((lane) => line(cut(lane.model), `${count(lane.waiting)} · ${milliseconds(lane.oldest_wait_ms)}`)))
      : waiting.waiting === 0 && empty("No call waits for capacity."),
  );
}

function alerts(all, now) {
  if (!all) return panel("alerts", "Alerts", {}, unknown());
  const rows = all.map((each) =>
    h(
      "li",
      { "data-row": each.name },
      h("div", {}, h("strong", {}, each.name), each.text && h("span", { class: "words" }, cut(each.text))),
      h("div", { class: "right" }, state(each.muted_until ? "muted" : each.state), each.since && h("span", { class: "note" }, time(each.since, now))),
    ),
  );
  const aside = h("a", { href: "#/alerts" }, "Mute");
  return panel("alerts", "Alerts", { aside }, rows.length ? h("ul", { class: "rows" }, rows) : empty("No alert is set up."));
}

function upstreams({ targets, credentials }, now) {
  if (!targets && !credentials) return panel("upstreams", "Upstreams", { span: 2 }, unknown());
  const all = [
    ...(credentials ?? []).map((each) => ({ ...each, what: "credential", id: `${each.provider}/${each.name}` })),
    ...(targets ?? []).map((each) => ({ ...each, what: "target", id: `${each.provider}/${each.model}` })),
  ];
  all.sort((one, other) => worst(one) - worst(other));
  const rows = all.slice(0, MOST_UPSTREAMS).map((each) =>
    h(
      "li",
      { "data-row": `${each.what} ${each.id}` },
      h("div", {}, h("strong", {}, cut(each.id)), h("span", { class: "words" }, each.what, each.reason && [": ", cut(each.reason)])),
      h("div", { class: "right" }, state(each.state), each.until && h("span", { class: "note" }, "until ", time(each.until, now))),
    ),
  );
  const aside = h("a", { href: "#/upstreams" }, all.length > MOST_UPSTREAMS ? `All ${all.length}` : "Suspend or resume");
  return panel("upstreams", "Upstreams", { span: 2, aside }, rows.length ? h("ul", { class: "rows" }, rows) : empty("No route names an upstream."));
}

function worst({ state: name, what }) {
  return { bad: 0, warn: 1, none: 2, good: 3 }[toneOf(name)] * 2 + (what === "target" ? 1 : 0);
}

function stores({ stores: all, replicas }) {
  if (!all) return panel("stores", "Stores", {}, unknown());
  const rows = STORES.map(([name, text]) =>
    h("li", { "data-row": name }, h("div", {}, h("strong", {}, text), h("span", { class: "words" }, all[name]?.used_bytes ? `${bytes(all[name].used_bytes)} used` : "")), h("div", { class: "right" }, state(all[name]?.state ?? "unknown"))),
  );
  return panel(
    "stores",
    "Stores",
    {},
    h("ul", { class: "rows" }, rows),
    h(
      "dl",
      { class: "lines" },
      line("Ledger entries on disk", all.spool?.entries ? `${count(all.spool.entries)} · ${bytes(all.spool.bytes)}` : count(all.spool?.entries)),
      line("The ledger is behind by", all.drain_lag_seconds === null ? UNKNOWN : duration(all.drain_lag_seconds)),
      line("Replicas", count(replicas)),
    ),
  );
}

function line(name, value) {
  return h("div", {}, h("dt", {}, name), h("dd", {}, value));
}

function unknown() {
  return empty("These figures are not known at the moment.");
}
