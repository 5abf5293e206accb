// A line for each file of tests, everything about each failure, and at the end what was skipped and why.
export default async function* reporter(source) {
  const skipped = new Map();
  const counts = { pass: 0, fail: 0, skip: 0 };
  const files = new Map();
  for await (const { type, data } of source) {
    if (type !== 'test:pass' && type !== 'test:fail') {
      if (type === 'test:stderr' && process.env.GLASS_TEST_STDERR) yield data.message;
      continue;
    }
    if (data.details?.type === 'suite' || (data.nesting === 0 && data.file && data.name === data.file)) continue;
    const file = (data.file ?? '').replace(`${process.cwd()}/`, '');
    const tally = files.get(file) ?? { pass: 0, fail: 0, skip: 0 };
    files.set(file, tally);
    if (data.skip !== undefined) {
      counts.skip++;
      tally.skip++;
      const reason = data.skip === true || data.skip === '' ? 'no reason given' : data.skip;
      skipped.set(reason, (skipped.get(reason) ?? 0) + 1);
    } else if (type === 'test:pass') {
      counts.pass++;
      tally.pass++;
    } else {
      counts.fail++;
      tally.fail++;
      const error = data.details?.error;
      const cause = error?.cause ?? error;
      yield `FAIL ${file}: ${data.name}\n${String(cause?.stack ?? cause)
        .split('\n')
        .slice(0, 25)
        .map((line) => `     ${line}`)
        .join('\n')}\n`;
    }
  }
  for (const [file, { pass, fail, skip }] of [...files].sort())
    yield `${fail > 0 ? 'FAIL' : 'ok  '} ${file} (${pass} passed${fail ? `, ${fail} failed` : ''}${skip ? `, ${skip} skipped` : ''})\n`;
  for (const [reason, count] of skipped) yield `skipped ${count}: ${reason}\n`;
  yield `${counts.pass} passed, ${counts.fail} failed, ${counts.skip} skipped\n`;
}
