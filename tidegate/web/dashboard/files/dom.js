// Builds and updates the page's elements. Texts become text nodes only, never markup.

const SVG = "http://www.w3.org/2000/svg";

/** Returns an element. Children are elements or texts; false, null and undefined are left out. */
export function h(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** Returns an element of an inline picture. */
export function svg(tag, attributes, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === false || value === null || value === undefined) continue;
    if (name.startsWith("--")) element.style.setProperty(name, value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat(Infinity).filter((child) => child || child === 0).map(asNode));
  return element;
}

function asNode(child) {
  return child instanceof Node ? child : document.createTextNode(String(child));
}

/**
 * Makes the children of `parent` like `children`, and keeps each node that need not change. So focus, selection and
 * what a person typed survive the next figures.
 */
export function patch(parent, children) {
  const wanted = [children].flat(Infinity).filter((child) => child || child === 0).map(asNode);
  wanted.forEach((next, index) => {
    const present = parent.childNodes[index];
    if (!present) parent.append(next);
    else if (isSameKind(present, next)) update(present, next);
    else present.replaceWith(next);
  });
  while (parent.childNodes.length > wanted.length) parent.lastChild.remove();
}

function isSameKind(present, next) {
  if (present.nodeName !== next.nodeName) return false;
  if (present.nodeType !== Node.ELEMENT_NODE) return true;
  return present.id === next.id && present.getAttribute("data-row") === next.getAttribute("data-row");
}

function update(present, next) {
  if (present.nodeType !== Node.ELEMENT_NODE) {
    if (present.data !== next.data) present.data = next.data;
    return;
  }
  for (const { name } of [...present.attributes]) {
    if (!next.hasAttribute(name) && !isTheViewers(present, name)) present.removeAttribute(name);
  }
  for (const { name, value } of next.attributes) {
    if (present.getAttribute(name) !== value && !isTheViewers(present, name)) setAttribute(present, next, name, value);
  }
  patch(present, [...next.childNodes]);
}

/** Written by way of the object, since the page's policy refuses the attribute `style`. */
function setAttribute(present, next, name, value) {
  if (name === "style") present.style.cssText = next.style.cssText;
  else present.setAttribute(name, value);
}

/** Whether a person sets this: an opened part, a filled field. */
function isTheViewers(element, name) {
  if (name === "open") return element.nodeName === "DETAILS";
  return name === "value" && element.nodeName === "INPUT";
}
