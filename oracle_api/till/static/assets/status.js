// How each status looks: an icon and a word beside the colour, so that none depends on colour.

import { t } from "./i18n.js";

const ICONS = {
  awaiting_payment: "clock",
  detected: "eye",
  paid: "check",
  settled: "check",
  underpaid: "half",
  expired: "cross",
  cancelled: "cross",
  paid_late: "late",
  reversed: "stop",
};

export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#i-${name}`);
  svg.classList.add("icon");
  svg.setAttribute("aria-hidden", "true");
  svg.append(use);
  return svg;
}

export function label(status) {
  // A status from a newer server is shown as it is rather than hidden.
  return Object.hasOwn(ICONS, status) ? t(`status.${status}`) : String(status);
}

export function statusIcon(status) {
  return icon(Object.hasOwn(ICONS, status) ? ICONS[status] : "clock");
}

/** Fill `chip` with the status's icon and word; a settled order also bears a lock. */
export function fillChip(chip, status) {
  chip.dataset.status = status;
  chip.replaceChildren(statusIcon(status), text("span", label(status)));
  if (status === "settled") {
    const mark = text("span", "", "settled");
    mark.append(icon("lock"), text("span", t("status.settledMark")));
    chip.append(mark);
  }
}

export function text(tag, words, className = "") {
  const element = document.createElement(tag);
  element.textContent = words;
  if (className) element.className = className;
  return element;
}

/** "2 × Fresh milk, Chocolate milk", or the words for a plain RM amount. */
export function itemsText(order) {
  const items = Array.isArray(order.items) ? order.items : [];
  if (items.length === 0) return t("payment.amountItem");
  return items
    .map((item) => {
      const name = [item.name ?? item.sku ?? "?", item.size].filter(Boolean).join(" ");
      return item.quantity > 1 ? `${item.quantity} × ${name}` : name;
    })
    .join(", ");
}
