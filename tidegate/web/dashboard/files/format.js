// Writes figures as people write them. Pure: the time is given. What is not known is null, and becomes a dash.

export const UNKNOWN = "–";

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

// The page's words are English, so relative times are too; digits, dates and zone are the viewer's.
const AGO = new Intl.RelativeTimeFormat("en", { style: "narrow", numeric: "always" });

function isUnknown(value) {
  return value === null || value === undefined || value === "" || Number.isNaN(Number(value));
}

function dollars(value, locale, options) {
  const style = { style: "currency", currency: "USD", currencyDisplay: "narrowSymbol" };
  return new Intl.NumberFormat(locale, { ...style, ...options }).format(value);
}

/** $1,234.56; below ten cents with two significant digits, as $0.0042. */
export function money(amount, locale) {
  if (isUnknown(amount)) return UNKNOWN;
  const value = Number(amount);
  const size = Math.abs(value);
  if (size === 0 || size >= 0.0995) return dollars(value, locale, {});
  if (size < 0.00005) return `${value < 0 ? "> −" : "< "}${dollars(0.0001, locale, { maximumFractionDigits: 4 })}`;
  const twoDigits = { maximumSignificantDigits: 2, minimumFractionDigits: 2, maximumFractionDigits: 2 };
  return dollars(value, locale, { ...twoDigits, roundingPriority: "morePrecision" });
}

/** All digits of an amount that are not zero, for a title. */
export function exactMoney(amount) {
  if (isUnknown(amount)) return "not known";
  const [whole, fraction = ""] = String(amount).replace("-", "").split(".");
  return `${Number(amount) < 0 ? "-" : ""}$${whole}.${fraction.replace(/0+$/, "").padEnd(2, "0")}`;
}

/** 1,234; from a million on 1.23M. */
export function count(number, locale) {
  if (isUnknown(number)) return UNKNOWN;
  const options = number >= 1e6 ? { notation: "compact", maximumSignificantDigits: 3 } : { maximumFractionDigits: 0 };
  return new Intl.NumberFormat(locale, options).format(number);
}

/** A number of things with its noun: "1 call", "1,204 calls". */
export function counted(number, noun, locale) {
  return `${count(number, locale)} ${noun}${number === 1 ? "" : "s"}`;
}

/** A share of 1 in percent; 99.96 % is not 100 %. */
export function percent(share, locale) {
  if (isUnknown(share)) return UNKNOWN;
  const near = share > 0.99 && share < 1 ? Math.floor(share * 1000) / 1000 : share;
  const digits = share > 0.99 && share < 1 ? 1 : share > 0 && share < 0.1 ? 1 : 0;
  return new Intl.NumberFormat(locale, { style: "percent", maximumFractionDigits: digits }).format(near);
}

/** 0.4 ms, 412 ms, 1.24 s, 12.4 s, 2 min 5 s. */
export function milliseconds(amount, locale) {
  if (isUnknown(amount)) return UNKNOWN;
  const value = Number(amount);
  const number = (figure, digits) => new Intl.NumberFormat(locale, { maximumFractionDigits: digits }).format(figure);
  if (value < 10) return `${number(value, 1)} ms`;
  if (value < 999.5) return `${number(value, 0)} ms`;
  if (value < 9995) return `${number(value / 1000, 2)} s`;
  if (value < 59_950) return `${number(value / 1000, 1)} s`;
  return duration(value / 1000);
}

/** The two largest units: 12 s, 4 min, 3 h 20 min, 2 days. */
export function duration(seconds) {
  if (isUnknown(seconds)) return UNKNOWN;
  const whole = Math.max(0, Math.round(Number(seconds)));
  if (whole < MINUTE) return `${whole} s`;
  if (whole < 10 * MINUTE) return both(whole, MINUTE, "min", 1, "s");
  if (whole < HOUR - MINUTE / 2) return `${Math.round(whole / MINUTE)} min`;
  if (whole < DAY) return both(Math.round(whole / MINUTE) * MINUTE, HOUR, "h", MINUTE, "min");
  if (whole < 7 * DAY) return both(Math.round(whole / HOUR) * HOUR, DAY, "d", HOUR, "h");
  return `${Math.round(whole / DAY)} days`;
}

function both(whole, large, largeName, small, smallName) {
  const rest = Math.floor((whole % large) / small);
  return `${Math.floor(whole / large)} ${largeName}${rest ? ` ${rest} ${smallName}` : ""}`;
}

/** "12s ago", "in 3h"; "just now" within five seconds. */
export function relative(at, now) {
  if (isUnknown(at)) return UNKNOWN;
  const seconds = Math.round(at - now);
  const size = Math.abs(seconds);
  if (size < 5) return "just now";
  for (const [unit, length] of [["day", DAY], ["hour", HOUR], ["minute", MINUTE]]) {
    if (size >= length) return AGO.format(Math.trunc(seconds / length), unit);
  }
  return AGO.format(seconds, "second");
}

/** Date and time in the viewer's zone and language. */
export function moment(at, locale, zone) {
  if (isUnknown(at)) return "not known";
  const options = { dateStyle: "medium", timeStyle: "medium", ...(zone && { timeZone: zone }) };
  return new Intl.DateTimeFormat(locale, options).format(new Date(at * 1000));
}

/** The short label of a point in a chart: the time within a day, else the date. */
export function tick(at, isWithinDay, locale, zone) {
  const options = isWithinDay ? { hour: "2-digit", minute: "2-digit" } : { day: "numeric", month: "short" };
  return new Intl.DateTimeFormat(locale, { ...options, ...(zone && { timeZone: zone }) }).format(new Date(at * 1000));
}

/** 512 B, 1.2 MB: powers of 1000, as disks are sold. */
export function bytes(number, locale) {
  if (isUnknown(number)) return UNKNOWN;
  const units = ["B", "kB", "MB", "GB", "TB", "PB"];
  const step = number < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(number) / 3));
  const options = { maximumSignificantDigits: 3 };
  return `${new Intl.NumberFormat(locale, options).format(number / 1000 ** step)} ${units[step]}`;
}

/** Unix seconds of a time that the admin API gives as Unix seconds or as text; null for none. */
export function unixSeconds(time) {
  if (isUnknown(time) && typeof time !== "string") return null;
  if (typeof time === "number") return time;
  const parsed = Date.parse(time);
  return Number.isNaN(parsed) ? null : parsed / 1000;
}
