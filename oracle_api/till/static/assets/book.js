// What the till knows of the orders. News may come by stream, poll or answer, late or twice;
// whoever listens is told each order's status before and after, and nothing else matters to them.

const READY = new Set(["paid", "settled"]);
const CLOSED = new Set(["expired", "cancelled", "paid_late"]);
const ATTENTION = new Set(["reversed", "underpaid"]);
const FINAL = new Set(["settled", "cancelled"]);
const MAX_ORDERS = 300;
const MAX_QUESTIONS = 50;

const orders = new Map();
const listeners = new Set();

export const isReady = (order) => READY.has(order.status);
export const isClosed = (order) => CLOSED.has(order.status);
export const isOpen = (order) => !isReady(order) && !isClosed(order);

export function group(order) {
  if (ATTENTION.has(order.status)) return "attention";
  if (isReady(order)) return "ready";
  return isClosed(order) ? "closed" : "waiting";
}

export function order(id) {
  return orders.get(id) ?? null;
}

/** All orders, newest first: ids sort by their time. */
export function allOrders() {
  return [...orders.values()].sort((a, b) => (a.id < b.id ? 1 : -1));
}

/** `listener(changes)` with changes of the form {order, previousStatus}; null means new. */
export function onChange(listener) {
  listeners.add(listener);
}

/** Take over one order as the API tells it, whole or in part; old news is told as if first seen. */
export function learn(news, isOld = false) {
  const change = merge(news);
  if (change !== null) tell([isOld ? { ...change, previousStatus: null } : change]);
}

/** Take over a snapshot of open orders; returns the ids that it lacks though they were open. */
export function learnAll(snapshot) {
  tell(snapshot.map(merge).filter((change) => change !== null));
  const told = new Set(snapshot.map((news) => news.id ?? news.orderId));
  return allOrders()
    .filter((known) => !told.has(known.id) && !FINAL.has(known.status))
    .map((known) => known.id)
    .slice(0, MAX_QUESTIONS);
}

function merge(news) {
  const id = news.id ?? news.orderId;
  if (typeof id !== "string") return null;
  const before = orders.get(id) ?? null;
  // An order's version only grows, so an answer that was overtaken on its way is told by it.
  if (before !== null && (news.version ?? Infinity) < (before.version ?? 0)) return null;
  const after = { ...before, ...normal(news), id, number: numberOf(id) };
  orders.set(id, after);
  if (orders.size > MAX_ORDERS) orders.delete(leastWanted().id);
  return { order: after, previousStatus: before?.status ?? null };
}

/** The oldest order that nobody waits for any more, or else the oldest. */
function leastWanted() {
  const oldestFirst = allOrders().reverse();
  return oldestFirst.find((one) => FINAL.has(one.status) || isClosed(one)) ?? oldestFirst[0];
}

/** Only what is told, so that a partial event takes nothing away. */
function normal(news) {
  const names = ["status", "reference", "items", "amountMyr", "amountDue", "amountReceived",
    "amountOwedBack", "payment", "paymentUri", "version"];
  const told = names.filter((name) => news[name] !== undefined).map((name) => [name, news[name]]);
  const times = ["createdAt", "expiresAt", "paidAt"]
    .filter((name) => news[name] !== undefined)
    .map((name) => [name, Date.parse(news[name])]);
  return Object.fromEntries([...told, ...times]);
}

/** What staff call out: the end of the id, where chance is, in letters that cannot be misread. */
function numberOf(id) {
  return id.slice(-4).toUpperCase();
}

function tell(changes) {
  for (const listener of listeners) listener(changes);
}
