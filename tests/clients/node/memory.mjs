// The official client on what is kept: chains, conversations, stored completions, read page by page.
import OpenAI from "openai";

const client = new OpenAI({ maxRetries: 0 });
const model = "gpt-4o-mini";

async function all(pages) {
  const found = [];
  for await (const one of pages) found.push(one);
  return found;
}

async function chain() {
  const first = await client.responses.create({ model, input: "I am Ann.", metadata: { of: "ann" } });
  const second = await client.responses.create({ model, input: "Who am I?", previous_response_id: first.id });
  const fetched = await client.responses.retrieve(second.id);
  const items = await all(client.responses.inputItems.list(second.id, { limit: 1 }));
  const counted = await client.responses.inputTokens.count({ model, input: "x", previous_response_id: second.id });
  await client.responses.delete(first.id);
  const gone = await client.responses.retrieve(first.id).catch((error) => error.status);
  return {
    same: fetched.output_text === second.output_text && fetched.output[0].id === second.output[0].id,
    previous: second.previous_response_id === first.id,
    items: items.length,
    counted: counted.input_tokens,
    gone,
  };
}

async function conversation() {
  const items = [1, 2, 3].map((number) => ({ type: "message", role: "user", content: `line ${number}` }));
  const made = await client.conversations.create({ items, metadata: { of: "ann" } });
  await client.responses.create({ model, input: "And now?", conversation: made.id });
  const roles = (await all(client.conversations.items.list(made.id, { limit: 2, order: "asc" }))).map((one) => one.role);
  const added = await client.conversations.items.create(made.id, { items: items.slice(0, 1) });
  const one = await client.conversations.items.retrieve(added.data[0].id, { conversation_id: made.id });
  await client.conversations.items.delete(one.id, { conversation_id: made.id });
  const changed = await client.conversations.update(made.id, { metadata: { of: "bob" } });
  const deleted = await client.conversations.delete(made.id);
  return { roles, one: one.content[0].text, of: changed.metadata.of, deleted: deleted.deleted };
}

async function completions() {
  const ids = [];
  for (const content of ["One", "Two", "Three"]) {
    const made = await client.chat.completions.create({
      model, store: true, metadata: { of: "ann" }, messages: [{ role: "user", content }],
    });
    ids.push(made.id);
  }
  const listed = (await all(client.chat.completions.list({ metadata: { of: "ann" }, limit: 2 }))).map((one) => one.id);
  const messages = await all(client.chat.completions.messages.list(ids[0]));
  const changed = await client.chat.completions.update(ids[0], { metadata: { of: "bob" } });
  const deleted = await client.chat.completions.delete(ids[0]);
  return {
    all: JSON.stringify(listed) === JSON.stringify(ids),
    said: messages.map((one) => one.content),
    of: changed.metadata.of,
    deleted: deleted.deleted,
  };
}

const uses = { chain, conversation, completions };
const said = {};
for (const use of process.argv.slice(2)) said[use] = await uses[use]();
console.log(JSON.stringify(said));
