// express with jose, as its documentation shows it.  node express_jose.mjs PORT KEY ISSUER AUDIENCE
import { readFileSync } from "node:fs";
import express from "express";
import { importSPKI, jwtVerify } from "jose";

const [port, file, issuer, audience] = process.argv.slice(2);
const key = await importSPKI(readFileSync(file, "utf8"), "RS256");
const app = express();

app.use(async (request, response) => {
  const field = request.get("Authorization") ?? "";
  try {
    if (!field.startsWith("Bearer ")) throw new Error("no token");
    await jwtVerify(field.slice(7), key, { issuer, audience, algorithms: ["RS256"] });
    response.status(204).end();
  } catch {
    response.status(401).set("Content-Length", "0").end();
  }
});

app.listen(Number(port), "127.0.0.1");
