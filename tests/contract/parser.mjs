// Parses AsyncAPI documents, and compares their examples with the schemas. Prints what is wrong as lines.
import { readFile } from "node:fs/promises";

import { Parser } from "@asyncapi/parser";
import Ajv from "ajv";
import addFormats from "ajv-formats";

const problems = [];
let examples = 0;
for (const path of process.argv.slice(2)) {
  const text = await readFile(path, "utf8");
  const { document, diagnostics } = await new Parser().parse(text);
  for (const { severity, code, message, path: place } of diagnostics) {
    // 0 is an error, and 1 is a warning. The rest is advice about style.
    if (severity < 2) problems.push(`${path}: ${code}: ${message} at ${place.join(".")}`);
  }
  if (!document) continue;
  const ajv = new Ajv({ strictSchema: true, strictTypes: false, strictTuples: true, allErrors: true });
  addFormats(ajv);
  for (const format of ["uint8", "uint16", "uint32", "uint64", "int8", "int16"]) ajv.addFormat(format, true);
  const { components } = JSON.parse(text);
  ajv.addKeyword("components");
  ajv.addSchema({ $id: "all", components });
  for (const [name, { payload, examples: given = [] }] of Object.entries(components.messages)) {
    const fits = ajv.compile({ $id: `all/${name}`, components, ...payload });
    for (const example of given) {
      examples += 1;
      if (!fits(example.payload)) problems.push(`${path}: ${name}: ${ajv.errorsText(fits.errors)}`);
    }
  }
}
console.log(JSON.stringify({ problems, examples }));
