// The live connection: server-sent events that mend themselves, and the state that staff see.

const FIRST_RETRY_MILLISECONDS = 500;
const LONGEST_RETRY_MILLISECONDS = 5000;
const SUSPICION_MILLISECONDS = 3000;
// The server lets no more than 15 seconds pass without a word; twice that, and it is gone.
const SILENCE_MILLISECONDS = 35000;
const EVENT_TYPES = ["created", "detected", "paid", "settled", "underpaid", "expired", "cancelled",
  "paid_late", "reversed", "awaiting_payment", "updated"].map((name) => `order.${name}`);

let source = null;
let retryTimer = null;
let retryMilliseconds = FIRST_RETRY_MILLISECONDS;
let downSince = Date.now();
let handlers = null;
let lastEventId = "";
let heardAt = Date.now();
let attempt = 0;
let wasRefused = false;

/**
 * Start with `{path, admit, onSnapshot, onEvent, onState}`; it then goes on for the page's life.
 * `admit(wasRefused)` is waited for before each connection.
 */
export function startStream(wanted) {
  handlers = wanted;
  connect();
  addEventListener("online", reconnect);
  addEventListener("offline", () => lost("offline"));
  document.addEventListener("visibilitychange", () => {
    // A phone that slept may hold a connection that is long dead without a word.
    if (document.visibilityState === "visible" && slept()) reconnect();
  });
  setInterval(tick, 5000);
}

/** Hear nothing until `reconnect`: nobody is signed in. */
export function hold() {
  source?.close();
  downSince ??= Date.now();
}

/** For how long nothing has come; 0 while the stream is up. */
export function downMilliseconds() {
  return downSince === null ? 0 : Date.now() - downSince;
}

/** The number of the last event that came, which is the version that it gave its order. */
function toldVersion() {
  return Number(lastEventId) || undefined;
}

/** A poll learned of event `version`: unless the stream soon tells it too, the stream is dead. */
export function suspect(version) {
  setTimeout(() => {
    if (downSince === null && (toldVersion() ?? 0) < version) reconnect();
  }, SUSPICION_MILLISECONDS);
}

let lastTick = Date.now();
function tick() {
  // A connection can be cut without a word, and then looks open for a quarter of an hour.
  if (downSince === null && Date.now() - heardAt > SILENCE_MILLISECONDS) lost("reconnecting");
  if (slept() || Date.now() - heardAt > SILENCE_MILLISECONDS) reconnect();
  lastTick = Date.now();
}
const slept = () => Date.now() - lastTick > 20000;

/** Connect anew without a word about it: the server tells what came meanwhile. */
export function reconnect() {
  if (handlers === null) return;
  lastTick = Date.now();
  heardAt = Date.now();
  retryMilliseconds = FIRST_RETRY_MILLISECONDS;
  connect();
}

async function connect() {
  clearTimeout(retryTimer);
  source?.close();
  attempt += 1;
  const mine = attempt;
  try {
    await handlers.admit(wasRefused);
  } catch {
    if (mine === attempt) failed();
    return;
  }
  // Whoever asked for a connection meanwhile makes it.
  if (mine === attempt) listen();
}

function listen() {
  // What we were told last, so that the server tells all that came since and nothing is missed.
  const resume = lastEventId ? `?lastEventId=${encodeURIComponent(lastEventId)}` : "";
  source = new EventSource(handlers.path + resume);
  source.addEventListener("open", up);
  source.addEventListener("error", failed);
  // Too much has happened to be told one by one; a snapshot follows on the same stream.
  source.addEventListener("resync", () => { lastEventId = ""; });
  source.addEventListener("heartbeat", heard);
  source.addEventListener("snapshot", (message) => {
    heard();
    lastEventId = message.lastEventId;
    handlers.onSnapshot(JSON.parse(message.data));
  });
  for (const type of EVENT_TYPES) {
    source.addEventListener(type, (message) => {
      heard();
      lastEventId = message.lastEventId;
      handlers.onEvent(JSON.parse(message.data), toldVersion());
    });
  }
}

function heard() {
  heardAt = Date.now();
}

function up() {
  heard();
  downSince = null;
  wasRefused = false;
  retryMilliseconds = FIRST_RETRY_MILLISECONDS;
  handlers.onState("live");
}

/** A stream that broke is opened anew by us, soon and then ever less often. */
function failed() {
  lost(navigator.onLine ? "reconnecting" : "offline");
  // What cannot be reached is tried again by the browser; what refuses is given up.
  wasRefused = source?.readyState === EventSource.CLOSED;
  source?.close();
  clearTimeout(retryTimer);
  // Chance keeps a hundred tills from coming back in the same instant.
  retryTimer = setTimeout(connect, retryMilliseconds * (0.75 + Math.random() / 2));
  retryMilliseconds = Math.min(retryMilliseconds * 2, LONGEST_RETRY_MILLISECONDS);
}

function lost(state) {
  downSince ??= Date.now();
  handlers.onState(state);
}
