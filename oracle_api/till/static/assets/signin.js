// The sign-in form, and the sheet that says who is signed in and signs out.

import { onLanguageChange, t } from "./i18n.js";
import * as outbox from "./outbox.js";
import { officeContact, signIn, signOut, startAfresh } from "./session.js";

const part = (id) => document.getElementById(`signin-${id}`);
const dialog = document.getElementById("signin");
const sheet = document.getElementById("account-sheet");
const button = document.getElementById("account");
let said = null;
let name = "";
let isBusy = false;

export function startSignIn() {
  part("form").addEventListener("submit", (event) => {
    event.preventDefault();
    submit();
  });
  part("show").addEventListener("click", () => showPassword(part("password").type === "password"));
  // Esc must not lead past it, and a browser lets a page refuse that only once.
  dialog.addEventListener("cancel", (event) => event.preventDefault());
  dialog.addEventListener("close", () => said !== null && dialog.showModal());
  button.addEventListener("click", () => {
    document.getElementById("account-problem").hidden = true;
    sheet.showModal();
  });
  document.getElementById("account-stay").addEventListener("click", () => sheet.close());
  document.getElementById("account-leave").addEventListener("click", leave);
  onLanguageChange(render);
}

/** Somebody has to sign in; `problem` is why, `account` who it was until now. */
export function askToSignIn(problem, account) {
  said = account !== null && problem.status === 401 ? { code: "session_over" } : problem;
  if (account !== null) part("name").value = account.name;
  sheet.close();
  render();
  if (!dialog.open) dialog.showModal();
  (part("name").value === "" ? part("name") : part("password")).focus();
}

/** Somebody has signed in, or, when it is nobody, need not. */
export function showSignedIn(account) {
  said = null;
  part("password").value = "";
  showPassword(false);
  if (dialog.open) dialog.close();
  name = account?.name ?? "";
  button.hidden = account === null;
  render();
}

async function submit() {
  const username = part("name").value.trim().toLowerCase();
  const password = part("password").value;
  if (isBusy) return;
  if (username === "" || password === "") {
    fail({ code: "incomplete" }, username === "" ? "name" : "password");
    return;
  }
  setBusy(true);
  try {
    await signIn(username, password);
  } catch (problem) {
    if (problem.status === undefined) throw problem;
    part("password").value = "";
    fail(problem, "password");
  } finally {
    setBusy(false);
  }
}

function fail(problem, focus) {
  said = problem;
  setBusy(false);
  part(focus).focus();
}

function setBusy(busy) {
  isBusy = busy;
  render();
}

function showPassword(visible) {
  part("password").type = visible ? "text" : "password";
  part("show").setAttribute("aria-pressed", String(visible));
}

function render() {
  part("problem-text").textContent = said === null ? "" : words(said);
  part("problem").hidden = part("problem-text").textContent === "";
  part("office").textContent = t("signin.office", { office: officeWords() });
  part("submit").textContent = t(isBusy ? "signin.busy" : "signin.submit");
  part("submit").disabled = isBusy;
  document.getElementById("account-name").textContent = name;
  button.setAttribute("aria-label", t("account.label", { name }));
}

/** Why not, in the page's language; nothing when nobody has tried yet. */
function words(problem) {
  const values = { office: officeWords(), seconds: problem.retryAfterSeconds ?? 30 };
  switch (problem.code) {
    case "credentials_missing":
    case "refresh_token_invalid":
      return "";
    case "session_over":
      return t("signin.over");
    case "incomplete":
      return t("signin.incomplete");
    case "network":
      return t("signin.network");
    case "sign_in_too_often":
    case "rate_limited":
      return t("signin.tooOften", values);
    case "not_for_tills":
      return t("signin.notForTills", values);
    case "credentials_wrong":
    case "token_invalid":
      return t("signin.wrong", values);
    default:
      return problem.message;
  }
}

function officeWords() {
  const office = officeContact();
  if (office === null) return t("signin.someOffice");
  return office.contact ? `${office.name} (${office.contact})` : office.name;
}

async function leave() {
  const problem = document.getElementById("account-problem");
  const leaving = document.getElementById("account-leave");
  problem.hidden = true;
  leaving.disabled = true;
  try {
    await signOut();
    outbox.giveUp();
    await startAfresh();
  } catch (refusal) {
    problem.textContent = refusal.code === "network" ? t("account.offline") : refusal.message;
    problem.hidden = false;
    leaving.disabled = false;
  }
}
