// Runs the execution client with what a devnet on one machine needs changed in it; each of the
// modules says what and why.
import "./parameters.mjs";
import "./ancestors.mjs";
import "./answers.mjs";

await import("./node_modules/@ethereumjs/client/dist/esm/bin/cli.js");
