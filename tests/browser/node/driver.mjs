// Drives one Chromium for the tests: a JSON line in for each act, a JSON line out with what came of it.
//
// {"id", "open": {options}} opens a page in a context of its own and gives its number.
// {"id", "page", "call": "keyboard.press", "args": [...]} calls a method of Playwright's page.
// {"id", "page", "seen": true} gives what the page complained of, and the addresses it asked for.
// {"id", "page", "axe": true} gives what axe-core finds.
// {"id", "page", "close": true} closes the page.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const QUIET = ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
const PATIENCE_MS = 60_000;

const browser = await chromium.launch({ executablePath: process.argv[2], chromiumSandbox: false, args: QUIET });
const pages = [];

async function open(options) {
  const context = await browser.newContext({ locale: "en-GB", timezoneId: "Europe/Berlin", ...options });
  context.setDefaultTimeout(PATIENCE_MS);
  const page = await context.newPage();
  const seen = { complaints: [], addresses: [], dialogs: [] };
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && seen.complaints.push(message.text()));
  page.on("pageerror", (error) => seen.complaints.push(String(error.stack ?? error)));
  page.on("request", (request) => seen.addresses.push(request.url()));
  page.on("dialog", (dialog) => {
    seen.dialogs.push(dialog.message());
    dialog.dismiss().catch(() => {});
  });
  return pages.push({ page, context, seen }) - 1;
}

async function examine(page) {
  await page.evaluate(AXE);
  const { violations } = await page.evaluate("axe.run({resultTypes: ['violations']})");
  return violations.map(({ id, impact, help, nodes }) => ({ id, impact, help, nodes: nodes.slice(0, 5).map(({ html }) => html.slice(0, 300)) }));
}

async function act({ open: options, page: number, call, args, seen, axe, close }) {
  if (options) return open(options);
  const { page, context, seen: noticed } = pages[number];
  if (seen) return noticed;
  if (axe) return examine(page);
  if (close) return context.close();
  const path = call.split(".");
  const method = path.pop();
  const value = await path.reduce((object, name) => object[name], page)[method](...args);
  return typeof value === "object" && value?.constructor !== Object && !Array.isArray(value) ? null : value;
}

console.log(JSON.stringify({ ready: browser.version() }));
for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  act(request).then(
    (value) => console.log(JSON.stringify({ id: request.id, value: value ?? null })),
    (error) => console.log(JSON.stringify({ id: request.id, error: String(error.stack ?? error) })),
  );
}
await browser.close();
