// Calls to the gateway that serves this page. The browser adds the session's cookie; the page adds what proves that
// the call is its own.

/** A call that the gateway refused, or did not answer. `status` is 0 without an answer. */
export class ApiError extends Error {
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

export const NO_ANSWER = "The gateway does not answer. Nothing was changed, as far as this page knows.";
const PATIENCE_MS = 20_000;

/** An address of the gateway, also where it is served below a path of its own. */
export function address(path) {
  return new URL(path, document.baseURI).href;
}

export class Api {
  /** `onSessionEnd` is called when the gateway says that there is no session (any more). */
  constructor(onSessionEnd) {
    this._onSessionEnd = onSessionEnd;
    this._csrf = "";
  }

  /** Returns the session, or null without one. */
  async session() {
    try {
      const session = await this._send("GET", "dashboard/session");
      this._csrf = session.csrf;
      return session;
    } catch (error) {
      if (error.status === 401) return null;
      throw error;
    }
  }

  async logIn(key) {
    await this._send("POST", "dashboard/session", { key });
  }

  async logOut() {
    await this._send("DELETE", "dashboard/session");
  }

  /** Calls the admin API. `query` has the parameters of the address; empty ones are left out. */
  async admin(method, path, { query = {}, body } = {}) {
    const filled = Object.entries(query).filter(([, value]) => value !== "" && value !== null && value !== undefined);
    const search = filled.length ? `?${new URLSearchParams(filled)}` : "";
    try {
      return await this._send(method, `admin/v1/${path}${search}`, body);
    } catch (error) {
      if (error.status === 401) this._onSessionEnd();
      throw error;
    }
  }

  async _send(method, path, body) {
    const headers = { accept: "application/json" };
    if (body !== undefined) headers["content-type"] = "application/json";
    if (method !== "GET") headers["x-tidegate-csrf"] = this._csrf;
    const options = { method, headers, cache: "no-store", redirect: "error", signal: AbortSignal.timeout(PATIENCE_MS) };
    let response;
    let text;
    try {
      response = await fetch(address(path), { ...options, body: body === undefined ? undefined : JSON.stringify(body) });
      text = await response.text();
    } catch {
      throw new ApiError(0, "no_answer", NO_ANSWER);
    }
    const document = parsed(text);
    if (response.ok) return document;
    const { code = "", message = "" } = document?.error ?? {};
    throw new ApiError(response.status, code, message || `The gateway answered with status ${response.status}.`);
  }
}

function parsed(text) {
  try {
    return text ? JSON.parse(text) : null;
  } catch {
    return null;
  }
}
