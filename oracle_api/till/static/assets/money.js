// Amounts as the API writes them, decimal strings, handled as whole units and never as floats.

export function parseUnits(text, decimals) {
  const match = /^(\d+)(?:\.(\d+))?$/.exec(text ?? "");
  if (match === null || (match[2] ?? "").length > decimals) return null;
  return BigInt(match[1] + (match[2] ?? "").padEnd(decimals, "0"));
}

export function formatUnits(units, decimals, minDecimals = 0) {
  const digits = units.toString().padStart(decimals + 1, "0");
  const whole = digits.slice(0, digits.length - decimals);
  const fraction = digits.slice(digits.length - decimals).replace(/0+$/, "").padEnd(minDecimals, "0");
  return fraction ? `${whole}.${fraction}` : whole;
}

export const parseSen = (text) => parseUnits(text, 2);
export const formatSen = (sen) => formatUnits(sen, 2, 2);

/** What is still missing of an order's amount, in units. */
export function missingUnits(order) {
  const missing = (parseUnits(order.amountDue, 18) ?? 0n) - (parseUnits(order.amountReceived, 18) ?? 0n);
  return missing > 0n ? missing : 0n;
}

export const formatBill = (units) => formatUnits(units, 18);

/** A long BILL amount cut for the eye; `…` says that it was cut, so that nobody types it off. */
export function shortBill(text) {
  const [whole, fraction = ""] = (text ?? "").split(".");
  return fraction.length > 6 ? `${whole}.${fraction.slice(0, 6)}…` : text ?? "";
}
