// A partner's JavaScript: verifies an attestation offline, and asks the verifier contract.
// Reads {attestation, signers, rpcUrl, abi} as JSON on standard input, writes what it found.
import { readFileSync } from "node:fs";
import { createPublicClient, hashTypedData, http, verifyTypedData } from "viem";

const { attestation, signers, rpcUrl, abi } = JSON.parse(readFileSync(0, "utf8"));
const client = createPublicClient({ transport: http(rpcUrl) });
const address = signers.domain.verifyingContract;

// Domain, types and signers are the partner's own knowledge; only message and signature are new.
async function isGenuine(message, signature) {
  const trusted = signers.signers.filter(({ status }) => status !== "revoked");
  for (const signer of trusted) {
    const question = {
      address: signer.address,
      domain: signers.domain,
      types: signers.types,
      primaryType: signers.primaryType,
      message,
      signature,
    };
    if (await verifyTypedData(question).catch(() => false)) return true;
  }
  return false;
}

function argumentOf(message) {
  const names = abi.find(({ name }) => name === "verify").inputs[0].components;
  const fields = signers.types[signers.primaryType].map(({ name }) => message[name]);
  return Object.fromEntries(names.map(({ name }, place) => [name, fields[place]]));
}

function ask(functionName, message, signature) {
  const args = [argumentOf(message), signature];
  return client.readContract({ address, abi, functionName, args });
}

const { message, signature } = attestation;
const tampered = { ...message, amountDue: String(BigInt(message.amountDue) + 1n) };
console.log(
  JSON.stringify({
    digest: hashTypedData({ ...signers, message }),
    genuine: await isGenuine(message, signature),
    tamperedGenuine: await isGenuine(tampered, signature),
    verified: await ask("verify", message, signature),
    refusal: await ask("refusal", message, signature),
    tamperedVerified: await ask("verify", tampered, signature),
    tamperedRefusal: await ask("refusal", tampered, signature),
  }),
);
