// Serves the folder `public` beside it: what a static folder runs on. No dependencies, one file.
import { createReadStream } from 'node:fs';
import { realpath, stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = await realpath(fileURLToPath(new URL('../public', import.meta.url)));
const types = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.map': 'application/json',
  '.txt': 'text/plain; charset=utf-8',
  '.xml': 'application/xml',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.jpg': 'image/jpeg',
  '.jpeg': 'image/jpeg',
  '.gif': 'image/gif',
  '.webp': 'image/webp',
  '.avif': 'image/avif',
  '.ico': 'image/x-icon',
  '.woff': 'font/woff',
  '.woff2': 'font/woff2',
  '.pdf': 'application/pdf',
  '.mp4': 'video/mp4',
  '.wasm': 'application/wasm',
  '.webmanifest': 'application/manifest+json',
};

/** The file for a path, never one outside the folder or hidden; 'slash' when a directory was asked for as a file. */
async function find(pathname) {
  const wanted = path.join(root, path.normalize(`/${pathname}`));
  if (
    pathname.includes('\0') ||
    wanted
      .slice(root.length)
      .split('/')
      .some((part) => part.startsWith('.'))
  )
    return undefined;
  const real = await realpath(wanted).catch(() => undefined);
  if (real === undefined || (real !== root && !real.startsWith(`${root}/`))) return undefined;
  const info = await stat(real);
  if (info.isFile()) return { file: real, info };
  if (!info.isDirectory()) return undefined;
  return pathname.endsWith('/') ? await find(`${pathname}index.html`) : 'slash';
}

function send(request, response, status, { file, info }) {
  const etag = `"${info.size.toString(36)}-${info.mtimeMs.toString(36)}"`;
  const type = types[path.extname(file).toLowerCase()] ?? 'application/octet-stream';
  response
    .setHeader('etag', etag)
    .setHeader('cache-control', 'no-cache')
    .setHeader('x-content-type-options', 'nosniff');
  if (status === 200 && request.headers['if-none-match'] === etag) return response.writeHead(304).end();
  response.writeHead(status, { 'content-type': type, 'content-length': info.size });
  if (request.method === 'HEAD') return response.end();
  createReadStream(file)
    .on('error', () => response.destroy())
    .pipe(response);
}

async function answer(request, response) {
  if (request.method !== 'GET' && request.method !== 'HEAD')
    return response.writeHead(405, { allow: 'GET, HEAD' }).end();
  const [rawPath, query] = request.url.split('?');
  const found = await find(decodeURIComponent(rawPath));
  if (found === 'slash')
    return response.writeHead(301, { location: `/${rawPath.replace(/^\/+/, '')}/${query ? `?${query}` : ''}` }).end();
  if (found) return send(request, response, 200, found);
  const own = await find('/404.html');
  if (own && own !== 'slash') return send(request, response, 404, own);
  response.writeHead(404, { 'content-type': 'text/plain; charset=utf-8' }).end('404 not found\n');
}

const server = createServer((request, response) => {
  answer(request, response).catch(() => response.headersSent || response.writeHead(400).end());
});
for (const signal of ['SIGTERM', 'SIGINT'])
  process.on(signal, () => {
    server.close(() => process.exit(0));
    server.closeIdleConnections();
  });
const port = Number(process.env.PORT ?? 8080);
server.listen(port, () => console.log(`serving on port ${server.address().port}`));
