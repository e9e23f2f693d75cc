// The colours that the viewer chose: "light", "dark", or none, which follows the system.
// A classic script in the head, so that the first paint has them already.
"use strict";

const SCHEME_NAME = "tidegate-scheme";

function applyScheme(scheme) {
  if (scheme === "light" || scheme === "dark") document.documentElement.dataset.scheme = scheme;
  else delete document.documentElement.dataset.scheme;
}

globalThis.tidegateScheme = {
  read() {
    return document.documentElement.dataset.scheme ?? "system";
  },
  choose(scheme) {
    applyScheme(scheme);
    try {
      if (scheme === "system") localStorage.removeItem(SCHEME_NAME);
      else localStorage.setItem(SCHEME_NAME, scheme);
    } catch {
      // The browser keeps nothing for this page: the choice holds until it is closed.
    }
  },
};

try {
  applyScheme(localStorage.getItem(SCHEME_NAME));
} catch {
  applyScheme(null);
}
