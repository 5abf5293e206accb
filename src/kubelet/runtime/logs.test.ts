import assert from 'node:assert/strict';
import { appendFile, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { type LogOptions, formatLog, parseLogLine, readLog } from './logs.ts';
import { eventually } from './testkit/fixture.ts';

const at = Date.UTC(2026, 0, 2, 3, 4, 5, 678);
const stamp = '2026-01-02T03:04:05.678000000Z';

describe('the log format', () => {
  const table: [what: string, bytes: string, lines: string[]][] = [
    ['a line', 'hello\n', [`${stamp} stdout F hello`]],
    ['an empty line', '\n', [`${stamp} stdout F `]],
    ['several lines', 'a\nb\n', [`${stamp} stdout F a`, `${stamp} stdout F b`]],
    ['the beginning of a line', 'pass', [`${stamp} stdout P pass`]],
    ['bytes that are no text', '\x00\xff\n', [`${stamp} stdout F \x00\xff`]],
  ];
  for (const [what, bytes, lines] of table)
    it(`holds ${what}`, () => {
      const written = formatLog('stdout', Buffer.from(bytes, 'latin1'), at).toString('latin1');
      assert.deepEqual(written.split('\n').slice(0, -1), lines);
    });

  it('cuts a very long line into pieces that make it whole again', () => {
    const long = 'x'.repeat(40_000);
    const lines = formatLog('stderr', Buffer.from(`${long}\n`), at)
      .toString()
      .split('\n')
      .slice(0, -1);
    const entries = lines.map((line) => parseLogLine(Buffer.from(line)));
    assert.ok(lines.length > 2 && lines.every((line) => line.length < 17_000));
    assert.equal(entries.map((entry) => entry?.text.toString()).join(''), long);
    assert.deepEqual(
      entries.map((entry) => entry?.complete),
      [...lines.slice(1).map(() => false), true],
    );
  });

  it('is not read from a torn line', () => assert.equal(parseLogLine(Buffer.from('2026-01-02T03:0')), undefined));
});

describe('reading a log', () => {
  let directory: string;
  let path: string;
  let alive: NodeJS.Timeout;
  before(async () => {
    alive = setInterval(() => undefined, 1000);
    directory = await mkdtemp(join(tmpdir(), 'logs-'));
    path = join(directory, '0.log');
    const line = (second: number, text: string) => `2026-01-02T03:04:0${second}.000000000Z ${text}\n`;
    await writeFile(
      path,
      line(1, 'stdout F one') +
        line(2, 'stderr F two') +
        line(3, 'stdout P thr') +
        line(3, 'stdout F ee') +
        line(4, 'stdout F four'),
    );
  });
  after(async () => {
    clearInterval(alive);
    await rm(directory, { recursive: true });
  });
  const read = async (options?: LogOptions) => {
    let text = '';
    for await (const bytes of readLog(path, options)) text += bytes.toString();
    return text;
  };

  const table: [what: string, options: LogOptions, text: string][] = [
    ['all of it', {}, 'one\ntwo\nthree\nfour\n'],
    ['the last line', { tailLines: 1 }, 'four\n'],
    ['the last two lines, one of them in pieces', { tailLines: 2 }, 'three\nfour\n'],
    ['more lines than there are', { tailLines: 100 }, 'one\ntwo\nthree\nfour\n'],
    ['no lines', { tailLines: 0 }, ''],
    ['what came since a time', { since: Date.UTC(2026, 0, 2, 3, 4, 3) }, 'three\nfour\n'],
    ['one stream', { stream: 'stderr' }, 'two\n'],
    ['only so many bytes', { limitBytes: 6 }, 'one\ntw'],
    [
      'a time before each line, not before each piece',
      { timestamps: true, tailLines: 2 },
      '2026-01-02T03:04:03.000000000Z three\n2026-01-02T03:04:04.000000000Z four\n',
    ],
  ];
  for (const [what, options, text] of table) it(`gives ${what}`, async () => assert.equal(await read(options), text));

  it('finds the last lines of a log that is larger than one read', async () => {
    const large = join(directory, 'large.log');
    const lines = Array.from({ length: 5000 }, (_, i) => `${stamp} stdout F line ${i} ${'x'.repeat(i % 97)}\n`);
    await writeFile(large, lines.join(''));
    let text = '';
    for await (const bytes of readLog(large, { tailLines: 3000 })) text += bytes.toString();
    assert.deepEqual(
      text
        .split('\n')
        .slice(0, -1)
        .map((line) => line.split(' ')[1]),
      Array.from({ length: 3000 }, (_, i) => `${i + 2000}`),
    );
  });

  it('rejects when there is no log', async () =>
    assert.rejects(async () => read.call(undefined, {}).then(() => readLog(join(directory, 'none')).next()), {
      code: 'ENOENT',
    }));

  it('follows it over a rotation until the end', async () => {
    const live = join(directory, 'live.log');
    await writeFile(live, `${stamp} stdout F 1\n`);
    let text = '';
    let ended = false;
    let wake = () => {};
    const options: LogOptions = { follow: true, ended: () => ended, wake: (call) => ((wake = call), () => undefined) };
    const following = (async () => {
      for await (const bytes of readLog(live, options)) text += bytes.toString();
    })();
    await eventually(() => text === '1\n', 'the first line');
    await appendFile(live, `${stamp} stdout F 2\n`);
    await eventually(() => text === '1\n2\n', 'the second line');
    await rename(live, `${live}.1`);
    await appendFile(`${live}.1`, `${stamp} stdout F 3\n`);
    await writeFile(live, `${stamp} stdout F 4\n`);
    await eventually(() => text === '1\n2\n3\n4\n', 'lines of both files');
    await appendFile(live, `${stamp} stdout F 5\n`);
    ended = true;
    wake();
    await following;
    assert.equal(text, '1\n2\n3\n4\n5\n');
  });

  it('goes over the files that rotation moved aside, as far back as is asked for', async () => {
    const rotated = join(directory, 'rotated.log');
    const at = (second: number) => `2026-01-02T03:04:0${second}.000000000Z stdout`;
    await writeFile(`${rotated}.20260102-030401`, `${at(0)} F 0\n${at(1)} F 1\n`);
    await writeFile(`${rotated}.20260102-030403`, `${at(2)} F 2\n${at(3)} P 3, be\n`);
    const read = async (options?: LogOptions) => {
      let text = '';
      for await (const bytes of readLog(rotated, options)) text += bytes.toString();
      return text;
    };
    assert.equal(await read(), '0\n1\n2\n3, be', 'rotated, and not written since');
    await writeFile(rotated, `${at(4)} F gun\n${at(5)} F 5\n`);
    assert.equal(await read(), '0\n1\n2\n3, begun\n5\n');
    assert.equal(await read({ tailLines: 1 }), '5\n');
    assert.equal(await read({ tailLines: 2 }), '3, begun\n5\n');
    assert.equal(await read({ tailLines: 3 }), '2\n3, begun\n5\n');
    assert.equal(await read({ tailLines: 4 }), '1\n2\n3, begun\n5\n');
    assert.equal(await read({ tailLines: 9 }), '0\n1\n2\n3, begun\n5\n');
    assert.equal(await read({ tailLines: 0 }), '');
    assert.equal(await read({ since: Date.UTC(2026, 0, 2, 3, 4, 2) }), '2\n3, begun\n5\n');
    assert.equal(await read({ limitBytes: 5 }), '0\n1\n2');
  });

  it('stops following when its reader goes away', async () => {
    const gone = new AbortController();
    const following = (async () => {
      for await (const _ of readLog(path, { follow: true, signal: gone.signal })) void _;
    })();
    gone.abort();
    await following;
  });
});
