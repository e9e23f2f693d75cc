// Small charts as inline pictures, each with its figures as a table for those who do not see it.

import { h, svg } from "./dom.js";
import { tick } from "./format.js";

const WIDTH = 600;
const HEIGHT = 120;
const GAP = 0.22;
const WITHIN_DAY_SECONDS = 36 * 3600;

/**
 * Returns a bar chart of points in time.
 *
 * `layers` are drawn upon each other, from below: {name, tone, value(point), text(value)}. `label` says in words what the
 * chart shows. `total` writes the highest bar.
 */
export function bars(points, layers, { label, total }) {
  if (points.length === 0) return h("p", { class: "empty" }, "No figures in this range yet.");
  const sums = points.map((point) => layers.reduce((sum, layer) => sum + known(layer.value(point)), 0));
  const highest = Math.max(...sums);
  const span = points.at(-1).at - points[0].at;
  const times = points.map((point) => tick(point.at, span < WITHIN_DAY_SECONDS));
  return h(
    "figure",
    { class: "chart" },
    h("div", { class: "chart-top" }, legend(layers), h("span", {}, highest > 0 ? `highest ${total(highest)}` : "")),
    svg(
      "svg",
      { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": label },
      points.map((point, index) => column(point, index, { points, layers, highest, time: times[index] })),
      svg("line", { class: "base", x1: 0, x2: WIDTH, y1: HEIGHT - 0.5, y2: HEIGHT - 0.5 }),
    ),
    h("div", { class: "chart-times", "aria-hidden": "true" }, h("span", {}, times[0]), h("span", {}, times.at(-1))),
    asTable(points, layers, times),
  );
}

function column(point, index, { points, layers, highest, time }) {
  const step = WIDTH / points.length;
  let top = HEIGHT;
  const rectangles = layers.map((layer) => {
    const value = known(layer.value(point));
    const height = highest > 0 ? (value / highest) * (HEIGHT - 4) : 0;
    const drawn = value > 0 ? Math.max(height, 1.5) : 0;
    top -= drawn;
    const x = index * step + (step * GAP) / 2;
    return drawn > 0 && svg("rect", { class: `tone-${layer.tone}`, x: round(x), y: round(top), width: round(step * (1 - GAP)), height: round(drawn) });
  });
  const words = layers.map((layer) => `${layer.name}: ${layer.text(layer.value(point))}`).join("\n");
  const target = svg("rect", { class: "hover", x: round(index * step), y: 0, width: round(step), height: HEIGHT }, svg("title", {}, `${time}\n${words}`));
  return svg("g", {}, rectangles, target);
}

function legend(layers) {
  if (layers.length < 2) return h("span", {}, layers[0].name);
  return h("span", { class: "legend" }, layers.map(({ name, tone }) => h("span", { class: `key tone-${tone}` }, name)));
}

function asTable(points, layers, times) {
  const rows = points.map((point, index) =>
    h("tr", {}, h("th", { scope: "row" }, times[index]), layers.map((layer) => h("td", {}, layer.text(layer.value(point))))),
  );
  return h(
    "details",
    { class: "figures" },
    h("summary", {}, "As a table"),
    h(
      "div",
      { class: "scroll", tabindex: "0", role: "region", "aria-label": "The figures of the chart" },
      h("table", {}, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Time"), layers.map(({ name }) => h("th", { scope: "col" }, name)))), h("tbody", {}, rows)),
    ),
  );
}

/** Returns a bar of shares, such as hits among calls: [{name, tone, value, text}]. */
export function shares(parts, label) {
  const sum = parts.reduce((total, { value }) => total + known(value), 0);
  let left = 0;
  const rectangles = parts.map(({ tone, value }) => {
    const width = sum > 0 ? (known(value) / sum) * WIDTH : 0;
    const rectangle = width > 0 && svg("rect", { class: `tone-${tone}`, x: round(left), y: 0, width: round(width), height: 8 });
    left += width;
    return rectangle;
  });
  return h(
    "div",
    { class: "shares" },
    svg("svg", { viewBox: `0 0 ${WIDTH} 8`, preserveAspectRatio: "none", role: "img", "aria-label": label }, svg("rect", { class: "track", width: WIDTH, height: 8 }), rectangles),
    h("dl", { class: "keys" }, parts.map(({ name, tone, text }) => h("div", {}, h("dt", { class: `key tone-${tone}` }, name), h("dd", {}, text)))),
  );
}

/** Returns a bar of what is used: `used` and `held` as shares of 1. */
export function usedBar({ used, held = 0, tone, label }) {
  const within = Math.min(1, Math.max(0, known(used)));
  const more = Math.min(1 - within, Math.max(0, known(held)));
  return svg(
    "svg",
    { class: "used", viewBox: "0 0 100 6", preserveAspectRatio: "none", role: "img", "aria-label": label },
    svg("rect", { class: "track", width: 100, height: 6 }),
    svg("rect", { class: `tone-${tone}`, width: round(within * 100), height: 6 }),
    more > 0 && svg("rect", { class: `tone-${tone} held`, x: round(within * 100), width: round(more * 100), height: 6 }),
  );
}

function known(value) {
  const number = Number(value ?? 0);
  return Number.isFinite(number) ? number : 0;
}

function round(value) {
  return Math.round(value * 100) / 100;
}
