// The oracle's HTTP API as the till uses it; every refusal becomes a Problem with the server's words.

import { t } from "./i18n.js";

const TIMEOUT_MILLISECONDS = 10000;
let clockOffsetMilliseconds = 0;

/** A refusal: `code` and `detail` of an RFC 9457 document, or our own words when there is none. */
export class Problem extends Error {
  constructor({ code, detail, status, retryable }) {
    super(detail);
    this.code = code;
    this.status = status;
    this.retryable = retryable;
  }
}

/** The server's clock, so that a till with a wrong clock counts down rightly. */
export function serverNow() {
  return Date.now() + clockOffsetMilliseconds;
}

export async function readCatalogue() {
  return (await request("/api/v1/catalogue")).body.data;
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

async function request(path, options = {}) {
  let response;
  try {
    const signal = AbortSignal.timeout(TIMEOUT_MILLISECONDS);
    response = await fetch(path, { credentials: "same-origin", signal, ...options });
  } catch {
    throw new Problem({ code: "network", detail: t("problem.network"), status: 0, retryable: true });
  }
  learnClock(response);
  const etag = response.headers.get("ETag");
  if (response.status === 304) return { body: null, etag };
  let body = null;
  try {
    body = await response.json();
  } catch {
    // A proxy's error page, or an answer that broke off half-way: both are told by the status.
  }
  if (response.ok && body !== null) return { body, etag };
  throw refusal(response, body);
}

function refusal(response, body) {
  const isBroken = response.ok || response.status >= 500;
  return new Problem({
    code: String(body?.code ?? "http"),
    detail: String(body?.detail ?? body?.title ?? t("problem.http", { status: response.status })),
    status: response.status,
    retryable: body?.retryable ?? isBroken,
  });
}

function learnClock(response) {
  const date = Date.parse(response.headers.get("Date") ?? "");
  const difference = date + 500 - Date.now();
  // Seconds are all that the header tells; a smaller difference is no difference.
  if (Number.isFinite(difference)) {
    clockOffsetMilliseconds = Math.abs(difference) > 1500 ? difference : 0;
  }
}
