// Questions and secrets in front of the page. The browser keeps the focus inside, and Esc closes.

import { h } from "./dom.js";

export class Dialogs {
  /** Asks whether to do what cannot be undone easily; gives true or false. */
  async confirm(title, text, act) {
    const dialog = this._make(title, [
      h("p", {}, text),
      h("div", { class: "acts" }, cancel(), h("button", { class: "button danger", value: "yes" }, act)),
    ]);
    return (await opened(dialog)) === "yes";
  }

  /** Shows a form; gives what was filled in, or null. `check(values)` sends it, and its error is shown. */
  async form(title, fields, act, send) {
    const problem = h("p", { class: "problem", role: "alert" });
    const submit = h("button", { class: "button primary", value: "yes" }, act);
    const dialog = this._make(title, [fields, problem, h("div", { class: "acts" }, cancel(), submit)]);
    let sent = null;
    dialog.querySelector("form").addEventListener("submit", async (event) => {
      if (event.submitter?.value !== "yes") return;
      event.preventDefault();
      submit.disabled = true;
      problem.textContent = "";
      try {
        sent = await send(Object.fromEntries(new FormData(event.target)));
        dialog.close("yes");
      } catch (error) {
        problem.textContent = error.message;
        submit.disabled = false;
      }
    });
    await opened(dialog);
    return sent;
  }

  /** Shows a secret once. */
  async secret(title, secret) {
    const copied = h("span", { role: "status", class: "note" });
    const copy = h("button", { type: "button", class: "button primary" }, "Copy");
    const shown = h("code", { class: "secret", tabindex: "0", id: "secret" }, secret);
    copy.addEventListener("click", async () => {
      copied.textContent = (await copyText(secret, shown)) ? "Copied." : "Selected: copy it with the keyboard.";
    });
    const dialog = this._make(title, [
      h("p", {}, "This is the only time that the secret is shown. Tidegate keeps its hash and cannot show it again."),
      shown,
      h("div", { class: "acts" }, copied, copy, h("button", { class: "button", value: "" }, "I have it")),
    ]);
    await opened(dialog);
    shown.textContent = "";
  }

  closeAll() {
    for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close("");
  }

  _make(title, content) {
    const heading = h("h2", { id: "dialog-title" }, title);
    return h("dialog", { "aria-labelledby": "dialog-title" }, h("form", { method: "dialog" }, heading, content));
  }
}

function cancel() {
  return h("button", { class: "button", value: "", formnovalidate: true }, "Cancel");
}

/** Gives the value with which a person closed the dialog. */
function opened(dialog) {
  document.body.append(dialog);
  const before = document.activeElement;
  dialog.returnValue = "";
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      if (before?.isConnected) before.focus();
      resolve(dialog.returnValue);
    });
    dialog.showModal();
  });
}

/** The clipboard is refused on plain http: then the text is selected, so that one key copies it. */
async function copyText(text, element) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    getSelection().selectAllChildren(element);
    return false;
  }
}

