// Runs the consensus client as one machine's devnet needs it.
//
// SLOTS_PER_EPOCH is a constant of the preset, with no flag: four slots instead of the minimal
// preset's eight halve the time until a block is final. It must be set before anything is loaded.
//
// A client whose head lags by more than an epoch calls itself stalled, proposes nothing and waits
// for peers that could tell it more. A devnet's only node has none, so that one pause of the
// machine would end its chain for good: here the head may lag by a thousand slots.
//
// A peer that does not answer is banned, for half an hour or more. Here it was paused on purpose, and
// there is no other: what it owes is forgotten.
import { setActivePreset } from "./node_modules/@lodestar/params/lib/setPreset.js";

// Node.js 20 does not have what the network library calls.
Promise.withResolvers ??= function () {
  let resolve, reject;
  const promise = new this((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
};

const SLOTS_OF_LAG = 1024;

setActivePreset("minimal", { SLOTS_PER_EPOCH: Number(process.env.BILLCOIN_SLOTS_PER_EPOCH) });
const { BeaconSync } = await import("./node_modules/@lodestar/beacon-node/lib/sync/sync.js");
Object.defineProperty(BeaconSync.prototype, "slotImportTolerance", {
  get: () => SLOTS_OF_LAG,
  set() {},
});
const { PeerRpcScoreStore } = await import(
  "./node_modules/@lodestar/beacon-node/lib/network/peers/score.js"
);
PeerRpcScoreStore.prototype.applyAction = () => {};
await import("./node_modules/@chainsafe/lodestar/lib/index.js");
