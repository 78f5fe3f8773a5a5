// A resource server and its payer, with x402's own packages, against our facilitator.
// Reads {url, key, cases: [{requirements, tamper, verbs}]} as JSON on standard input, writes what
// the facilitator supports and what it answered to each case.
import { readFileSync } from "node:fs";
import { x402Client } from "@x402/core/client";
import { HTTPFacilitatorClient } from "@x402/core/http";
import { ExactEvmScheme } from "@x402/evm/exact/client";
import { privateKeyToAccount } from "viem/accounts";

const { url, key, cases } = JSON.parse(readFileSync(0, "utf8"));
const facilitator = new HTTPFacilitatorClient({ url });
const payer = new x402Client().register("eip155:*", new ExactEvmScheme(privateKeyToAccount(key)));
// The package knows dollars; whoever pays in BILL says so.
const allowedAssets = cases.map(({ requirements: { network, asset } }) => ({ network, asset }));
payer.setSpendControls({ allowedAssets });

// `tamper` has paths such as "payload.authorization.value"; what begins with "requirements." is
// changed in the resource server's own question, all else in what the payer sent.
function change(target, path, value) {
  const names = path.split(".");
  const last = names.pop();
  names.reduce((inner, name) => inner[name], target)[last] = value;
}

async function answersTo({ requirements, tamper = {}, verbs }) {
  const accepts = [structuredClone(requirements)];
  const resource = { url: "https://shop.example/milk" };
  const payment = structuredClone(
    await payer.createPaymentPayload({ x402Version: 2, resource, accepts }),
  );
  const question = { requirements: structuredClone(requirements) };
  for (const [path, value] of Object.entries(tamper)) {
    change(path.startsWith("requirements.") ? question : payment, path, value);
  }
  const answers = [];
  for (const verb of verbs) {
    try {
      answers.push(await facilitator[verb](payment, question.requirements));
    } catch (error) {
      answers.push({ thrown: error.name, status: error.statusCode, message: error.message });
    }
  }
  return { payment, answers };
}

const told = { supported: await facilitator.getSupported(), cases: [] };
for (const one of cases) told.cases.push(await answersTo(one));
console.log(JSON.stringify(told));
