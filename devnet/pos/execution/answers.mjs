// Corrects two answers that the execution client gets wrong.
import { Eth } from "./node_modules/@ethereumjs/client/dist/esm/src/rpc/modules/eth.js";

const { getBlockReceipts, getTransactionCount } = Eth.prototype;

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
