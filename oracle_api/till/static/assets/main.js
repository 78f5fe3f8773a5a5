// Puts the till together.

import { readAccount, readOrder } from "./api.js";
import * as book from "./book.js";
import { focusComposer, startComposer } from "./composer.js";
import { serverNow } from "./http.js";
import { onLanguageChange, switchLanguage, t, translatePage } from "./i18n.js";
import { showLoaded, startList } from "./list.js";
import { startOutcome } from "./outcome.js";
import { showPayment, startPayment } from "./payment.js";
import { readySound, soundIsOn, toggleSound } from "./senses.js";
import { credentials, startSession } from "./session.js";
import { askToSignIn, showSignedIn, startSignIn } from "./signin.js";
import { icon } from "./status.js";
import { hold, reconnect, startStream } from "./stream.js";
import { startWatching } from "./watch.js";

const connection = document.getElementById("connection");
const sound = document.getElementById("sound");

function showConnection(state) {
  connection.dataset.state = state;
  document.getElementById("connection-text").textContent = t(`connection.${state}`);
  // The sheet hides the bar; there it matters when the till may not hear of a payment.
  const onSheet = document.getElementById("payment-connection");
  onSheet.hidden = state === "live";
  onSheet.dataset.state = state;
  document.getElementById("payment-connection-text").textContent = t(`connection.${state}`);
}

function showSound(on) {
  sound.setAttribute("aria-pressed", String(on));
  sound.replaceChildren(icon(on ? "sound" : "mute"));
}

function created(order) {
  book.learn(order);
  showPayment(order.id);
}

/** A snapshot may be a little old and be followed by what happened since; that rings no bell. */
function isOlderThanPage(event) {
  return Date.parse(event.createdAt) < serverNow() - performance.now();
}

/** A snapshot tells of open orders only; what became of the others must be asked for. */
async function askAbout(ids) {
  for (const id of ids) {
    try {
      book.learn((await readOrder(id)).order);
    } catch {
      // It stays as it was known; the shown order is polled anyhow.
    }
  }
}

translatePage();
onLanguageChange(() => showConnection(connection.dataset.state));
for (const id of ["language", "signin-language"]) {
  document.getElementById(id).addEventListener("click", switchLanguage);
}
showSound(soundIsOn());
sound.addEventListener("click", () => showSound(toggleSound()));
readySound();
startSignIn();
startSession({
  onNeeded: (problem, account) => {
    hold();
    askToSignIn(problem, account);
  },
  onEntered: (account) => {
    showSignedIn(account);
    // With the new cookie; the old one's stream would end with it.
    reconnect();
  },
});
startList(showPayment);
startPayment(() => document.querySelector("dialog[open]") ?? focusComposer());
startOutcome(focusComposer);
startComposer(created);
startWatching();
startStream({
  path: "/api/v1/orders/stream",
  admit: (wasRefused) => (wasRefused ? readAccount() : credentials()),
  onState: showConnection,
  onSnapshot: (snapshot) => {
    askAbout(book.learnAll(snapshot.orders));
    showLoaded();
  },
  onEvent: (event, version) => book.learn({ ...event.data, version }, isOlderThanPage(event)),
});
