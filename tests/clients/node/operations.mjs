// Each method of the official client that has a row here is called; out goes each row's failure, and what has no row.
import OpenAI, { toFile } from "openai";

const client = new OpenAI({ maxRetries: 0 });
const slow = new OpenAI({ maxRetries: 0, defaultHeaders: { "x-simulate-job-seconds": "600" } });
const png = Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg==", "base64");
const manifest = "---\nname: tides\ndescription: Reads tide tables.\n---\n";
const examples = '{"messages": [{"role": "user", "content": "a"}]}\n'.repeat(10);
const line = JSON.stringify({ custom_id: "a", method: "POST", url: "/v1/embeddings", body: { model: "e", input: "a" } });
const criterion = { type: "string_check", name: "c", operation: "eq", input: "{{item.a}}", reference: "a" };
const items = { type: "jsonl", source: { type: "file_content", content: [{ item: { a: "a" } }] } };

const named = (name, content) => toFile(Buffer.from(content), name);
const sound = () => toFile(Buffer.alloc(64000), "a.wav");
const image = () => toFile(png, "a.png", { type: "image/png" });
const file = async (purpose = "user_data", name = "a.txt", content = "The tide is high.") =>
  (await client.files.create({ purpose, file: await named(name, content) })).id;
const upload = async () =>
  (await client.uploads.create({ bytes: 5, filename: "a.txt", mime_type: "text/plain", purpose: "user_data" })).id;
const batch = async (by = client) =>
  (await by.batches.create({
    input_file_id: await file("batch", "l.jsonl", line), endpoint: "/v1/embeddings", completion_window: "24h",
  })).id;
const store = async (...file_ids) => (await client.vectorStores.create({ name: "s", file_ids })).id;
const stored = async () => {
  const file_id = await file("assistants");
  return [await store(file_id), file_id];
};
const fileBatch = async (by = client) => {
  const vector_store_id = await store();
  return [vector_store_id, (await by.vectorStores.fileBatches.create(vector_store_id, { file_ids: [await file()] })).id];
};
const container = async () => (await client.containers.create({ name: "c" })).id;
const contained = async () => {
  const container_id = await container();
  return [container_id, (await client.containers.files.create(container_id, { file: await named("a.txt", "abc") })).id];
};
const skill = async () => (await client.skills.create({ files: [await named("SKILL.md", manifest)] })).id;
const version = async () => {
  const skill_id = await skill();
  await client.skills.versions.create(skill_id, { files: [await named("SKILL.md", manifest)] });
  return skill_id;
};
const job = async (by = client) =>
  (await by.fineTuning.jobs.create({
    model: "gpt-4.1-mini", training_file: await file("fine-tune", "e.jsonl", examples),
  })).id;
const evaluation = async () =>
  (await client.evals.create({
    name: "e", data_source_config: { type: "custom", item_schema: { type: "object" } }, testing_criteria: [criterion],
  })).id;
const run = async (by = client) => {
  const eval_id = await evaluation();
  return [eval_id, (await by.evals.runs.create(eval_id, { data_source: items })).id];
};
const consent = async () =>
  (await client.audio.voiceConsents.create({ name: "a", language: "en", recording: await sound() })).id;
const voice = async () =>
  client.audio.voices.create({ name: "v", consent: await consent(), audio_sample: await sound() });
const video = async () => (await client.videos.create({ prompt: "a tide" })).id;
const text = async (content) => Buffer.from(await content.arrayBuffer()).toString("latin1");
const first = async (page) => (await page).data[0];
const transcript = (model) => async (by) => (await by.create({ model, file: await sound() })).text.includes("recording");

const rows = {
  "completions.create": async () => (await client.completions.create({ model: "davinci-002", prompt: "a" })).choices[0].text,
  "files.create": async () => (await client.files.create({ purpose: "user_data", file: await named("a", "12") })).bytes === 2,
  "files.retrieve": async () => (await client.files.retrieve(await file())).status === "processed",
  "files.list": async () => { const id = await file(); return (await first(client.files.list())).id === id; },
  "files.delete": async () => (await client.files.delete(await file())).deleted,
  "files.content": async () => (await text(await client.files.content(await file()))) === "The tide is high.",
  "files.waitForProcessing": async () => (await client.files.waitForProcessing(await file())).status === "processed",
  "images.generate": async () => (await client.images.generate({ prompt: "a", model: "gpt-image-1" })).usage.output_tokens > 0,
  "images.edit": async () => (await client.images.edit({ image: await image(), prompt: "a", model: "gpt-image-1" })).data[0].b64_json,
  "images.createVariation": async () => (await client.images.createVariation({ image: await image() })).data[0].url,
  "contentProvenanceChecks.create": async () => (await client.contentProvenanceChecks.create({ file: await image() })).results.length === 2,
  "audio.transcriptions.create": () => transcript("gpt-4o-transcribe")(client.audio.transcriptions),
  "audio.translations.create": () => transcript("whisper-1")(client.audio.translations),
  "audio.speech.create": async () => (await text(await client.audio.speech.create({ model: "tts-1", voice: "alloy", input: "a", response_format: "wav" }))).startsWith("RIFF"),
  "audio.voices.create": async () => (await voice()).name === "v",
  "audio.voices.delete": async () => (await client.audio.voices.delete((await voice()).id)).deleted,
  "audio.voiceConsents.create": consent,
  "audio.voiceConsents.retrieve": async () => (await client.audio.voiceConsents.retrieve(await consent())).name === "a",
  "audio.voiceConsents.update": async () => (await client.audio.voiceConsents.update(await consent(), { name: "b" })).name === "b",
  "audio.voiceConsents.list": async () => { const id = await consent(); return (await first(client.audio.voiceConsents.list())).id === id; },
  "audio.voiceConsents.delete": async () => (await client.audio.voiceConsents.delete(await consent())).deleted,
  "fineTuning.jobs.create": job,
  "fineTuning.jobs.retrieve": async () => (await client.fineTuning.jobs.retrieve(await job())).fine_tuned_model.startsWith("ft:"),
  "fineTuning.jobs.list": async () => { const id = await job(); return (await first(client.fineTuning.jobs.list())).id === id; },
  "fineTuning.jobs.cancel": async () => (await client.fineTuning.jobs.cancel(await job(slow))).status === "cancelled",
  "fineTuning.jobs.listEvents": async () => (await first(client.fineTuning.jobs.listEvents(await job()))).message,
  "fineTuning.jobs.pause": async () => (await client.fineTuning.jobs.pause(await job(slow))).status === "paused",
  "fineTuning.jobs.resume": async () => { const id = await job(slow); await client.fineTuning.jobs.pause(id); return (await client.fineTuning.jobs.resume(id)).status === "queued"; },
  "fineTuning.jobs.checkpoints.list": async () => (await first(client.fineTuning.jobs.checkpoints.list(await job()))).step_number === 30,
  "fineTuning.alpha.graders.run": async () => (await client.fineTuning.alpha.graders.run({ grader: criterion, model_sample: "b", item: { a: "a" } })).reward === 1,
  "fineTuning.alpha.graders.validate": async () => (await client.fineTuning.alpha.graders.validate({ grader: criterion })).grader.name === "c",
  "vectorStores.create": store,
  "vectorStores.retrieve": async () => (await client.vectorStores.retrieve((await stored())[0])).file_counts.completed === 1,
  "vectorStores.update": async () => (await client.vectorStores.update(await store(), { name: "t" })).name === "t",
  "vectorStores.list": async () => { const id = await store(); return (await first(client.vectorStores.list())).id === id; },
  "vectorStores.delete": async () => (await client.vectorStores.delete(await store())).deleted,
  "vectorStores.search": async () => (await first(client.vectorStores.search((await stored())[0], { query: "tide" }))).filename === "a.txt",
  "vectorStores.files.create": async () => (await client.vectorStores.files.create(await store(), { file_id: await file() })).id,
  "vectorStores.files.retrieve": async () => { const [vector_store_id, id] = await stored(); return (await client.vectorStores.files.retrieve(id, { vector_store_id })).status === "completed"; },
  "vectorStores.files.update": async () => { const [vector_store_id, id] = await stored(); return (await client.vectorStores.files.update(id, { vector_store_id, attributes: { a: 1 } })).attributes.a === 1; },
  "vectorStores.files.list": async () => { const [store_id, id] = await stored(); return (await first(client.vectorStores.files.list(store_id))).id === id; },
  "vectorStores.files.delete": async () => { const [vector_store_id, id] = await stored(); return (await client.vectorStores.files.delete(id, { vector_store_id })).deleted; },
  "vectorStores.files.createAndPoll": async () => (await client.vectorStores.files.createAndPoll(await store(), { file_id: await file() })).status === "completed",
  "vectorStores.files.poll": async () => { const [store_id, id] = await stored(); return (await client.vectorStores.files.poll(store_id, id)).status === "completed"; },
  "vectorStores.files.upload": async () => (await client.vectorStores.files.upload(await store(), await named("a.txt", "a"))).id,
  "vectorStores.files.uploadAndPoll": async () => (await client.vectorStores.files.uploadAndPoll(await store(), await named("a.txt", "a"))).status === "completed",
  "vectorStores.files.content": async () => { const [vector_store_id, id] = await stored(); return (await first(client.vectorStores.files.content(id, { vector_store_id }))).text; },
  "vectorStores.fileBatches.create": fileBatch,
  "vectorStores.fileBatches.retrieve": async () => { const [vector_store_id, id] = await fileBatch(); return (await client.vectorStores.fileBatches.retrieve(id, { vector_store_id })).status === "completed"; },
  "vectorStores.fileBatches.cancel": async () => { const [vector_store_id, id] = await fileBatch(slow); return (await client.vectorStores.fileBatches.cancel(id, { vector_store_id })).status === "cancelled"; },
  "vectorStores.fileBatches.createAndPoll": async () => (await client.vectorStores.fileBatches.createAndPoll(await store(), { file_ids: [await file()] })).status === "completed",
  "vectorStores.fileBatches.listFiles": async () => { const [vector_store_id, id] = await fileBatch(); return (await first(client.vectorStores.fileBatches.listFiles(id, { vector_store_id }))).status; },
  "vectorStores.fileBatches.poll": async () => { const [store_id, id] = await fileBatch(); return (await client.vectorStores.fileBatches.poll(store_id, id)).status === "completed"; },
  "vectorStores.fileBatches.uploadAndPoll": async () => (await client.vectorStores.fileBatches.uploadAndPoll(await store(), { files: [await named("a.txt", "a")] })).file_counts.completed === 1,
  "batches.create": batch,
  "batches.retrieve": async () => (await client.batches.retrieve(await batch())).output_file_id,
  "batches.list": async () => { const id = await batch(); return (await first(client.batches.list())).id === id; },
  "batches.cancel": async () => (await client.batches.cancel(await batch(slow))).status.startsWith("cancel"),
  "uploads.create": upload,
  "uploads.cancel": async () => (await client.uploads.cancel(await upload())).status === "cancelled",
  "uploads.parts.create": async () => (await client.uploads.parts.create(await upload(), { data: await named("p", "12345") })).id,
  "uploads.complete": async () => {
    const id = await upload();
    const part = await client.uploads.parts.create(id, { data: await named("p", "12345") });
    return (await client.uploads.complete(id, { part_ids: [part.id] })).file.bytes === 5;
  },
  "evals.create": evaluation,
  "evals.retrieve": async () => (await client.evals.retrieve(await evaluation())).name === "e",
  "evals.update": async () => (await client.evals.update(await evaluation(), { name: "f" })).name === "f",
  "evals.list": async () => { const id = await evaluation(); return (await first(client.evals.list({ order: "desc" }))).id === id; },
  "evals.delete": async () => (await client.evals.delete(await evaluation())).deleted,
  "evals.runs.create": run,
  "evals.runs.retrieve": async () => { const [eval_id, id] = await run(); return (await client.evals.runs.retrieve(id, { eval_id })).result_counts.passed === 1; },
  "evals.runs.list": async () => { const [eval_id, id] = await run(); return (await first(client.evals.runs.list(eval_id))).id === id; },
  "evals.runs.delete": async () => { const [eval_id, id] = await run(); return (await client.evals.runs.delete(id, { eval_id })).deleted; },
  "evals.runs.cancel": async () => { const [eval_id, id] = await run(slow); return (await client.evals.runs.cancel(id, { eval_id })).status; },
  "evals.runs.outputItems.list": async () => { const [eval_id, id] = await run(); return (await first(client.evals.runs.outputItems.list(id, { eval_id }))).status === "pass"; },
  "evals.runs.outputItems.retrieve": async () => {
    const [eval_id, run_id] = await run();
    const item = await first(client.evals.runs.outputItems.list(run_id, { eval_id }));
    return (await client.evals.runs.outputItems.retrieve(item.id, { eval_id, run_id })).id === item.id;
  },
  "containers.create": container,
  "containers.retrieve": async () => (await client.containers.retrieve(await container())).status === "running",
  "containers.list": async () => { const id = await container(); return (await first(client.containers.list())).id === id; },
  "containers.delete": async () => { await client.containers.delete(await container()); return true; },
  "containers.files.create": contained,
  "containers.files.retrieve": async () => { const [container_id, id] = await contained(); return (await client.containers.files.retrieve(id, { container_id })).bytes === 3; },
  "containers.files.list": async () => { const [container_id, id] = await contained(); return (await first(client.containers.files.list(container_id))).id === id; },
  "containers.files.delete": async () => { const [container_id, id] = await contained(); await client.containers.files.delete(id, { container_id }); return true; },
  "containers.files.content.retrieve": async () => { const [container_id, id] = await contained(); return (await text(await client.containers.files.content.retrieve(id, { container_id }))) === "abc"; },
  "skills.create": skill,
  "skills.retrieve": async () => (await client.skills.retrieve(await skill())).name === "tides",
  "skills.update": async () => (await client.skills.update(await version(), { default_version: "2" })).default_version === "2",
  "skills.list": async () => { const id = await skill(); return (await first(client.skills.list())).id === id; },
  "skills.delete": async () => (await client.skills.delete(await skill())).deleted,
  "skills.content.retrieve": async () => (await text(await client.skills.content.retrieve(await skill()))).startsWith("PK"),
  "skills.versions.create": version,
  "skills.versions.retrieve": async () => (await client.skills.versions.retrieve("2", { skill_id: await version() })).version === "2",
  "skills.versions.list": async () => (await first(client.skills.versions.list(await version()))).version === "2",
  "skills.versions.delete": async () => (await client.skills.versions.delete("2", { skill_id: await version() })).deleted,
  "skills.versions.content.retrieve": async () => (await text(await client.skills.versions.content.retrieve("2", { skill_id: await version() }))).startsWith("PK"),
  "videos.create": video,
  "videos.retrieve": async () => (await client.videos.retrieve(await video())).status === "completed",
  "videos.list": async () => { const id = await video(); return (await first(client.videos.list())).id === id; },
  "videos.delete": async () => (await client.videos.delete(await video())).deleted,
  "videos.createCharacter": async () => (await client.videos.createCharacter({ name: "Mo", video: await named("a.mp4", "a") })).name === "Mo",
  "videos.getCharacter": async () => {
    const made = await client.videos.createCharacter({ name: "Mo", video: await named("a.mp4", "a") });
    return (await client.videos.getCharacter(made.id)).id === made.id;
  },
  "videos.downloadContent": async () => (await text(await client.videos.downloadContent(await video()))).includes("ftyp"),
  "videos.edit": async () => (await client.videos.edit({ prompt: "b", video: await named("a.mp4", "a") })).prompt === "b",
  "videos.extend": async () => (await client.videos.extend({ prompt: "b", seconds: "8", video: await named("a.mp4", "a") })).seconds === "8",
  "videos.remix": async () => (await client.videos.remix(await video(), { prompt: "b" })).prompt === "b",
};

function methods(owner, path) {
  const prototype = Object.getPrototypeOf(owner);
  const found = Object.getOwnPropertyNames(prototype)
    .filter((name) => name !== "constructor" && !name.startsWith("_") && typeof prototype[name] === "function")
    .map((name) => [...path, name].join("."));
  const inner = Object.entries(owner).filter(([name, value]) => !name.startsWith("_") && value && value._client);
  return [...found, ...inner.flatMap(([name, value]) => methods(value, [...path, name]))];
}

const every = Object.entries(client).filter(([, value]) => value && value._client)
  .flatMap(([name, value]) => methods(value, [name]));
const failures = {};
for (const [name, call] of Object.entries(rows)) {
  try {
    if (!(await call())) failures[name] = "a wrong answer";
  } catch (error) {
    failures[name] = String(error);
  }
}
console.log(JSON.stringify({ failures, without: every.filter((name) => !(name in rows)), rows: Object.keys(rows).length }));
