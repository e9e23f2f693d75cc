// The official client for Azure in use: addresses with a deployment, and its own header for the key. JSON goes out.
import { AzureOpenAI } from "openai";

const endpoint = process.env.OPENAI_BASE_URL.replace(/\/v1$/, "");
const options = { endpoint, baseURL: null, apiVersion: "2024-10-21", maxRetries: 0 };
const client = new AzureOpenAI({ ...options, apiKey: process.env.OPENAI_API_KEY });
const stranger = new AzureOpenAI({ ...options, apiKey: "no key of it" });
const model = "gpt-4o-mini";
const messages = [{ role: "user", content: "hello" }];

let streamed = "";
for await (const chunk of await client.chat.completions.create({ model, messages, stream: true })) {
  streamed += chunk.choices[0]?.delta?.content ?? "";
}
const refused = await stranger.chat.completions.create({ model, messages }).catch((error) => error);
console.log(
  JSON.stringify({
    streamed,
    chat: (await client.chat.completions.create({ model, messages })).choices[0].message.content,
    response: (await client.responses.create({ model, input: "hello" })).output_text,
    embedding: (await client.embeddings.create({ model: "text-embedding-3-small", input: "x" })).data[0].embedding.length,
    models: (await client.models.list()).data.map((one) => one.id),
    refused: [refused.status, refused.code],
  }),
);
