// What takes over the whole screen: the green "Paid", and the red "reversed".

import * as book from "./book.js";
import { onLanguageChange, t } from "./i18n.js";
import { closePayment, noteText, shownOrderId } from "./payment.js";
import { announce, chime, siren } from "./senses.js";
import { label } from "./status.js";

const paid = document.getElementById("paid");
const alarm = document.getElementById("alarm");
const alarming = new Set();
const CLOSING_GUARD_MILLISECONDS = 400;
let shownPaid = null;
let paidAt = 0;
let onNext = () => {};

export function startOutcome(next) {
  onNext = next;
  document.getElementById("paid-next").addEventListener("click", () => {
    // A tap that was meant for the sheet below must not sweep "Paid" away unseen.
    if (performance.now() - paidAt > CLOSING_GUARD_MILLISECONDS) paid.close();
  });
  paid.addEventListener("close", () => {
    shownPaid = null;
    onNext();
  });
  document.getElementById("alarm-seen").addEventListener("click", () => {
    alarming.clear();
    alarm.close();
  });
  // Esc is too easily hit for this one, and a browser lets a page refuse it only once.
  alarm.addEventListener("cancel", (event) => event.preventDefault());
  alarm.addEventListener("close", () => alarming.size > 0 && alarm.showModal());
  onLanguageChange(renderAlarm);
  book.onChange((changes) => changes.forEach(react));
}

function react({ order, previousStatus }) {
  if (previousStatus === order.status) return;
  const wasReady = previousStatus === "paid" || previousStatus === "settled";
  if (book.isReady(order)) {
    alarming.delete(order.id);
    renderAlarm();
    if (previousStatus !== null && !wasReady) celebrate(order);
  } else if (order.status === "reversed" && previousStatus !== null) {
    raise(order);
  } else if (order.id === shownOrderId()) {
    announce(`${label(order.status)}. ${noteText(order)}`);
  }
}

function celebrate(order) {
  announce(t("paid.announce", { number: order.number, amount: order.amountMyr }));
  chime();
  if (order.id !== shownOrderId() || alarm.open) return;
  shownPaid = order.id;
  paidAt = performance.now();
  document.getElementById("paid-amount").textContent = `RM ${order.amountMyr}`;
  document.getElementById("paid-order").textContent = [order.number, order.reference]
    .filter(Boolean)
    .join(" · ");
  const note = document.getElementById("paid-note");
  note.textContent = noteText(order);
  note.hidden = note.textContent === "";
  paid.showModal();
  closePayment();
  document.getElementById("paid-next").focus();
}

function raise(order) {
  alarming.add(order.id);
  if (shownPaid === order.id) paid.close();
  renderAlarm();
  if (!alarm.open) alarm.showModal();
  document.getElementById("alarm-seen").focus();
  siren();
  announce(`${label("reversed")}. ${order.number}`);
}

function renderAlarm() {
  const orders = [...alarming].map(book.order).filter((order) => order !== null);
  document.getElementById("alarm-order").textContent = orders
    .map((order) => [order.number, order.reference, `RM ${order.amountMyr}`].filter(Boolean).join(" · "))
    .join("\n");
  if (orders.length === 0 && alarm.open) alarm.close();
}
