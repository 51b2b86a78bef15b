// The page: what it knows comes from the stream and a few questions, and is
// drawn a few times a second while somebody looks.
import { byId } from "./dom.js";
import { flow } from "./flow.js";
import { header } from "./header.js";
import { ledger } from "./ledger.js";
import { menu } from "./menu.js";
import { notices } from "./notices.js";
import { partitions } from "./partitions.js";
import { askOften, askOnce, askResults, askSeldom } from "./poll.js";
import { queries } from "./queries.js";
import { samples } from "./samples.js";
import { plan, state } from "./state.js";
import { store, takeResult, takeStatus } from "./store.js";
import { openStream } from "./stream.js";
import { onTheme, startTheme } from "./theme.js";
import { why } from "./why.js";

const drawEvery = 300; // milliseconds
const oftenEvery = 2000;
const seldomEvery = 6000;
const filterWait = 350;

const views = [];
let drawnAt = 0;
let planned = 0;

// changed has the page drawn soon, however often it is called.
function changed() {
  if (planned || document.hidden) return;
  planned = setTimeout(() => requestAnimationFrame(draw), Math.max(0, drawEvery - (performance.now() - drawnAt)));
}

function draw() {
  planned = 0;
  drawnAt = performance.now();
  for (const view of views) view(store);
}

function drawNow() {
  clearTimeout(planned);
  planned = 0;
  if (!document.hidden) draw();
}

function every(wait, ask) {
  const again = async () => {
    if (!document.hidden && store.connection.state !== "lost") {
      await ask();
      changed();
    }
    setTimeout(again, wait);
  };
  again();
}

function choose(query) {
  store.query = query;
  history.replaceState(null, "", `#${encodeURIComponent(query)}`);
  drawNow();
  Promise.all([askResults(query), askOften()]).then(changed);
}

let filterTimer = 0;

function filtered(text) {
  clearTimeout(filterTimer);
  drawNow();
  if (text) filterTimer = setTimeout(() => askResults(store.query, text).then(changed), filterWait);
}

// refresh brings what a stream that has just begun, or begun again, has missed.
async function refresh() {
  await askOnce();
  const names = (store.status?.queries ?? []).map((q) => q.name);
  await Promise.all([...names.filter((n) => n === store.query).map((n) => askResults(n)), askOften(), askSeldom()]);
  changed();
}

const taken = {
  status: takeStatus,
  result: takeResult,
  dropped({ rows, because }) {
    store.dropped[because] = { rows: (store.dropped[because]?.rows ?? 0) + rows, at: Date.now() };
  },
};

function listen() {
  openStream({
    open() {
      store.connection = { state: "live", since: Date.now() };
      refresh();
    },
    lost() {
      if (store.connection.state !== "lost") store.connection = { state: "lost", since: Date.now() };
      changed();
    },
    event(type, data) {
      taken[type](data);
      changed();
    },
  });
}

function start() {
  startTheme(byId("theme"));
  onTheme(changed);
  views.push(header(), notices(), flow(), queries({ query: choose, filter: filtered }, drawNow), why(), partitions(), ledger(), samples(), state(), plan(), menu(refresh));
  try {
    store.query = decodeURIComponent(location.hash.slice(1));
  } catch {
    // Not one of ours.
  }
  document.addEventListener("visibilitychange", drawNow);
  new ResizeObserver(changed).observe(byId("main"));
  listen();
  every(oftenEvery, askOften);
  every(seldomEvery, askSeldom);
  changed();
}

start();
