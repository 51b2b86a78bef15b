// What the page knows. Views read it; only main.js and poll.js write it.
import { History } from "./history.js";
import { Rates } from "./rates.js";

export const store = {
  status: null,
  rates: new Rates(),
  connection: { state: "connecting", since: Date.now() },
  dropped: {}, // why the stream left out rows → {rows, at}
  histories: new Map(), // query → History
  query: "", // the chosen one
  windows: null, // {query, windows, total}
  why: null,
  late: null,
  dead: null,
  checkpoints: null,
  plan: null,
  level: null,
  errors: {}, // part of the page → what went wrong with it
};

export function historyOf(query) {
  let history = store.histories.get(query);
  if (!history) {
    history = new History();
    store.histories.set(query, history);
  }
  return history;
}

// takeStatus keeps a snapshot, and forgets queries that are no more.
export function takeStatus(status) {
  store.status = status;
  store.rates.add(status);
  const names = (status.queries ?? []).map((q) => q.name);
  for (const name of store.histories.keys()) {
    if (!names.includes(name)) store.histories.delete(name);
  }
  if (!names.includes(store.query)) store.query = names[0] ?? "";
}

export function takeResult(row) {
  const known = store.status?.queries?.some((q) => q.name === row.query);
  if (known) historyOf(row.query).add(row);
}
