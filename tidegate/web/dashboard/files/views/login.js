// The form in front of everything: an admin key opens a session.

import { h } from "../dom.js";
import { field, notice } from "../parts.js";

/** Returns the login page. `reason` says why a person sees it (again); `problem` is the last try's error. */
export function loginPage({ reason, problem, busy }) {
  return h(
    "main",
    { class: "login", id: "content", tabindex: "-1" },
    h("img", { src: "dashboard/files/icon.svg", alt: "", width: 56, height: 56 }),
    h("h1", {}, "Tidegate"),
    reason && !problem && notice("warn", reason),
    problem && h("div", { role: "alert" }, notice("bad", problem)),
    h(
      "form",
      { "data-form": "login", method: "post", action: "#" },
      field("key", "Admin key", {
        type: "password",
        required: true,
        autocomplete: "current-password",
        autocapitalize: "none",
        hint: "A key that may call the admin API. It stays in no page or address: the browser gets a session of 12 hours at most.",
      }),
      h("button", { type: "submit", class: "button primary", disabled: busy }, busy ? "Logging in…" : "Log in"),
    ),
  );
}

/** The error of a login in words. */
export function loginProblem(error) {
  if (error.status === 401 || error.code === "insufficient_permissions") return "This key opens nothing here. Use an admin key that is not revoked or expired.";
  if (error.status === 429) return "Too many wrong keys. Wait a minute, then try again.";
  return error.message;
}
