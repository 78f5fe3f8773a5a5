// Lets the execution client run a block whose parent it has, but has not run as the head.
//
// The client calls a new block VALID only when its parent is among the blocks that it ran since it
// started; for any other it answers SYNCING and waits for a download from other execution clients,
// of which a devnet has none. It then stays behind for good: after a competing block at the very
// start, and after a block that came while it was busy. Here the missing ancestors are run first.
import { hexToBytes } from "./node_modules/@ethereumjs/util/dist/esm/index.js";
import { Engine } from "./node_modules/@ethereumjs/client/dist/esm/src/rpc/modules/engine/engine.js";

const MAX_ANCESTORS = 256;
const newPayload = Engine.prototype.newPayload;

Engine.prototype.newPayload = async function (params) {
  const missing = [];
  let hash = params[0].parentHash;
  let block = await find(this, hash);
  while (block && !(await hasRun(this, hash, block)) && missing.length < MAX_ANCESTORS) {
    missing.unshift(block);
    hash = toHex(block.header.parentHash);
    block = await find(this, hash);
  }
  if (block && missing.length < MAX_ANCESTORS) await run(this, block, missing);
  return newPayload.call(this, params);
};

async function find(engine, hash) {
  const stashed = engine.executedBlocks.get(hash.slice(2)) ?? engine.remoteBlocks.get(hash.slice(2));
  if (stashed) return stashed;
  return engine.chain.getBlock(hexToBytes(hash)).catch(() => undefined);
}

async function hasRun(engine, hash, block) {
  if (engine.executedBlocks.has(hash.slice(2))) return true;
  // Every transaction changes the state: whoever has the state has run the block.
  if (!(await engine.execution.vm.stateManager.hasStateRoot(block.header.stateRoot))) return false;
  engine.executedBlocks.set(hash.slice(2), block);
  return true;
}

async function run(engine, ancestor, blocks) {
  let parent = ancestor;
  for (const block of blocks) {
    const root = parent.header.stateRoot;
    const blocking = true;
    await engine.execution.runWithoutSetHead(
      { block, root, setHardfork: true, parentBlock: parent },
      undefined,
      blocking,
    );
    engine.executedBlocks.set(toHex(block.hash()).slice(2), block);
    parent = block;
  }
}

const toHex = (bytes) => `0x${Buffer.from(bytes).toString("hex")}`;
