// The sheet that the customer sees: amount, QR code, countdown, and what became of it.

import { cancelOrder, qrPath, readOrder } from "./api.js";
import * as book from "./book.js";
import { serverNow } from "./http.js";
import { onLanguageChange, t } from "./i18n.js";
import { formatBill, missingUnits, shortBill } from "./money.js";
import { keepAwake } from "./senses.js";
import { credentials } from "./session.js";
import { fillChip, itemsText, statusIcon } from "./status.js";
import { watch } from "./watch.js";

const SURE_MILLISECONDS = 4000;
const QR_RETRY_MILLISECONDS = 1500;
const part = (id) => document.getElementById(`payment-${id}`);
const dialog = document.getElementById("payment");
let shownId = null;
let sureTimer = null;
let onClosed = () => {};

export function startPayment(closed) {
  onClosed = closed;
  for (const id of ["close", "new"]) part(id).addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", left);
  part("qr").addEventListener("error", () => setTimeout(reloadQr, QR_RETRY_MILLISECONDS));
  part("copy").addEventListener("click", copyUri);
  part("cancel").addEventListener("click", cancel);
  part("uri").addEventListener("focus", (event) => event.target.select());
  book.onChange((changes) => {
    if (changes.some(({ order }) => order.id === shownId)) render();
  });
  onLanguageChange(render);
  setInterval(renderClock, 250);
}

export const shownOrderId = () => shownId;

export function closePayment() {
  if (dialog.open) dialog.close();
}

export async function showPayment(id) {
  shownId = id;
  unsure();
  part("problem").hidden = true;
  loadQr();
  render();
  if (!dialog.open) dialog.showModal();
  part("new").focus();
  watch(id);
  keepAwake(true);
  if (book.order(id)?.paymentUri) return;
  try {
    const { order } = await readOrder(id);
    book.learn(order);
  } catch (problem) {
    showProblem(problem);
  }
}

/** Anew when a part was paid: the code then asks for the rest. */
function loadQr() {
  if (shownId !== null) part("qr").src = qrPath(shownId, book.order(shownId)?.amountReceived);
}

/** A cookie lets the image in, which may have to be renewed first. */
async function reloadQr() {
  try {
    await credentials();
  } catch {
    // Without a network the image fails again, and comes back here.
  }
  loadQr();
}

function renewQr(order) {
  const path = qrPath(order.id, order.amountReceived);
  if (part("qr").getAttribute("src") !== path) part("qr").src = path;
}

function left() {
  shownId = null;
  watch(null);
  keepAwake(false);
  part("qr").removeAttribute("src");
  onClosed();
}

function render() {
  const order = shownId === null ? null : book.order(shownId);
  if (order === null) return;
  part("title").textContent = t("order.number", { number: order.number });
  if (order.reference) {
    const name = document.createElement("bdi");
    name.textContent = order.reference;
    part("title").append(" · ", name);
  }
  part("myr").textContent = `RM ${order.amountMyr ?? "…"}`;
  part("bill").textContent = `${shortBill(order.amountDue)} BILL`;
  part("items").textContent = itemsText(order);
  part("qr").alt = t("payment.qr", { bill: order.amountDue, number: order.number });
  fillChip(part("status"), order.status);
  part("face").replaceChildren(statusIcon(order.status));
  dialog.dataset.status = order.status;
  renderNote(order);
  renderUri(order);
  renewQr(order);
  part("cancel").hidden = !(book.isOpen(order) || order.status === "expired");
  part("cancel").hidden ||= order.status === "detected" || order.status === "reversed";
  renderClock();
}

/** The code is there to be paid; where it must not be, it goes. */
function renderUri(order) {
  const payable = ["awaiting_payment", "underpaid"].includes(order.status);
  const uri = linkFor(order);
  // Only ever a wallet's link: no other scheme may hide behind the button.
  const usable = payable && uri.startsWith("ethereum:");
  dialog.classList.toggle("payable", payable);
  part("uri").value = uri;
  part("copy").disabled = !usable;
  if (usable) part("open").href = uri;
  else part("open").removeAttribute("href");
}

/** The order's payment request; once a part was paid, for the rest only. */
function linkFor(order) {
  const uri = String(order.paymentUri ?? "");
  return order.status === "underpaid"
    ? uri.replace(/uint256=\d+$/, `uint256=${missingUnits(order)}`)
    : uri;
}

function renderNote(order) {
  const note = part("note");
  note.textContent = noteText(order);
  note.hidden = note.textContent === "";
}

export function noteText(order) {
  if (order.status === "underpaid") {
    return t("note.missing", { amount: formatBill(missingUnits(order)) });
  }
  const words = ["detected", "expired", "cancelled", "paid_late", "reversed"];
  if (words.includes(order.status)) return t(`note.${order.status}`);
  const owed = order.amountOwedBack ?? "0";
  return owed === "0" ? "" : t("note.owed", { amount: owed });
}

function renderClock() {
  const order = shownId === null ? null : book.order(shownId);
  const clock = part("clock");
  const counts = order !== null && ["awaiting_payment", "underpaid"].includes(order.status);
  clock.hidden = !counts || !Number.isFinite(order.expiresAt);
  if (clock.hidden) return;
  const seconds = Math.ceil((order.expiresAt - serverNow()) / 1000);
  const time = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
  const words = seconds > 0 ? t("payment.remaining", { time }) : t("payment.ending");
  if (clock.textContent !== words) clock.textContent = words;
  clock.classList.toggle("short", seconds <= 30);
}

async function copyUri() {
  try {
    await navigator.clipboard.writeText(part("uri").value);
    part("copy-text").textContent = t("payment.copied");
  } catch {
    part("copy-text").textContent = t("payment.copyFailed");
    part("uri").classList.add("asked");
    part("uri").focus();
  }
  setTimeout(() => { part("copy-text").textContent = t("payment.copy"); }, 2500);
}

/** Twice within four seconds: a thumb that slips must not cancel what a customer is paying. */
async function cancel() {
  if (sureTimer === null) {
    part("cancel").textContent = t("payment.cancelSure");
    sureTimer = setTimeout(unsure, SURE_MILLISECONDS);
    return;
  }
  unsure();
  const id = shownId;
  try {
    book.learn(await cancelOrder(id));
    if (shownId === id) dialog.close();
  } catch (problem) {
    showProblem(problem);
  }
}

function unsure() {
  clearTimeout(sureTimer);
  sureTimer = null;
  part("cancel").textContent = t("payment.cancel");
}

function showProblem(problem) {
  part("problem").textContent = problem.message;
  part("problem").hidden = false;
}
