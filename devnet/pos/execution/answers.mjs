// Corrects three answers that the execution client gets wrong.
import { Eth } from "./node_modules/@ethereumjs/client/dist/esm/src/rpc/modules/eth.js";

const { call, estimateGas, getBlockReceipts, getTransactionCount } = Eth.prototype;

// Logs are numbered through the whole block. The client begins each receipt's at the transaction's
// own index, so that two logs of one block can have the same number: whoever checks what a node
// says takes that for a lie, rightly.
Eth.prototype.getBlockReceipts = async function (params) {
  const receipts = await getBlockReceipts.call(this, params);
  let index = 0;
  for (const log of (receipts ?? []).flatMap((receipt) => receipt.logs)) {
    log.logIndex = `0x${(index++).toString(16)}`;
  }
  return receipts;
};

// "pending" counts what waits for a block. The client looks for that under the address as it was
// written, in small letters only: a wallet that writes it with its checksum would sign two
// transactions with one nonce.
Eth.prototype.getTransactionCount = function ([address, block]) {
  return getTransactionCount.call(this, [address.toLowerCase(), block]);
};

// A transaction that would revert has no estimate. The client tells what it would burn: wallets
// would send what can only fail, and could not say why. A call is refused with the contract's words.
// And an estimate must last until the end, where up to a fifth is refunded (EIP-3529); the client
// tells what is left after that, with which the transaction runs out of gas.
Eth.prototype.estimateGas = async function ([transaction, block]) {
  await call.call(this, [transaction, block ?? "latest"]);
  const spent = BigInt(await estimateGas.call(this, [transaction, block]));
  return `0x${((spent * 5n + 3n) / 4n).toString(16)}`;
};
