import assert from 'node:assert/strict';
import { test } from 'node:test';
import { exponentialBuckets, MetricSet } from './metrics.ts';
import { parseExposition, valueOf } from './testkit/exposition.ts';

test('what is told can be read by a strict reader, whatever the labels say', () => {
  const set = new MetricSet();
  const odd = 'a "quoted"\\path\nand more, {with} = all';
  set.counter('requests_total', 'Requests\nof \\ all kinds', ['path']).with(odd).add(3);
  set.gauge('open', 'Open now').with().set(-1.5);
  set
    .histogram('took_seconds', 'Time', ['verb'], exponentialBuckets(0.001, 10, 4))
    .with('GET')
    .observe(0.02);
  set.read('limit', 'gauge', 'None', ['of'], () => [[['files'], Number.POSITIVE_INFINITY]]);
  set.counter('never_total', 'Has no series', ['x']);
  const read = parseExposition(set.text());
  assert.equal(valueOf(read, 'requests_total', { path: odd }), 3);
  assert.equal(valueOf(read, 'open'), -1.5);
  assert.equal(valueOf(read, 'limit', { of: 'files' }), Number.POSITIVE_INFINITY);
  assert.deepEqual(
    ['0.001', '0.01', '0.1', '1', '+Inf'].map((le) => valueOf(read, 'took_seconds_bucket', { le })),
    [0, 0, 1, 1, 1],
  );
  assert.equal(read.has('never_total'), false);
});

test('the reader of the tests refuses what the format does not allow', () => {
  const wrong = [
    'a 1', // no type
    '# TYPE a counter\na 1', // no end
    '# TYPE a counter\na -1\n',
    '# TYPE a counter\na{x="1",x="2"} 1\n',
    '# TYPE a counter\na{x="1\\t"} 1\n',
    '# TYPE a counter\na{x="1"} 1\na{x="1"} 2\n',
    '# TYPE a gauge\n# TYPE b gauge\na 1\n',
    '# TYPE a gauge\na one\n',
    '# TYPE a histogram\na_bucket{le="1"} 2\na_bucket{le="+Inf"} 1\na_sum 1\na_count 1\n',
    '# TYPE a histogram\na_bucket{le="1"} 1\na_sum 1\na_count 1\n',
  ];
  for (const text of wrong) assert.throws(() => parseExposition(text), Error, text);
});
