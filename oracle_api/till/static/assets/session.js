// Who is signed in. The access token is in this module's memory alone; what lasts over a reload is
// a cookie that no script can read, and that is sent for renewing it and for nothing else.

import { exchange, Problem } from "./http.js";

const TOKENS = "/api/v1/tokens";
const ME = "/api/v1/accounts/me";
const ROLES = ["till", "finance", "admin"];
const STALE_MILLISECONDS = 60000;
const RENEW_EARLY_MILLISECONDS = 50000;
const channel =
  typeof BroadcastChannel === "undefined" ? null : new BroadcastChannel("billcoin.till.session");

let handlers = null;
let isKnown = false;
let isOpen = false;
let access = null;
let account = null;
let office = null;
let renewing = null;
let renewTimer = null;
let admit = null;

/** Start with `{onNeeded(problem), onEntered(account)}`; the account is null while access is open. */
export function startSession(wanted) {
  handlers = wanted;
  channel?.addEventListener("message", ({ data }) => heardOf(data));
}

/** The office that makes accounts, as the server's refusals name it. */
export const officeContact = () => office;

/** Whose till this is, null if that is not known yet; no words to show, since access may be open. */
export async function accountId() {
  await credentials();
  return isOpen ? "open" : account.id;
}

/** The headers of a request. Waits while somebody has to sign in; fails while there is no network. */
export async function credentials() {
  if (!isOpen && (account === null || isStale())) await renew();
  return isOpen ? {} : { Authorization: bearer(access) };
}

/** The server refused these headers; whoever asks for new ones does not get them again. */
export function distrust(headers) {
  if (headers.Authorization === undefined) {
    isKnown = false;
    isOpen = false;
  } else if (headers.Authorization === bearer(access)) access = null;
}

/** Sign in with a password; throws a Problem that says why not. */
export async function signIn(username, password) {
  await adopt(await grant({ grant_type: "password", username, password }));
  channel?.postMessage(account.id);
  admit?.();
}

/** End the session here, on the server and in this browser's other tabs. */
export async function signOut() {
  await revoke();
  channel?.postMessage(null);
  access = null;
}

function renew() {
  renewing ??= enter().finally(() => { renewing = null; });
  return renewing;
}

async function enter() {
  if (!(await learnWhetherOpen())) {
    try {
      await adopt(await grant({ grant_type: "refresh_token" }));
    } catch (problem) {
      if (problem.status !== 401 && problem.status !== 403) throw problem;
      access = null;
      await askPerson(problem);
    }
  }
  handlers.onEntered(account);
}

/** Where access is open the server tells who asks without being shown anything. */
async function learnWhetherOpen() {
  if (isKnown) return isOpen;
  try {
    await exchange(ME);
    isOpen = true;
  } catch (problem) {
    if (problem.status !== 401) throw problem;
    learnOffice(problem);
  }
  isKnown = true;
  return isOpen;
}

async function grant(request) {
  const headers = { "Content-Type": "application/json" };
  const body = JSON.stringify({ ...request, session: "cookie" });
  try {
    const granted = (await exchange(TOKENS, { method: "POST", headers, body })).body;
    const lifeMilliseconds = granted.expires_in * 1000;
    return { token: granted.access_token, lifeMilliseconds, until: Date.now() + lifeMilliseconds };
  } catch (problem) {
    learnOffice(problem);
    throw problem;
  }
}

/** Go on with this token, once it is known whose it is and that they may sell. */
async function adopt(granted) {
  const me = (await exchange(ME, { headers: { Authorization: bearer(granted) } })).body;
  if (!me.roles.some((role) => ROLES.includes(role))) {
    await revoke();
    throw new Problem({ code: "not_for_tills", detail: "", status: 403, retryable: false });
  }
  // Nothing of one person's may be left for the next.
  if (account !== null && account.id !== me.id) await startAfresh();
  account = me;
  access = granted;
  clearTimeout(renewTimer);
  // Should there be no network just then, whoever next needs the token renews it.
  const renewQuietly = () => renew().catch(() => {});
  renewTimer = setTimeout(renewQuietly, granted.lifeMilliseconds - RENEW_EARLY_MILLISECONDS);
}

const revoke = () => exchange(`${TOKENS}/revoke`, { method: "POST" });

function askPerson(problem) {
  return new Promise((resolve) => {
    admit = () => {
      admit = null;
      resolve();
    };
    handlers.onNeeded(problem, account);
  });
}

/** Another tab of this browser signed in (the account's id) or out (null). */
async function heardOf(id) {
  if (isOpen) return;
  if (id === null || (account !== null && account.id !== id)) await startAfresh();
  if (admit === null) return;
  try {
    await adopt(await grant({ grant_type: "refresh_token" }));
    admit?.();
  } catch {
    // The form is still there.
  }
}

/** A new page, which has nothing of this one's memory; what waits for it waits for ever. */
export function startAfresh() {
  location.reload();
  return new Promise(() => {});
}

const isStale = () => access === null || Date.now() > access.until - STALE_MILLISECONDS;
const bearer = (granted) => `Bearer ${granted?.token}`;

function learnOffice(problem) {
  office = problem.contact ?? office;
}
