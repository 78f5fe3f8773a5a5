// Polls the shown order while the stream is down, and now and then to check on the stream itself.

import { readOrder } from "./api.js";
import * as book from "./book.js";
import { downMilliseconds, suspect } from "./stream.js";

const GRACE_MILLISECONDS = 5000;
const POLL_MILLISECONDS = 2000;
const CHECK_MILLISECONDS = 15000;

let watched = null;

/** Watch one order, or none (null). */
export function watch(id) {
  watched = id === null ? null : { id, etag: null, at: Date.now(), busy: false };
}

export function startWatching() {
  setInterval(poll, 500);
}

async function poll() {
  const mine = watched;
  if (mine === null || mine.busy || document.visibilityState === "hidden") return;
  const interval = downMilliseconds() > GRACE_MILLISECONDS ? POLL_MILLISECONDS : CHECK_MILLISECONDS;
  if (Date.now() - mine.at < interval) return;
  mine.busy = true;
  try {
    const { order, etag } = await readOrder(mine.id, mine.etag);
    mine.etag = etag;
    if (order !== null) {
      book.learn(order);
      suspect(order.version ?? 0);
    }
  } catch {
    // The connection's state is on the screen already; the next poll comes by itself.
  } finally {
    mine.at = Date.now();
    mine.busy = false;
  }
}
