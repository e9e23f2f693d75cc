// The official client's WebSocket in use: two turns, the second goes on from the first, and an error between them.
import OpenAI from "openai";
import { ResponsesWS } from "openai/resources/responses/ws";

const socket = new ResponsesWS(new OpenAI());
const ask = { type: "response.create", model: "gpt-4o-mini", store: false };
const turns = [{ ...ask, input: "I am Ada." }, { ...ask, model: 7 }, { ...ask, input: "Who am I?" }];
const said = { texts: [], types: [], errors: [], code: null };

function next(previous) {
  const turn = turns.shift();
  if (turn) socket.send(previous ? { ...turn, previous_response_id: previous } : turn);
  else socket.close({ code: 1000, reason: "done" });
}

let latest;
socket.on("event", (event) => said.types.push(event.type));
socket.on("response.completed", (event) => {
  latest = event.response;
  said.texts.push(latest.output.flatMap((item) => item.content).map((part) => part.text).join(""));
  said.previous = latest.previous_response_id;
  next();
});
socket.on("error", (error) => {
  said.errors.push(error.error?.error?.code ?? error.message);
  next(latest?.id);
});
socket.on("close", (code) => {
  said.code = code;
  console.log(JSON.stringify({ ...said, id: latest?.id }));
});
next();
