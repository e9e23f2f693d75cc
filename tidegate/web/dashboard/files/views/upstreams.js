// Credentials and targets with their states; a person with a full key suspends and resumes credentials.

import { h } from "../dom.js";
import { button, cut, empty, panel, state, table, time } from "../parts.js";

export const upstreamsView = {
  title: "Upstreams",
  /** A change of these figures means that the listing below is out of date. */
  follows: (overview) => [overview.targets, overview.credentials],
  load: async ({ api }) => api.admin("GET", "upstream"),
  draw({ data, now, canChange }) {
    return [
      h("div", { class: "view-top" }, h("h1", {}, "Upstreams")),
      h("div", { class: "column" }, credentials(data.credentials, now, canChange), targets(data.targets, now)),
    ];
  },
  acts: {
    suspend: (app, { name }) => suspend(app, name),
    resume: (app, { name }) => change(app, name, "resume", `${name} is in use again.`),
  },
};

function credentials(all, now, canChange) {
  const columns = [
    { name: "Credential", cell: ({ name }) => h("strong", {}, cut(name)) },
    { name: "State", cell: (each) => state(each.state) },
    { name: "Why", kind: "wide", cell: why },
    { name: "Since", kind: "number", cell: (each) => time(each.since, now) },
    { name: "Until", kind: "number", cell: (each) => time(each.until, now) },
  ];
  if (canChange) columns.push({ name: "Acts", kind: "acts", cell: acts });
  return panel("credentials", "Credentials", {}, all.length ? table(columns, all, { label: "Credentials", rowId: ({ name }) => name }) : empty("No credential is configured."));
}

function acts({ name, state: present }) {
  return [
    present !== "suspended" && button("suspend", "Suspend", { data: { name }, describes: name }),
    present !== "healthy" && button("resume", "Resume", { kind: "primary", data: { name }, describes: name }),
  ];
}

function targets(all, now) {
  const columns = [
    { name: "Target", cell: ({ name }) => h("strong", {}, cut(name)) },
    { name: "State", cell: (each) => state(each.state) },
    { name: "Why", kind: "wide", cell: why },
    { name: "Since", kind: "number", cell: (each) => time(each.since, now) },
  ];
  return panel("targets", "Targets", {}, all.length ? table(columns, all, { label: "Targets", rowId: ({ name }) => name }) : empty("No route names a target."));
}

function why({ error, message }) {
  return message || error ? [cut(message || error), message && error && h("span", { class: "words" }, cut(error))] : "–";
}

async function suspend(app, name) {
  const question = `No replica uses ${name} until a person resumes it. Calls go to other credentials, or fail if there are none.`;
  if (await app.dialogs.confirm(`Suspend ${name}?`, question, "Suspend")) await change(app, name, "suspend", `${name} is suspended.`);
}

async function change(app, name, act, said) {
  const [provider, ...rest] = name.split("/");
  await app.api.admin("POST", `upstream/credentials/${encodeURIComponent(provider)}/${encodeURIComponent(rest.join("/"))}/${act}`);
  app.say(said);
  await app.reload();
}
