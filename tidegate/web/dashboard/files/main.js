// The page at /dashboard: session, address, views and the stream of figures. Each view is a module in views/.

import { Api } from "./api.js";
import { Dialogs } from "./dialogs.js";
import { h, patch } from "./dom.js";
import { loading, notice, tickTimes, button } from "./parts.js";
import { shell, showConnection } from "./shell.js";
import { OverviewStream } from "./stream.js";
import { verdict } from "./verdict.js";
import { alertsView } from "./views/alerts.js";
import { conversationsView } from "./views/conversations.js";
import { keysView } from "./views/keys.js";
import { loginPage, loginProblem } from "./views/login.js";
import { overviewView } from "./views/overview.js";
import { upstreamsView } from "./views/upstreams.js";

const VIEWS = { overview: overviewView, upstreams: upstreamsView, alerts: alertsView, keys: keysView, conversations: conversationsView };
const RANGES = ["1h", "24h", "7d", "30d"];
const SESSION_ENDED = "The session has ended. Log in again to go on where you were.";

class App {
  constructor() {
    this.api = new Api(() => this._endSession());
    this.dialogs = new Dialogs();
    this.session = null;
    this.overview = null;
    this.data = null;
    this.problem = null;
    this.route = null;
    this._range = "1h";
    this._skew = 0;
    this._connection = { state: "connecting", seenAt: null };
    this._login = {};
    this._loads = 0;
    this._running = new WeakSet();
    this._stream = new OverviewStream({
      onOverview: (overview) => this._take(overview),
      onGone: () => this._endSession(),
      onState: (state, reason) => this._connected(state, reason),
    });
  }

  async start() {
    addEventListener("hashchange", () => this._follow());
    document.addEventListener("click", (event) => this._click(event));
    document.addEventListener("keydown", (event) => event.key === "Escape" && closeMenus(null));
    document.addEventListener("submit", (event) => this._submit(event));
    setInterval(() => this._tick(), 1000);
    await this._enter();
  }

  /** The gateway's time in Unix seconds: the viewer's clock may be off. */
  now() {
    return Date.now() / 1000 + this._skew;
  }

  get canChange() {
    return this.session?.kind === "full";
  }

  /** Says something to a person who does not see the page. */
  say(text) {
    document.getElementById("said").textContent = text;
  }

  /** Opens a view by its address. */
  go(view, query = {}) {
    const filled = Object.entries(query).filter(([, value]) => value);
    location.hash = `#/${view}${filled.length ? `?${new URLSearchParams(filled)}` : ""}`;
  }

  /** Shows other data in the present view. */
  show(data) {
    this.data = data;
    this._draw();
  }

  /** Loads the present view's data again; what is shown stays until it is there. */
  async reload() {
    const view = VIEWS[this.route.view];
    if (!view.load) return this._draw();
    const load = ++this._loads;
    try {
      const data = await view.load(this);
      if (load === this._loads) this._show(data, null);
    } catch (error) {
      if (load === this._loads && this.session) this._show(this.data, error);
    }
  }

  _show(data, problem) {
    this.data = data;
    this.problem = problem;
    this._draw();
  }

  async _enter() {
    try {
      this.session = await this.api.session();
    } catch (error) {
      this._login = { problem: error.message };
    }
    if (this.session) this._follow();
    else this._drawLogin();
  }

  _follow() {
    if (!this.session) return;
    const before = this.route;
    this.route = routeOf(location.hash);
    if (this.route.view === "overview") this._range = this.route.range;
    this._stream.open(this._range);
    const isSame = before && before.text === this.route.text;
    if (!isSame) {
      this.data = null;
      this.problem = null;
    }
    this._draw();
    if (before && before.view !== this.route.view) {
      document.getElementById("content").focus({ preventScroll: true });
      scrollTo(0, 0);
    }
    this.reload();
  }

  _take(overview) {
    const before = this.overview;
    this._skew = overview.at - Date.now() / 1000;
    this._connection.seenAt = Date.now();
    if (overview.range !== this._range) return;
    this.overview = overview;
    this._sayVerdict(before, overview);
    const { follows, load } = VIEWS[this.route.view];
    if (load && follows && before && JSON.stringify(follows(before)) !== JSON.stringify(follows(overview))) this.reload();
    this._draw();
  }

  /** A screen reader hears of the verdict when it changes its kind, not of each figure. */
  _sayVerdict(before, overview) {
    const now = verdict(overview);
    const then = verdict(before);
    if (now.tone !== then.tone || now.side !== then.side) this.say(now.sentence);
  }

  _connected(state, reason) {
    Object.assign(this._connection, { state, reason });
    if (this.session) showConnection(this._connection);
  }

  _tick() {
    if (!this.session || document.hidden) return;
    showConnection(this._connection);
    if (Math.floor(Date.now() / 1000) % 5 === 0) tickTimes(document.getElementById("page"), this.now());
  }

  _draw() {
    const { view } = this.route;
    document.title = `${VIEWS[view].title} · Tidegate`;
    patch(document.getElementById("page"), shell({ session: this.session, view, views: VIEWS, range: this._range, content: this._content() }));
    showConnection(this._connection);
  }

  _content() {
    const view = VIEWS[this.route.view];
    const { data, overview, route, canChange } = this;
    const isReady = !view.load || data !== null;
    const drawn = isReady ? view.draw({ data, overview, route, range: this._range, now: this.now(), canChange }) : null;
    return [
      this.session.kind === "read_only" && notice("none", "This key is read-only: it sees everything and changes nothing, so there are no buttons to change things."),
      this.problem && notice("bad", this.problem.message, button("again", "Try again")),
      drawn ?? (this.problem ? null : [h("h1", {}, view.title), loading()]),
    ];
  }

  async _click(event) {
    closeMenus(event.target);
    const pressed = event.target.closest?.("[data-act]");
    if (!pressed) return;
    const { act, ...data } = pressed.dataset;
    if (act === "skip") {
      event.preventDefault(); // its address is for pages without a script; here the address names the view
      document.getElementById("content")?.focus();
    }
    if (!this.session) return;
    const own = { again: () => this.reload(), logout: () => this._logOut(), scheme: () => this._chooseScheme(data.scheme) };
    const run = own[act] ?? VIEWS[this.route.view].acts?.[act];
    if (run) await this._busy(pressed, () => run(this, data));
  }

  async _busy(pressed, run) {
    if (this._running.has(pressed)) return;
    this._running.add(pressed); // not disabled, which would lose the focus
    this.problem = null;
    try {
      await run();
    } catch (error) {
      if (!this.session) return;
      this.problem = error;
      this.say(error.message);
    } finally {
      this._running.delete(pressed);
    }
    if (this.session) this._draw();
  }

  async _submit(event) {
    const name = event.target.dataset?.form;
    if (!name) return;
    event.preventDefault();
    const values = Object.fromEntries(new FormData(event.target));
    if (name === "login") await this._logIn(values.key);
    else VIEWS[this.route.view].submits?.[name]?.(this, values);
  }

  _chooseScheme(scheme) {
    globalThis.tidegateScheme.choose(scheme);
  }

  async _logIn(key) {
    this._login = { ...this._login, problem: null, busy: true };
    this._drawLogin();
    try {
      await this.api.logIn(key.trim());
      this._login = {};
      await this._enter();
      if (this.session) document.getElementById("content").focus({ preventScroll: true });
    } catch (error) {
      this._login = { ...this._login, problem: loginProblem(error), busy: false };
      this._drawLogin();
      document.getElementById("key").select();
    }
  }

  async _logOut() {
    await this.api.logOut();
    this._endSession("You are logged out.");
  }

  /** Everything that the session showed goes; the address stays, so that the next login shows the same view. */
  _endSession(reason = SESSION_ENDED) {
    if (!this.session) return;
    this._stream.close();
    this.dialogs.closeAll();
    Object.assign(this, { session: null, overview: null, data: null, problem: null, route: null });
    this._connection = { state: "connecting", seenAt: null };
    this._login = { reason };
    this._drawLogin();
    document.getElementById("key").focus();
  }

  _drawLogin() {
    document.title = "Log in · Tidegate";
    patch(document.getElementById("page"), [loginPage(this._login)]);
  }
}

/** #/overview?range=24h, #/conversations/ID: the view, what follows it, and its query. */
function routeOf(hash) {
  const [path, search = ""] = hash.replace(/^#\/?/, "").split("?");
  const [view, ...rest] = path.split("/").map(decoded);
  const query = new URLSearchParams(search);
  const range = RANGES.includes(query.get("range")) ? query.get("range") : "1h";
  return { text: hash, view: Object.hasOwn(VIEWS, view) ? view : "overview", rest: rest.filter(Boolean), query, range };
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Closes each menu in which `target` is not. */
function closeMenus(target) {
  for (const menu of document.querySelectorAll(".menu[open]")) {
    if (!menu.contains(target)) menu.open = false;
  }
}

new App().start();
