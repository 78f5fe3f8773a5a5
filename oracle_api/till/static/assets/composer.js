// The new-order form at the bottom: milk tiles or keypad, and one big button.

import { readCatalogue } from "./api.js";
import * as basket from "./basket.js";
import { Problem } from "./http.js";
import { onLanguageChange, t } from "./i18n.js";
import { formatSen } from "./money.js";
import * as outbox from "./outbox.js";
import { icon, text } from "./status.js";

const CATALOGUE_RETRY_MILLISECONDS = 5000;
const KEYS = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "00", "0", "erase"];
const part = (id) => document.getElementById(id);
let onCreated = () => {};
let busy = false;

export function startComposer(created) {
  onCreated = created;
  part("composer").addEventListener("submit", (event) => {
    event.preventDefault();
    submit();
  });
  part("composer").addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !busy) clear();
  });
  part("clear").addEventListener("click", clear);
  part("mode-milk").addEventListener("click", () => setMode(false));
  part("mode-amount").addEventListener("click", () => setMode(true));
  part("amount-input").addEventListener("input", (event) => {
    basket.setDigits(event.target.value);
    render();
  });
  part("keypad").append(...KEYS.map(keypadKey));
  onLanguageChange(() => {
    renderTiles();
    render();
  });
  loadCatalogue();
  render();
  if (outbox.hasPending()) deliver(null);
}

/** Where the next order starts for someone at the keyboard. */
export function focusComposer() {
  const target = basket.isByAmount() ? part("amount-input") : part("milk").querySelector("button");
  target?.focus({ preventScroll: true });
}

async function loadCatalogue() {
  try {
    basket.setCatalogue(await readCatalogue());
    hideProblem("catalogue");
    renderTiles();
  } catch {
    showProblem("catalogue", t("composer.noCatalogue"), t("composer.retryCatalogue"), loadCatalogue);
    setTimeout(() => basket.products().length || loadCatalogue(), CATALOGUE_RETRY_MILLISECONDS);
  }
}

function setMode(byAmount) {
  basket.setByAmount(byAmount);
  part("mode-milk").setAttribute("aria-pressed", String(!byAmount));
  part("mode-amount").setAttribute("aria-pressed", String(byAmount));
  part("milk").hidden = byAmount;
  part("amount").hidden = !byAmount;
  render();
  if (byAmount) part("amount-input").focus({ preventScroll: true });
}

function renderTiles() {
  part("milk").replaceChildren(...basket.products().map(tile));
}

function tile(product, index) {
  const names = { name: product.name, size: product.size, price: product.priceMyr };
  const host = text("div", "", "tile");
  host.dataset.sku = product.sku;
  host.dataset.tint = String(index % 6);
  const main = text("button", "", "tile-main");
  main.type = "button";
  const carton = icon("carton");
  carton.classList.add("carton");
  const facts = text("span", "", "tile-facts");
  facts.append(text("span", `RM ${product.priceMyr}`, "tile-price"), text("span", product.size));
  main.append(carton, text("span", "0", "count"), text("span", product.name, "tile-name"), facts);
  main.addEventListener("click", () => changeQuantity(product.sku, 1));
  const less = step("less", "−", t("composer.fewer", names), () => changeQuantity(product.sku, -1));
  const more = step("more", "+", t("composer.more", names), () => changeQuantity(product.sku, 1));
  host.append(less, main, more);
  fillTile(host, product);
  return host;
}

function step(className, sign, label, onClick) {
  const button = text("button", sign, `step ${className}`);
  button.type = "button";
  button.setAttribute("aria-label", label);
  button.addEventListener("click", onClick);
  return button;
}

function changeQuantity(sku, by) {
  basket.change(sku, by);
  const host = part("milk").querySelector(`[data-sku="${CSS.escape(sku)}"]`);
  fillTile(host, basket.products().find((product) => product.sku === sku));
  // The minus that took the last one away vanishes; the focus must not vanish with it.
  if (basket.quantity(sku) === 0) host.querySelector(".tile-main").focus({ preventScroll: true });
  render();
}

function fillTile(host, product) {
  const count = basket.quantity(product.sku);
  const values = { name: product.name, size: product.size, price: product.priceMyr, count };
  host.classList.toggle("chosen", count > 0);
  host.querySelector(".count").textContent = String(count);
  host
    .querySelector(".tile-main")
    .setAttribute("aria-label", t(count > 0 ? "composer.milkChosen" : "composer.milkLabel", values));
}

function keypadKey(key) {
  const button = text("button", key === "erase" ? "⌫" : key);
  button.type = "button";
  if (key === "erase") {
    button.dataset.i18nLabel = "composer.erase";
    button.setAttribute("aria-label", t("composer.erase"));
  }
  button.addEventListener("click", () => {
    basket.press(key);
    render();
  });
  return button;
}

function render() {
  const total = basket.totalSen();
  part("amount-input").value = basket.amountText();
  part("charge").disabled = busy || total === 0n;
  part("clear").disabled = busy || (total === 0n && part("reference").value === "");
  part("charge-text").textContent = t(busy ? "composer.charging" : "composer.charge");
  part("charge-total").textContent = total > 0n ? `RM ${formatSen(total)}` : "";
  part("inputs").disabled = busy;
}

function clear() {
  basket.clear();
  part("reference").value = "";
  hideProblem();
  renderTiles();
  render();
}

function submit() {
  if (!busy && basket.totalSen() > 0n) deliver(basket.toRequest(part("reference").value));
}

/** Send the order; what was entered goes only once the server has it. */
async function deliver(request) {
  busy = true;
  hideProblem();
  render();
  try {
    const order = await outbox.send(request, showRetrying);
    if (order !== null) {
      clear();
      onCreated(order);
    } else hideProblem();
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    showProblem("order", problem.message);
  } finally {
    busy = false;
    render();
  }
}

function showRetrying(problem) {
  const words = problem.code === "network" ? t("problem.kept") : t("problem.server");
  showProblem("order", words, t("problem.giveUp"), outbox.giveUp);
}

function showProblem(about, words, action = null, onAction = null) {
  part("problem").dataset.about = about;
  part("problem-text").textContent = words;
  part("problem-action").hidden = action === null;
  part("problem-action").textContent = action ?? "";
  part("problem-action").onclick = onAction;
  part("problem").hidden = false;
}

function hideProblem(about = null) {
  if (about === null || part("problem").dataset.about === about) part("problem").hidden = true;
}
