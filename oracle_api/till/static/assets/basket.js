// What is about to be sold: milks with their quantities, or an RM amount; no screen in here.

import { formatSen, parseSen } from "./money.js";

const MAX_QUANTITY = 99;
const MAX_SEN_DIGITS = 7;

let catalogue = [];
const quantities = new Map();
let senDigits = "";
let byAmount = false;

export const products = () => catalogue;
export const isByAmount = () => byAmount;
export const quantity = (sku) => quantities.get(sku) ?? 0;
export const amountText = () => (senDigits ? formatSen(BigInt(senDigits)) : "");

export function setCatalogue(list) {
  catalogue = list.filter((product) => parseSen(product.priceMyr) !== null).map(withSize);
}

/** A size that is only the end of the name is set apart, so that the eye finds it. */
function withSize(product) {
  const match = /^(.+?),?\s+(\d[\d.]*\s*(?:ml|l))$/i.exec(product.name);
  if (product.size || match === null) return { ...product, size: product.size ?? "" };
  return { ...product, name: match[1], size: match[2] };
}

export function setByAmount(wanted) {
  byAmount = wanted;
}

export function change(sku, by) {
  const next = Math.min(MAX_QUANTITY, Math.max(0, quantity(sku) + by));
  if (next === 0) quantities.delete(sku);
  else quantities.set(sku, next);
}

/** Take over the digits of whatever was typed; they fill from the right, as on a calculator. */
export function setDigits(typed) {
  senDigits = typed.replace(/\D/g, "").replace(/^0+/, "").slice(0, MAX_SEN_DIGITS);
}

export function press(key) {
  setDigits(key === "erase" ? senDigits.slice(0, -1) : senDigits + key);
}

export function clear() {
  quantities.clear();
  senDigits = "";
}

export function totalSen() {
  if (byAmount) return BigInt(senDigits || "0");
  return catalogue.reduce(
    (sum, product) => sum + parseSen(product.priceMyr) * BigInt(quantity(product.sku)),
    0n,
  );
}

/** The order as the API takes it. */
export function toRequest(reference) {
  const what = byAmount
    ? { amountMyr: formatSen(totalSen()) }
    : { items: [...quantities].map(([sku, count]) => ({ sku, quantity: count })) };
  const name = reference.trim();
  return name ? { ...what, reference: name } : what;
}
