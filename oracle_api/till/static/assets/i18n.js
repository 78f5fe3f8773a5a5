// The page's words: one file a language, chosen once and remembered, written as text only.

import en from "./strings/en.js";
import ms from "./strings/ms.js";

const LANGUAGES = { en, ms };
const MEMORY_KEY = "billcoin.till.language";
const listeners = new Set();

let current = remembered() ?? preferred();

export function t(key, values = {}) {
  const text = LANGUAGES[current][key] ?? LANGUAGES.en[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (match, name) => String(values[name] ?? match));
}

export function language() {
  return current;
}

/** Call `listener` after each change of language, for text that was made from data. */
export function onLanguageChange(listener) {
  listeners.add(listener);
}

export function switchLanguage() {
  current = current === "en" ? "ms" : "en";
  try {
    localStorage.setItem(MEMORY_KEY, current);
  } catch {
    // Private windows may forbid storage; the choice then lasts as long as the page.
  }
  translatePage();
  for (const listener of listeners) listener();
}

/** Write the words of every element that names a key. */
export function translatePage() {
  document.documentElement.lang = current;
  document.title = t("app.name");
  for (const element of document.querySelectorAll("[data-i18n]")) {
    element.textContent = t(element.dataset.i18n);
  }
  for (const element of document.querySelectorAll("[data-i18n-label]")) {
    element.setAttribute("aria-label", t(element.dataset.i18nLabel));
  }
  for (const element of document.querySelectorAll("[data-i18n-placeholder]")) {
    element.setAttribute("placeholder", t(element.dataset.i18nPlaceholder));
  }
  for (const element of document.querySelectorAll("[data-lang]")) {
    element.classList.toggle("chosen", element.dataset.lang === current);
  }
}

function remembered() {
  try {
    const stored = localStorage.getItem(MEMORY_KEY);
    return Object.hasOwn(LANGUAGES, stored ?? "") ? stored : null;
  } catch {
    return null;
  }
}

function preferred() {
  const first = (navigator.languages ?? [navigator.language]).find((tag) => /^(en|ms)\b/i.test(tag));
  return first?.slice(0, 2).toLowerCase() ?? "en";
}
