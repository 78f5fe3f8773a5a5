// Takes one cost out of the execution client.
//
// Each transaction and header object merges its constants into the chain's parameters and has the
// flattened table of all parameters built anew, which copies the table once for each improvement
// proposal: 25 to 50 ms a transfer, and a block of some hundred transfers takes longer than a
// slot. The constants are the same each time. So they are merged once for each table, and a
// flattened table is built again only when something new was merged since. Results are the same.
import { Common } from "./node_modules/@ethereumjs/common/dist/esm/index.js";

const prototype = Common.prototype;
const merge = prototype.updateParams;
const flatten = prototype._buildParamsCache;
// Copies of a Common share one table of parameters but have a flattened one each.
const merged = new WeakMap();
const built = new WeakMap();

const versionOf = (table) => merged.get(table)?.size ?? 0;

prototype._mergeWithParamsCache = function (constants) {
  Object.assign(this._paramsCache, constants);
};

prototype._buildParamsCache = function () {
  flatten.call(this);
  built.set(this._paramsCache, versionOf(this._params));
};

prototype.updateParams = function (constants) {
  const known = merged.get(this._params) ?? new Set();
  merged.set(this._params, known);
  if (!known.has(constants)) {
    known.add(constants);
    merge.call(this, constants);
  } else if (built.get(this._paramsCache) !== known.size) {
    this._buildParamsCache();
  }
};
