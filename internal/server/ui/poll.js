// What the stream does not bring is asked for now and then, while the page is
// seen. One question of a kind is under way at most.
import { get, ofQuery } from "./api.js";
import { historyOf, store, takeStatus } from "./store.js";

const pending = new Map();

// ask answers into the store; a failure stays beside the part it belongs to.
function ask(part, path, params, take) {
  if (pending.has(part)) return pending.get(part);
  const question = get(path, params)
    .then((body) => {
      take(body);
      delete store.errors[part];
    })
    .catch((error) => {
      store.errors[part] = error.name === "TimeoutError" ? "the server did not answer in time" : error.message;
    })
    .finally(() => pending.delete(part));
  pending.set(part, question);
  return question;
}

export function askOften() {
  const query = store.query;
  const questions = [ask("why", "why", { limit: 12 }, (body) => (store.why = body))];
  if (query && store.status) {
    questions.push(
      ask("windows", ofQuery(query, "windows"), { limit: 200 }, (body) => {
        store.windows = { query, ...body };
      }),
    );
  }
  return Promise.all(questions);
}

export function askSeldom() {
  return Promise.all([
    ask("late", "late", {}, (body) => (store.late = body)),
    ask("dead", "dead", {}, (body) => (store.dead = body)),
    ask("checkpoints", "checkpoints", {}, (body) => (store.checkpoints = body.checkpoints ?? [])),
  ]);
}

export function askOnce() {
  return Promise.all([
    ask("status", "status", {}, takeStatus),
    ask("plan", "plan", {}, (body) => (store.plan = body)),
    ask("level", "log/level", {}, (body) => (store.level = body.level)),
  ]);
}

// askResults brings the past of a query; contains, of the keys that have it. The
// server looks for it in their JSON.
export function askResults(query, contains = "") {
  return ask(`results ${query} ${contains}`, ofQuery(query, "results"), { limit: 1000, contains: JSON.stringify(contains).slice(1, -1) }, (body) => {
    historyOf(query).load(body.results ?? []);
    delete store.errors.results;
  }).then(() => {
    const mine = `results ${query} ${contains}`;
    if (store.errors[mine]) store.errors.results = store.errors[mine];
    delete store.errors[mine];
  });
}
