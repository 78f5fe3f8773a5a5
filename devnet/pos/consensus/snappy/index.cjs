// The consensus client asks the package `snappy` to compress; its published form is C++ that has
// to be built on each machine, with a compiler and Node.js headers. These are the three calls that
// are made of it, answered by the plain JavaScript that the client uses elsewhere already: a
// devnet's blocks are small.
const snappy = require("snappyjs");

exports.compressSync = (chunk) => snappy.compress(chunk);

exports.compress = (chunk, done) => answer(() => snappy.compress(chunk), done);

exports.uncompress = (chunk, options, done) =>
  answer(() => {
    const raw = snappy.uncompress(chunk);
    return options.asBuffer === false ? raw.toString() : raw;
  }, done);

function answer(work, done) {
  let result;
  try {
    result = work();
  } catch (error) {
    return done(error);
  }
  return done(null, result);
}
