// "Is it us or them?": one sentence from the figures. Pure.
//
// A finding is {side, tone, sentence}. side: "us" (this gateway and its stores), "them" (a provider), "money" (a budget
// or an account without quota), "callers", or "none". tone: "bad" (calls fail now), "warn" (some do, or will), "good".

import { counted, duration, money, percent } from "./format.js";

const RECENT_SECONDS = 600;
/** The share of recent calls that fail, from which it is an outage, and from which it is worth a word. */
const OUTAGE = 0.2;
const SOME = 0.02;
const LONG_WAIT_MS = 30_000;
const STORES = { redis: "Redis", postgresql: "PostgreSQL" };
const BUDGET_ERRORS = new Set(["budget_exceeded", "budget_reserved"]);
const ACCOUNT_STATES = { out_of_quota: "has no quota left", invalid: "is refused as invalid" };
const RANK = { bad: 0, warn: 1, good: 2, unknown: 3 };

/** Returns the finding to show first, with the further sentences in `also`. */
export function verdict(overview) {
  if (!overview) return { side: "none", tone: "unknown", sentence: "Waiting for the first figures.", also: [] };
  const findings = [
    ...awayStores(overview),
    ...usedBudgets(overview),
    ...accounts(overview),
    ...failures(overview),
    ...targets(overview),
    ...queue(overview),
  ];
  findings.sort((one, other) => RANK[one.tone] - RANK[other.tone]);
  const [first = healthy(overview), ...others] = findings;
  return { ...first, also: others.map((finding) => finding.sentence) };
}

function awayStores({ at, degraded, stores }) {
  const away = new Map((degraded ?? []).map((each) => [each.store, each.since]));
  for (const name of Object.keys(STORES)) {
    if (stores?.[name]?.state === "away" && !away.has(name)) away.set(name, null);
  }
  return [...away].map(([name, since]) => {
    const how = since === null || since === undefined ? "" : ` for ${duration(at - since)}`;
    return { side: "us", tone: "bad", sentence: `It is us: our ${STORES[name] ?? name} is away${how}.` };
  });
}

function usedBudgets({ at, spend }) {
  return (spend?.budgets ?? [])
    .filter((budget) => Number(budget.limit_usd) > 0 && Number(budget.spent_usd) >= Number(budget.limit_usd))
    .map((budget) => ({ side: "money", tone: "bad", sentence: usedBudget(budget, at) }));
}

function usedBudget({ scope, name, period, limit_usd: limit, ends_at: endsAt }, at) {
  const whose = name ? ` of ${scopeName(scope)} ${quoted(name)}` : "";
  const renewal = endsAt ? `; it renews in ${duration(endsAt - at)}` : "";
  return `Budget used up: ${money(limit)} a ${period}${whose}${renewal}.`;
}

export function scopeName(scope) {
  return { all: "everything", end_user: "end user", user: "end user" }[scope] ?? scope;
}

function accounts({ credentials }) {
  return (credentials ?? [])
    .filter(({ state }) => state in ACCOUNT_STATES)
    .map(({ provider, name, state, reason }) => {
      const rest = reason ? `: ${quoted(reason)}` : "";
      const sentence = `The credential ${shortened(`${provider}/${name}`)} ${ACCOUNT_STATES[state]}${rest}.`;
      return { side: "money", tone: "warn", sentence };
    });
}

/** Recent failures, by whose they are: the most frequent error of each side speaks for it. */
function failures(overview) {
  const { calls, failed } = recentCalls(overview);
  const since = overview.at - recentSeconds(overview);
  const recent = (overview.calls?.errors ?? []).filter((each) => each.last_at === null || each.last_at >= since);
  const share = calls > 0 ? failed / calls : 0;
  if (share < SOME || recent.length === 0) return [];
  const tone = share >= OUTAGE ? "bad" : "warn";
  return ["us", "them", "callers"]
    .map((side) => recent.filter((each) => sideOf(each) === side))
    .filter((errors) => errors.length > 0)
    .map((errors) => errors.reduce((most, each) => (each.count > most.count ? each : most)))
    .sort((one, other) => other.count - one.count)
    .map((error) => ({ side: sideOf(error), tone: toneOf(error, tone), sentence: failure(error, share) }));
}

function sideOf({ error, ours }) {
  if (BUDGET_ERRORS.has(error)) return "money";
  return ours === true ? "us" : ours === false ? "them" : "callers";
}

/** What callers do wrong is no outage. */
function toneOf(error, tone) {
  return sideOf(error) === "callers" ? "warn" : tone;
}

function failure(error, share) {
  const words = quoted(error.upstream_message || error.error);
  const who = shortened(providerOf(error.target) || "The upstream");
  if (sideOf(error) === "us") return `It is us: ${percent(share)} of the calls fail with ${words}.`;
  if (sideOf(error) === "them") return `It is them: ${who} refuses or fails ${percent(share)} of the calls: ${words}.`;
  return `Callers send what is refused: ${words}.`;
}

function recentSeconds({ calls }) {
  const [first, second] = calls?.series ?? [];
  return Math.max(RECENT_SECONDS, first && second ? second.at - first.at : 0);
}

function recentCalls(overview) {
  const since = overview.at - recentSeconds(overview);
  const points = (overview.calls?.series ?? []).filter((point) => point.at >= since);
  return points.reduce(
    (sum, point) => ({ calls: sum.calls + (point.calls ?? 0), failed: sum.failed + (point.errors ?? 0) }),
    { calls: 0, failed: 0 },
  );
}

function targets({ targets: all }) {
  const open = (all ?? []).filter(({ state }) => state === "open");
  if (open.length === 0) return [];
  const names = open.slice(0, 3).map(({ provider, model }) => shortened(`${provider}/${model}`));
  const rest = open.length > 3 ? ` and ${open.length - 3} more` : "";
  const tone = open.length === all.length ? "bad" : "warn";
  return [{ side: "them", tone, sentence: `It is them: ${names.join(", ")}${rest} failed so often that calls go elsewhere.` }];
}

function queue({ queue: waiting }) {
  if (!waiting || !(waiting.oldest_wait_ms >= LONG_WAIT_MS)) return [];
  const oldest = duration(waiting.oldest_wait_ms / 1000);
  return [{ side: "them", tone: "warn", sentence: `${counted(waiting.waiting, "call")} in the queue, the oldest for ${oldest}.` }];
}

function healthy({ calls, range }) {
  const over = { "1h": "in the last hour", "24h": "in the last 24 hours", "7d": "in the last 7 days", "30d": "in the last 30 days" };
  const when = over[range] ?? "";
  if (calls?.total === null || calls?.total === undefined) {
    return { side: "none", tone: "good", sentence: "All is well as far as the figures go; the calls are not known." };
  }
  if (calls.total === 0) return { side: "none", tone: "good", sentence: `All is well. No calls ${when}.` };
  const answered = percent(calls.answered / calls.total);
  return { side: "none", tone: "good", sentence: `All is well: ${counted(calls.total, "call")} ${when}, ${answered} answered.` };
}

function providerOf(target) {
  return target ? String(target).split("/")[0] : "";
}

function quoted(text) {
  return `“${shortened(String(text).replace(/[.\s]+$/, ""))}”`;
}

/** A caller or an upstream may send 10 kB; the sentence stays one. */
function shortened(text) {
  const letters = [...String(text)];
  return letters.length > 120 ? `${letters.slice(0, 119).join("")}…` : letters.join("");
}
