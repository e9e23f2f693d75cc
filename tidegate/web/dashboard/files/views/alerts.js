// The three alerts, what became of their messages, and for how long none is sent.

import { h } from "../dom.js";
import { count } from "../format.js";
import { button, cut, empty, notice, panel, state, table, time } from "../parts.js";

const MUTES = [["1 hour", 3600], ["8 hours", 8 * 3600], ["24 hours", 24 * 3600]];
const NAMES = { slow: "Slow answers", errors: "Failing calls", cost: "Cost" };
const FAULTS = { gateway: "this gateway", upstream: "the upstream", account: "the account at the upstream", budget: "a budget" };

export const alertsView = {
  title: "Alerts",
  follows: (overview) => overview.alerts,
  load: async ({ api }) => api.admin("GET", "alerts"),
  draw({ data, now, canChange }) {
    return [
      h("div", { class: "view-top" }, h("h1", {}, "Alerts")),
      data.muted_until && notice("warn", h("span", {}, "Muted: no message is sent until ", time(data.muted_until, now), ".")),
      h("div", { class: "panels three" }, data.alerts.map((each) => alert(each, now))),
      h("div", { class: "column" }, messages(data, canChange), deliveries(data.deliveries, now)),
    ];
  },
  acts: {
    mute: (app, { seconds }) => send(app, "mute", { seconds: Number(seconds) }, "The alerts are muted."),
    unmute: (app) => send(app, "unmute", undefined, "The alerts send messages again."),
    test: (app) => send(app, "test", undefined, "A test message is on its way."),
  },
};

function alert(each, now) {
  const present = !each.is_enabled ? "off" : each.is_firing ? "firing" : "well";
  return panel(
    `alert-${each.alert}`,
    NAMES[each.alert] ?? each.alert,
    { aside: state(present) },
    h("p", { class: "lead" }, each.what ? cut(each.what) : each.is_enabled ? "It has not fired yet." : "It is switched off in the configuration."),
    each.fault && h("p", {}, `The cause is on the side of ${FAULTS[each.fault] ?? each.fault}.`),
    each.causes.length > 0 && h("ul", { class: "causes" }, each.causes.map((cause) => h("li", {}, cut(cause)))),
    each.since && h("p", { class: "note" }, "Since ", time(each.since, now)),
  );
}

function messages({ muted_until: mutedUntil, channels }, canChange) {
  const acts = [
    MUTES.map(([text, seconds]) => button("mute", `Mute for ${text}`, { data: { seconds } })),
    mutedUntil && button("unmute", "Unmute", { kind: "primary" }),
    channels.length > 0 && button("test", "Send a test message"),
  ];
  return panel(
    "messages",
    "Messages",
    {},
    h("p", {}, channels.length ? ["Alerts are sent to ", channels.join(", "), "."] : "No channel is configured, so alerts show here and in the metrics only."),
    canChange && h("div", { class: "acts" }, acts),
  );
}

function deliveries(all, now) {
  const columns = [
    { name: "Message", kind: "wide", cell: ({ title }) => cut(title) },
    { name: "Channel", cell: ({ channel }) => cut(channel) },
    { name: "State", cell: delivered },
    { name: "Tries", kind: "number", cell: ({ attempts }) => count(attempts) },
    { name: "Made", kind: "number", cell: (each) => time(each.made_at, now) },
  ];
  return panel("deliveries", "Newest messages", {}, all.length ? table(columns, all, { label: "Newest messages", rowId: ({ id, channel }) => `${id} ${channel}` }) : empty("No message was sent yet."));
}

function delivered({ delivered_at: at, last_error: error }) {
  return [state(at ? "delivered" : "waiting"), !at && error && h("span", { class: "words" }, cut(error))];
}

async function send(app, act, body, said) {
  await app.api.admin("POST", `alerts/${act}`, { body });
  app.say(said);
  await app.reload();
}
