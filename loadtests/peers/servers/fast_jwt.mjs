// Node's http server with fast-jwt, whose verifier remembers the tokens it has seen.  node fast_jwt.mjs PORT KEY ISSUER AUDIENCE
import { createServer } from "node:http";
import { readFileSync } from "node:fs";
import { createVerifier } from "fast-jwt";

const [port, key, issuer, audience] = process.argv.slice(2);
const verify = createVerifier({
  key: readFileSync(key, "utf8"),
  algorithms: ["RS256"],
  allowedIss: issuer,
  allowedAud: audience,
  cache: 1000,
});

createServer((request, response) => {
  const field = request.headers.authorization ?? "";
  try {
    if (!field.startsWith("Bearer ")) throw new Error("no token");
    verify(field.slice(7));
    response.statusCode = 204;
  } catch {
    response.statusCode = 401;
    response.setHeader("Content-Length", "0");
  }
  response.end();
}).listen(Number(port), "127.0.0.1");
