// The official client in use. The question and what it stands for come by the environment; JSON goes out.
import OpenAI from "openai";
import { zodResponseFormat, zodTextFormat } from "openai/helpers/zod";
import { z } from "zod";

const headers = JSON.parse(process.env.HEADERS ?? "{}");
const client = new OpenAI({ maxRetries: Number(process.env.RETRIES ?? 0), defaultHeaders: headers });
const model = "gpt-4o";
const messages = [{ role: "user", content: process.env.WORDS ?? "hello" }];
const input = process.env.WORDS ?? "hello";
const Tide = z.object({ place: z.string(), height: z.number() });
const tools = [
  {
    type: "function",
    function: { name: "tide_at", parameters: { type: "object", properties: { place: { type: "string" } } } },
  },
];

async function streamed() {
  let text = "";
  for await (const chunk of await client.chat.completions.create({ model, messages, stream: true })) {
    text += chunk.choices[0]?.delta?.content ?? "";
  }
  return text;
}

async function events() {
  const stream = client.responses.stream({ model, input });
  const types = [];
  for await (const event of stream) types.push(event.type);
  return { types, text: (await stream.finalResponse()).output_text };
}

async function background() {
  const promised = await client.responses.create({ model, input, background: true });
  const types = [];
  const stream = client.responses.stream({ response_id: promised.id, starting_after: 1 });
  for await (const event of stream) types.push(event.type);
  const answer = await client.responses.retrieve(promised.id);
  const cancelled = await client.responses.cancel(promised.id);
  const text = (await stream.finalResponse()).output_text;
  return { promised: promised.status, types, text, answer: answer.output_text, status: cancelled.status };
}

async function failure(ask) {
  try {
    return { said: await ask() };
  } catch (error) {
    return { kind: error.constructor.name, status: error.status ?? null, code: error.code ?? null };
  }
}

const uses = {
  chat: async () => (await client.chat.completions.create({ model, messages })).choices[0].message.content,
  streamed,
  helper: async () => await client.chat.completions.stream({ model, messages }).finalContent(),
  tool: async () =>
    (await client.chat.completions.create({ model, messages, tools })).choices[0].message.tool_calls[0].function,
  parsed: async () => {
    const response_format = zodResponseFormat(Tide, "tide");
    return (await client.chat.completions.parse({ model, messages, response_format })).choices[0].message.parsed;
  },
  parsedResponse: async () =>
    (await client.responses.parse({ model, input, text: { format: zodTextFormat(Tide, "tide") } })).output_parsed,
  response: async () => (await client.responses.create({ model, input })).output_text,
  events,
  background,
  embedding: async () =>
    (await client.embeddings.create({ model: "text-embedding-3-small", input })).data[0].embedding.length,
  moderation: async () => (await client.moderations.create({ input })).results[0].flagged,
  models: async () => {
    const names = [];
    for await (const one of client.models.list()) names.push(one.id);
    return names;
  },
  cache: async () => {
    const { response } = await client.chat.completions.create({ model, messages }).withResponse();
    return response.headers.get("x-tidegate-cache");
  },
  chatFailure: () => failure(uses.chat),
  streamFailure: () => failure(streamed),
  eventsFailure: () => failure(events),
};

const said = {};
for (const use of process.argv.slice(2)) said[use] = await uses[use]();
console.log(JSON.stringify(said));
