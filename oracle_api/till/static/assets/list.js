// The live list: a row an order, kept in place and in its group as its status changes.

import * as book from "./book.js";
import { serverNow } from "./http.js";
import { onLanguageChange, t } from "./i18n.js";
import { fillChip, itemsText, label, text } from "./status.js";

const GROUPS = ["attention", "waiting", "ready", "closed"];
const rows = new Map();
const sections = new Map();
let openOrder = () => {};

export function startList(onOpen) {
  openOrder = onOpen;
  const host = document.getElementById("groups");
  for (const name of GROUPS) {
    const section = document.createElement("section");
    section.className = "group";
    section.dataset.group = name;
    section.hidden = true;
    const title = text("h3", "");
    title.id = `group-${name}`;
    const list = document.createElement("ul");
    section.setAttribute("aria-labelledby", title.id);
    section.append(title, list);
    host.append(section);
    sections.set(name, { section, title, list });
  }
  book.onChange(render);
  onLanguageChange(() => render(book.allOrders().map((order) => ({ order, previousStatus: null }))));
  setInterval(renderTimes, 20000);
}

/** The first snapshot has come: an empty list is now a fact and no longer a wait. */
export function showLoaded() {
  document.getElementById("loading").hidden = true;
  document.getElementById("empty").hidden = rows.size > 0;
}

function render(changes) {
  for (const { order, previousStatus } of changes) {
    const row = rows.get(order.id) ?? newRow(order.id);
    fillRow(row, order);
    if (previousStatus !== null && previousStatus !== order.status) flash(row);
  }
  for (const id of rows.keys()) {
    if (book.order(id) === null) {
      rows.get(id).remove();
      rows.delete(id);
    }
  }
  arrange();
  const isAlarming = ({ order, previousStatus }) => previousStatus !== null && order.status === "reversed";
  if (changes.some(isAlarming)) document.querySelector(".orders").scrollTo(0, 0);
  if (document.getElementById("loading").hidden) showLoaded();
}

/** Put each row where it belongs and move no other, so that focus and scroll stay. */
function arrange() {
  const wanted = new Map(GROUPS.map((name) => [name, []]));
  for (const order of book.allOrders()) wanted.get(book.group(order)).push(rows.get(order.id));
  for (const [name, { section, title, list }] of sections) {
    wanted.get(name).forEach((row, index) => {
      if (list.children[index] === row) return;
      const hadFocus = row.contains(document.activeElement);
      list.insertBefore(row, list.children[index] ?? null);
      if (hadFocus) row.firstElementChild.focus();
    });
    const count = wanted.get(name).length;
    section.hidden = count === 0;
    title.replaceChildren(text("span", t(`group.${name}`)), text("span", String(count), "count"));
  }
}

function newRow(id) {
  const row = document.createElement("li");
  const button = document.createElement("button");
  button.type = "button";
  button.className = "order";
  button.addEventListener("click", () => openOrder(id));
  row.dataset.order = id;
  row.append(button);
  rows.set(id, row);
  return row;
}

function fillRow(row, order) {
  const button = row.firstElementChild;
  const who = document.createElement("span");
  who.className = "who";
  who.append(text("strong", order.number, "number"));
  if (order.reference) who.append(text("bdi", order.reference, "reference-text"));
  const chip = text("span", "", "chip");
  fillChip(chip, order.status);
  who.append(text("time", ago(order.createdAt), "when"));
  row.dataset.status = order.status;
  button.setAttribute(
    "aria-label",
    t("order.open", { number: spoken(order), status: label(order.status), amount: order.amountMyr }),
  );
  button.replaceChildren(
    line(who, text("span", `RM ${order.amountMyr}`, "price")),
    line(text("span", itemsText(order), "what"), chip),
  );
}

function line(left, right) {
  const host = text("span", "", "line");
  host.append(left, right);
  return host;
}

function spoken(order) {
  return order.reference ? `${order.number} ${order.reference}` : order.number;
}

function ago(createdAt) {
  if (!Number.isFinite(createdAt)) return "";
  const minutes = Math.floor((serverNow() - createdAt) / 60000);
  if (minutes < 1) return t("time.ago.now");
  if (minutes < 60) return t("time.ago.minutes", { count: minutes });
  return new Date(createdAt).toLocaleTimeString(document.documentElement.lang, {
    hour: "2-digit",
    minute: "2-digit",
  });
}

function renderTimes() {
  for (const [id, row] of rows) {
    row.querySelector(".when").textContent = ago(book.order(id)?.createdAt);
  }
}

function flash(row) {
  row.classList.remove("changed");
  // Reading the layout between makes the browser start the animation anew.
  void row.offsetWidth;
  row.classList.add("changed");
}
