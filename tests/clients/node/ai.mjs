// Vercel's AI SDK in use. JSON goes out.
import { createOpenAI } from "@ai-sdk/openai";
import { embed, generateObject, generateText, streamText, tool } from "ai";
import { z } from "zod";

const openai = createOpenAI({
  baseURL: process.env.OPENAI_BASE_URL,
  headers: JSON.parse(process.env.HEADERS ?? "{}"),
});
const prompt = process.env.WORDS ?? "hello";
const chat = openai.chat("gpt-4o");
const responses = openai.responses("gpt-4o");
const maxRetries = Number(process.env.RETRIES ?? 0);
const tools = { tide_at: tool({ description: "the tide", inputSchema: z.object({ place: z.string() }) }) };

async function streamed(model) {
  const failures = [];
  const stream = streamText({ model, prompt, maxRetries, onError: ({ error }) => failures.push(String(error.message)) });
  let text = "";
  for await (const piece of stream.textStream) text += piece;
  if (failures.length) throw new Error(failures.join());
  return { text, finish: await stream.finishReason, usage: (await stream.usage).totalTokens };
}

async function failure(ask) {
  try {
    return { said: await ask() };
  } catch (error) {
    return { message: error.message, status: error.statusCode ?? null };
  }
}

const uses = {
  chat: async () => (await generateText({ model: chat, prompt, maxRetries })).text,
  response: async () => (await generateText({ model: responses, prompt, maxRetries })).text,
  streamedChat: () => streamed(chat),
  streamedResponse: () => streamed(responses),
  object: async () => {
    const schema = z.object({ place: z.string(), height: z.number() });
    return (await generateObject({ model: responses, prompt, schema, maxRetries })).object;
  },
  tool: async () => (await generateText({ model: chat, prompt, tools, maxRetries })).toolCalls[0].toolName,
  embedding: async () =>
    (await embed({ model: openai.embedding("text-embedding-3-small"), value: prompt })).embedding.length,
  chatFailure: () => failure(uses.chat),
  streamFailure: () => failure(uses.streamedChat),
};

const said = {};
for (const use of process.argv.slice(2)) said[use] = await uses[use]();
console.log(JSON.stringify(said));
