// Drives a service with the real openai client for Node and prints what came back, as JSON.
"use strict";

const OpenAI = require("openai");
const { toFile } = OpenAI;

const client = new OpenAI({
  baseURL: process.env.BASE_URL,
  apiKey: process.env.API_KEY,
  maxRetries: 0,
  defaultHeaders: { "Accept-Language": "en" },
});
const model = process.env.MODEL;
const question = process.env.QUESTION;
const messages = [{ role: "user", content: question }];

async function all(pages) {
  const found = [];
  for await (const item of pages) found.push(item);
  return found;
}

async function models() {
  return (await all(client.models.list())).map((item) => item.id);
}

async function chat() {
  const made = await client.chat.completions.create({ model, messages });
  const message = made.choices[0].message;
  return { text: message.content, finish: made.choices[0].finish_reason, annotations: message.annotations };
}

async function stream() {
  const options = { model, messages, stream: true, stream_options: { include_usage: true } };
  const chunks = await all(await client.chat.completions.create(options));
  const text = chunks.map((chunk) => chunk.choices[0]?.delta?.content ?? "").join("");
  return { text, role: chunks[0].choices[0].delta.role, usage: chunks.at(-1).usage };
}

async function upload() {
  const store = await client.vectorStores.create({ name: `node-${Date.now()}`, metadata: { by: "node" } });
  const content = Buffer.from("# 연료\n\n비상발전기는 시간당 경유 14리터를 쓴다.\n");
  const file = await client.vectorStores.files.uploadAndPoll(store.id, await toFile(content, "연료.md"));
  const more = await toFile(Buffer.from("# 급여\n\n급여는 매월 25일에 지급한다.\n"), "급여.md");
  const batch = await client.vectorStores.fileBatches.uploadAndPoll(store.id, { files: [more] });
  const found = await all(client.vectorStores.search(store.id, { query: "비상발전기 경유" }));
  const pages = await all(client.vectorStores.files.list(store.id, { limit: 1 }));
  const text = (await all(client.vectorStores.files.content(file.id, { vector_store_id: store.id })))
    .map((part) => part.text).join("");
  const deleted = await client.files.delete(file.id);
  return {
    status: file.status,
    batch: batch.file_counts,
    filename: found[0].filename,
    score: found[0].score,
    listed: pages.length,
    text,
    deleted: deleted.deleted,
    left: (await all(client.vectorStores.search(store.id, { query: "비상발전기 경유" }))).map((item) => item.filename),
  };
}

async function responses() {
  const tools = [{ type: "file_search", vector_store_ids: [process.env.STORE] }];
  const asked = { model: "rag/all", input: question, tools, include: ["file_search_call.results"] };
  const whole = await client.responses.create(asked);
  const events = await all(await client.responses.create({ ...asked, stream: true }));
  return {
    text: whole.output_text,
    results: whole.output[0].results.map((item) => item.filename),
    annotations: whole.output.at(-1).content[0].annotations,
    streamed: events.filter((item) => item.type === "response.output_text.delta").map((item) => item.delta).join(""),
    last: events.at(-1).type,
  };
}

async function embeddings() {
  const wanted = (await models()).find((item) => item.startsWith("embed/"));
  const made = await client.embeddings.create({ model: wanted, input: ["How long is parental leave?", "Pay day"] });
  return { count: made.data.length, width: made.data[0].embedding.length };
}

async function errors() {
  const found = {};
  for (const [name, call] of Object.entries({
    model: () => client.chat.completions.create({ model: "gpt-4o", messages }),
    store: () => client.vectorStores.retrieve(`vs_${"0".repeat(32)}`),
    purpose: async () => client.files.create({ file: await toFile(Buffer.from("x"), "x.md"), purpose: "fine-tune" }),
    key: () => new OpenAI({ baseURL: process.env.BASE_URL, apiKey: "wrong", maxRetries: 0 }).models.list(),
  })) {
    try {
      await call();
      found[name] = null;
    } catch (error) {
      found[name] = { status: error.status, code: error.code, kind: error.constructor.name };
    }
  }
  return found;
}

async function raw() {
  const parameters = { type: "object", properties: { topic: { type: "string" } }, required: ["topic"] };
  const tools = [{ type: "function", function: { name: "look_up", description: "Look up a rule", parameters } }];
  const said = await all(await client.chat.completions.create({ model, messages, stream: true }));
  const whole = await client.chat.completions.create({ model, messages, tools });
  const pieces = await all(await client.chat.completions.create({ model, messages, tools, stream: true }));
  const fragments = pieces.flatMap((chunk) => chunk.choices[0]?.delta?.tool_calls ?? []);
  const call = whole.choices[0].message.tool_calls[0];
  return {
    text: said.map((chunk) => chunk.choices[0]?.delta?.content ?? "").join(""),
    name: call.function.name,
    arguments: JSON.parse(call.function.arguments),
    finish: whole.choices[0].finish_reason,
    streamed: JSON.parse(fragments.map((item) => item.function?.arguments ?? "").join("")),
    indexes: [...new Set(fragments.map((item) => item.index))],
  };
}

const parts = { raw, models, chat, stream, upload, responses, embeddings, errors };

async function main() {
  const found = {};
  for (const name of process.argv.slice(2)) found[name] = await parts[name]();
  process.stdout.write(JSON.stringify(found));
}

main().catch((error) => {
  process.stderr.write(`${error.stack}\n`);
  process.exit(1);
});
