// Sends an order until the server has answered: one key an order, kept over failures and reloads,
// so that however often it is sent, the server makes one order.

import { createOrder } from "./api.js";
import { accountId } from "./session.js";

const MEMORY_KEY = "billcoin.till.outbox";
const RETRY_MILLISECONDS = [1000, 2000, 3000, 5000];

let pending = remembered();
let wake = null;

export const hasPending = () => pending !== null;

/**
 * Send `request`, or what was left over by an earlier page when it is null. Resolves to the
 * order, or to null when `giveUp` was called; `onTrouble(problem)` is told of each failure.
 */
export async function send(request, onTrouble) {
  if (request !== null) remember({ key: newKey(), body: JSON.stringify(request) });
  for (let attempt = 0; pending !== null; attempt += 1) {
    try {
      if (!(await isMine())) break;
      const order = await createOrder(pending);
      remember(null);
      return order;
    } catch (problem) {
      if (!problem.retryable) {
        remember(null);
        throw problem;
      }
      onTrouble(problem);
      await pause(RETRY_MILLISECONDS[Math.min(attempt, RETRY_MILLISECONDS.length - 1)]);
    }
  }
  return null;
}

/** Whether the order is still wanted, and by who is signed in: nobody sends what another entered. */
async function isMine() {
  const id = await accountId();
  if (pending === null) return false;
  if ((pending.account ?? id) === id) remember({ ...pending, account: id });
  else remember(null);
  return pending !== null;
}

/** Stop trying. Should the order have reached the server all the same, the list shows it. */
export function giveUp() {
  remember(null);
  wake?.();
}

addEventListener("online", () => wake?.());

function pause(milliseconds) {
  return new Promise((resolve) => {
    wake = resolve;
    setTimeout(resolve, milliseconds);
  });
}

function newKey() {
  // Not randomUUID, which plain HTTP in a shop's own network does not offer.
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return `till-${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

function remember(next) {
  pending = next;
  try {
    if (next === null) sessionStorage.removeItem(MEMORY_KEY);
    else sessionStorage.setItem(MEMORY_KEY, JSON.stringify(next));
  } catch {
    // Without storage the key lives as long as the page, which covers all but a reload.
  }
}

function remembered() {
  try {
    const stored = JSON.parse(sessionStorage.getItem(MEMORY_KEY));
    return typeof stored?.key === "string" && typeof stored?.body === "string" ? stored : null;
  } catch {
    return null;
  }
}
