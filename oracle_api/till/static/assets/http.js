// Requests to the oracle; every refusal becomes a Problem with the server's words.

import { t } from "./i18n.js";

const TIMEOUT_MILLISECONDS = 10000;
let clockOffsetMilliseconds = 0;

/** A refusal: `code` and `detail` of an RFC 9457 document, or our own words when there is none. */
export class Problem extends Error {
  constructor({ code, detail, status, retryable, contact = null, retryAfterSeconds = null }) {
    super(detail);
    this.code = code;
    this.status = status;
    this.retryable = retryable;
    this.contact = contact;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

/** The server's clock, so that a till with a wrong clock counts down rightly. */
export function serverNow() {
  return Date.now() + clockOffsetMilliseconds;
}

/** Ask once; `body` is null when there is none or it has not changed. */
export async function exchange(path, options = {}) {
  let response;
  try {
    const signal = AbortSignal.timeout(TIMEOUT_MILLISECONDS);
    response = await fetch(path, { credentials: "same-origin", signal, ...options });
  } catch {
    throw new Problem({ code: "network", detail: t("problem.network"), status: 0, retryable: true });
  }
  learnClock(response);
  const etag = response.headers.get("ETag");
  if (response.status === 304 || response.status === 204) return { body: null, etag };
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
    contact: body?.contact ?? null,
    retryAfterSeconds: Number(response.headers.get("Retry-After")) || null,
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
