// The smallest app that can be released: it answers, and says which of its copies did.
import { createServer } from 'node:http';
import { hostname } from 'node:os';

const port = Number(process.env.PORT ?? 8080);
// in the runtime `process` each copy has an address of its own, and HOST names it
const host = process.env.HOST ?? '0.0.0.0';

const server = createServer((request, response) => {
  response.setHeader('Content-Type', 'text/plain');
  response.end(`Hello from Glasshouse! This is ${hostname()}, and you asked for ${request.url}\n`);
});
server.listen(port, host, () => console.log(`listening on ${host}:${port}`));

process.on('SIGTERM', () => {
  // what is under way is finished; a Service stops sending within moments
  setTimeout(() => server.close(() => process.exit(0)), 200);
});
