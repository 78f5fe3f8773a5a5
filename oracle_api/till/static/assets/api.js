// The oracle's HTTP API as the till uses it, on behalf of whoever is signed in.

import { exchange } from "./http.js";
import { credentials, distrust } from "./session.js";

export async function readCatalogue() {
  return (await exchange("/api/v1/catalogue")).body.data;
}

/** Whose till this is, asked of the server: finds out why it refused something else. */
export async function readAccount() {
  return (await request("/api/v1/accounts/me")).body;
}

export async function createOrder({ body, key }) {
  const headers = { "Content-Type": "application/json", "Idempotency-Key": key };
  return (await request("/api/v1/orders", { method: "POST", headers, body })).body;
}

export async function cancelOrder(id) {
  const path = `/api/v1/orders/${encodeURIComponent(id)}/cancel`;
  return (await request(path, { method: "POST" })).body;
}

/** One order with its ETag; `order` is null when it has not changed since `etag`. */
export async function readOrder(id, etag = null) {
  const headers = etag === null ? {} : { "If-None-Match": etag };
  const path = `/api/v1/orders/${encodeURIComponent(id)}`;
  // Not the browser's own cache: it would hide the 304 that makes polling cheap.
  const answer = await request(path, { headers, cache: "no-store" });
  return { order: answer.body, etag: answer.etag ?? etag };
}

/** The order's code; the server needs no `received`, it makes the browser load the image anew. */
export function qrPath(id, received = "0") {
  return `/api/v1/orders/${encodeURIComponent(id)}/qr.svg?received=${encodeURIComponent(received)}`;
}

/** With the account's credentials, which are renewed once should the server refuse them. */
async function request(path, options = {}) {
  for (let isAgain = false; ; isAgain = true) {
    const own = await credentials();
    try {
      return await exchange(path, { ...options, headers: { ...options.headers, ...own } });
    } catch (problem) {
      if (problem.status !== 401 || isAgain) throw problem;
      distrust(own);
    }
  }
}
