// Calls functions of one of the page's modules: {"module": path, "calls": [[name, [arguments]]]} on standard input.

import { text } from "node:stream/consumers";
import { pathToFileURL } from "node:url";

const { module: path, calls } = JSON.parse(await text(process.stdin));
const module = await import(pathToFileURL(path));
console.log(JSON.stringify(calls.map(([name, args]) => module[name](...args))));
