// Renders /openapi.json as a list of operations. Needs no library and loads nothing from another origin.
"use strict";

const METHODS = ["get", "post", "put", "patch", "delete"];
const MAX_DEPTH = 6;

function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return node;
}

// Text with `code` in backquotes, as nodes: nothing of the description is ever read as HTML.
function prose(text) {
  return (text || "").split(/(`[^`]+`)/).map((part) =>
    part.startsWith("`") && part.length > 1 ? element("code", {}, part.slice(1, -1)) : part);
}

class Schemas {
  constructor(components) {
    this.named = (components && components.schemas) || {};
  }

  resolve(schema) {
    return schema && schema.$ref ? this.named[schema.$ref.split("/").pop()] || {} : schema || {};
  }

  options(schema) {
    const resolved = this.resolve(schema);
    return resolved.anyOf || resolved.oneOf || null;
  }

  typeOf(schema) {
    if (schema && schema.$ref) return schema.$ref.split("/").pop();
    const options = this.options(schema);
    if (options) return options.map((option) => this.typeOf(option)).join(" or ");
    if (!schema) return "any";
    if (schema.const !== undefined) return JSON.stringify(schema.const);
    if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
    if (schema.type === "array") return `array of ${this.typeOf(schema.items)}`;
    const type = [].concat(schema.type || "any").join(" or ");
    return schema.format ? `${type} (${schema.format})` : type;
  }

  // The object whose fields are worth a table of their own, through references, arrays and "or null".
  fieldsOf(schema) {
    const resolved = this.resolve(schema);
    if (resolved.properties) return resolved;
    if (resolved.type === "array") return this.fieldsOf(resolved.items);
    for (const option of this.options(schema) || []) {
      const found = this.fieldsOf(option);
      if (found) return found;
    }
    return null;
  }

  constraints(schema) {
    const bounds = [];
    const told = { minimum: "at least", maximum: "at most", minLength: "min. characters", maxLength: "max. characters",
      maxItems: "max. entries" };
    for (const [key, label] of Object.entries(told)) if (schema[key] !== undefined) bounds.push(`${label} ${schema[key]}`);
    if (schema.default !== undefined && typeof schema.default !== "object") {
      bounds.push(`default ${JSON.stringify(schema.default)}`);
    }
    if (schema.examples) bounds.push(`for example ${schema.examples.map((one) => JSON.stringify(one)).join(", ")}`);
    return bounds.join("; ");
  }

  table(schema, depth = 0) {
    const object = this.fieldsOf(schema);
    if (!object || depth >= MAX_DEPTH) return null;
    const required = new Set(object.required || []);
    const rows = Object.entries(object.properties).map(([name, field]) =>
      row(name, required.has(name), this.typeOf(field), field.description, this.constraints(field),
        this.table(field, depth + 1)));
    return element("table", {}, ...rows);
  }

  example(schema, depth = 0) {
    const resolved = this.resolve(schema);
    if (resolved.examples) return resolved.examples[0];
    if (resolved.example !== undefined) return resolved.example;
    if (resolved.enum) return resolved.enum[0];
    if (resolved.default !== undefined && resolved.default !== null) return resolved.default;
    if (resolved.properties) {
      const required = new Set(resolved.required || []);
      const shown = Object.entries(resolved.properties).filter(([name]) => required.has(name) || required.size === 0);
      return Object.fromEntries((depth < MAX_DEPTH ? shown : []).map(([name, field]) =>
        [name, this.example(field, depth + 1)]));
    }
    const options = this.options(schema);
    if (options) return this.example(options[0], depth + 1);
    return { string: "...", integer: 1, number: 1, boolean: false, array: [], null: null }[[].concat(resolved.type)[0]] ?? {};
  }
}

function row(name, required, type, description, constraints, nested) {
  const label = element("td", {}, element("code", {}, name), required ? element("span", { class: "required" }, " required") : "");
  const text = element("td", {}, ...prose(description), description && constraints ? " " : "",
    constraints ? element("span", { class: "type" }, `(${constraints})`) : "");
  if (nested) text.append(element("details", {}, element("summary", {}, "fields"), nested));
  return element("tr", {}, label, element("td", { class: "type" }, type), text);
}

function bodyOf(content) {
  const [type, media] = Object.entries(content || {})[0] || [null, {}];
  return { type, schema: media.schema };
}

function curl(method, path, operation, schemas) {
  const lines = [`curl -X ${method.toUpperCase()} "${location.origin}${path}"`];
  if (operation.security || path.startsWith("/v1/")) lines.push(`-H "Authorization: Bearer $API_KEY"`);
  if (operation.requestBody) {
    const example = schemas.example(bodyOf(operation.requestBody.content).schema);
    lines.push(`-H "Content-Type: application/json"`, `-d '${JSON.stringify(example)}'`);
  }
  return element("pre", {}, lines.join(" \\\n  "));
}

function parametersOf(operation, schemas) {
  const rows = (operation.parameters || []).map((parameter) =>
    row(parameter.name, parameter.required, `${parameter.in}: ${schemas.typeOf(parameter.schema)}`,
      parameter.description, schemas.constraints(parameter.schema), null));
  return rows.length ? [element("h3", {}, "Parameters"), element("table", {}, ...rows)] : [];
}

function requestOf(operation, schemas) {
  if (!operation.requestBody) return [];
  const { type, schema } = bodyOf(operation.requestBody.content);
  return [element("h3", {}, "Request body ", element("span", { class: "type" }, type || "")), schemas.table(schema)];
}

function responsesOf(operation, schemas) {
  const parts = Object.entries(operation.responses || {}).map(([status, response]) => {
    const { type, schema } = bodyOf(response.content);
    const name = schema && schemas.typeOf(schema) !== "any" ? ` ${schemas.typeOf(schema)}` : "";
    const title = element("summary", {}, element("code", {}, status), ` ${response.description} `,
      element("span", { class: "type" }, `${type || ""}${name}`));
    return element("details", {}, title, schemas.table(schema));
  });
  return [element("h3", {}, "Responses"), ...parts];
}

function operationOf(method, path, operation, schemas) {
  const id = `${method}${path}`;
  const title = element("summary", {}, element("b", { class: `method ${method}` }, method), element("code", {}, path),
    element("span", {}, operation.summary || ""));
  const body = element("div", {}, element("p", {}, ...prose(operation.description || operation.summary)),
    ...parametersOf(operation, schemas), ...requestOf(operation, schemas),
    element("h3", {}, "Example"), curl(method, path, operation, schemas), ...responsesOf(operation, schemas));
  const details = element("details", { class: "operation", id }, title, body);
  const link = element("a", { href: `#${id}` }, operation.summary || path);
  link.addEventListener("click", () => { details.open = true; });
  const text = `${method} ${path} ${operation.summary} ${operation.description}`.toLowerCase();
  return { details, link, text };
}

function render(description) {
  const schemas = new Schemas(description.components);
  const groups = new Map();
  for (const [path, methods] of Object.entries(description.paths)) {
    for (const method of METHODS.filter((name) => methods[name])) {
      const tag = (methods[method].tags || ["other"])[0];
      if (!groups.has(tag)) groups.set(tag, []);
      groups.get(tag).push(operationOf(method, path, methods[method], schemas));
    }
  }
  const titles = Object.fromEntries((description.tags || []).map((tag) => [tag.name, tag.description]));
  const order = [...Object.keys(titles), ...groups.keys()].filter((tag, at, all) => groups.has(tag) && all.indexOf(tag) === at);
  const sections = order.map((tag) => ({ tag, operations: groups.get(tag) }));
  document.getElementById("version").textContent = description.info.version;
  document.getElementById("operations").replaceChildren(
    element("p", {}, ...prose(description.info.description)),
    ...sections.map(({ tag, operations }) => element("section", {}, element("h2", {}, tag),
      element("p", {}, ...prose(titles[tag])), ...operations.map(({ details }) => details))));
  document.getElementById("links").replaceChildren(...sections.map(({ tag, operations }) =>
    element("section", {}, element("h2", {}, tag), ...operations.map(({ link }) => link))));
  return sections;
}

function filter(sections, words) {
  for (const { operations } of sections) {
    for (const { details, link, text } of operations) {
      details.hidden = link.hidden = !words.every((word) => text.includes(word));
    }
    const empty = operations.every(({ details }) => details.hidden);
    operations[0].details.parentElement.hidden = operations[0].link.parentElement.hidden = empty;
  }
}

function openTarget() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target && target.tagName === "DETAILS") {
    target.open = true;
    target.scrollIntoView();
  }
}

async function load() {
  const answer = await fetch("openapi.json");
  if (!answer.ok) throw new Error(`openapi.json: status ${answer.status}`);
  const sections = render(await answer.json());
  document.getElementById("filter").addEventListener("input", (event) =>
    filter(sections, event.target.value.toLowerCase().split(/\s+/).filter(Boolean)));
  window.addEventListener("hashchange", openTarget);
  openTarget();
}

load().catch((error) => {
  document.getElementById("operations").replaceChildren(
    element("p", {}, `The description of the API could not be loaded (${error.message}). Reload the page.`));
});
