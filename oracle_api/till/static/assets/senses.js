// Sound, vibration, the screen that stays on, and what a screen reader says.

const MEMORY_KEY = "billcoin.till.sound";
const announcer = document.getElementById("announcer");

let audio = null;
let lock = null;
let awake = false;
let audible = readAudible();

export function soundIsOn() {
  return audible;
}

export function toggleSound() {
  audible = !audible;
  try {
    localStorage.setItem(MEMORY_KEY, audible ? "on" : "off");
  } catch {
    // Without storage the choice lasts as long as the page.
  }
  return audible;
}

/** Browsers allow sound only after a touch or key, so the first one opens the way. */
export function readySound() {
  const open = () => {
    audio ??= typeof AudioContext === "undefined" ? null : new AudioContext();
    audio?.resume().catch(() => {});
  };
  addEventListener("pointerdown", open);
  addEventListener("keydown", open);
}

export function chime() {
  play([[880, 0, 0.14], [1318.5, 0.13, 0.26]], "sine", 0.25);
  vibrate(120);
}

export function siren() {
  play([0, 0.3, 0.6, 0.9].flatMap((at) => [[740, at, 0.15], [523, at + 0.15, 0.15]]), "square", 0.3);
  vibrate([400, 150, 400, 150, 400]);
}

function vibrate(pattern) {
  // Refused, with a remark in the console, before the first touch.
  if (audible && navigator.userActivation?.hasBeenActive) navigator.vibrate?.(pattern);
}

export function announce(text) {
  // A live region is silent when told the same words twice.
  announcer.textContent = "";
  setTimeout(() => { announcer.textContent = text; }, 60);
}

/** Keep the screen on while a customer aims at it. */
export function keepAwake(wanted) {
  awake = wanted;
  holdScreen();
}

// A browser drops the lock of a page that is hidden, and does not give it back by itself.
document.addEventListener("visibilitychange", holdScreen);

async function holdScreen() {
  try {
    if (awake && document.visibilityState === "visible" && lock === null) {
      lock = (await navigator.wakeLock?.request("screen")) ?? null;
      lock?.addEventListener("release", () => { lock = null; });
    } else if (!awake) {
      await lock?.release();
    }
  } catch {
    // Low battery or no permission: the screen then dims as it always does.
  }
}

function play(notes, type, volume) {
  if (!audible || audio === null || audio.state !== "running") return;
  for (const [hertz, after, seconds] of notes) {
    const tone = audio.createOscillator();
    const gain = audio.createGain();
    const start = audio.currentTime + after;
    tone.type = type;
    tone.frequency.value = hertz;
    // A soft start and end, without which each tone clicks.
    gain.gain.setValueAtTime(0, start);
    gain.gain.linearRampToValueAtTime(volume, start + 0.02);
    gain.gain.linearRampToValueAtTime(0, start + seconds);
    tone.connect(gain).connect(audio.destination);
    tone.start(start);
    tone.stop(start + seconds);
  }
}

function readAudible() {
  try {
    return localStorage.getItem(MEMORY_KEY) !== "off";
  } catch {
    return true;
  }
}
