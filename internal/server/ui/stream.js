// The server's events, again and again: a broken stream is opened anew, after a
// wait that doubles up to a limit and is spread, so that many pages do not come
// back at once.
import { address } from "./api.js";

const firstWait = 500;
const longestWait = 15000;

// openStream calls on.open, on.lost and on.event(type, data).
export function openStream(on) {
  let wait = firstWait;
  const connect = () => {
    const source = new EventSource(address("stream"));
    for (const type of ["status", "result", "dropped"]) {
      source.addEventListener(type, (message) => {
        wait = firstWait;
        const data = parse(message.data);
        if (data !== null) on.event(type, data);
      });
    }
    source.addEventListener("open", () => on.open());
    source.addEventListener("error", () => {
      source.close();
      const pause = wait * (0.75 + Math.random() / 2);
      wait = Math.min(2 * wait, longestWait);
      on.lost();
      setTimeout(connect, pause);
    });
  };
  connect();
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null; // the next one may be whole
  }
}
