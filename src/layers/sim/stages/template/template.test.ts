import assert from 'node:assert/strict';
import test from 'node:test';
import { compileTemplate, standardFunctions } from './index.ts';

const pod = {
  metadata: { name: 'web', labels: { b: '2', a: '1' } },
  spec: {
    containers: [
      { name: 'c', image: 'i:1' },
      { name: 'd', image: 'i:2' },
    ],
    hostNetwork: false,
  },
};

const cases: [string, string, string][] = [
  ['a field', '{{ .metadata.name }}', 'web'],
  ['what is not there', '{{ .metadata.nothing }}|{{ .a.b.c }}', '<no value>|<no value>'],
  ['a pipeline', '{{ .metadata.name | upper | Quote }}', '"WEB"'],
  ['a range over a list', '{{ range .spec.containers }}{{ .name }}={{ $.metadata.name }};{{ end }}', 'c=web;d=web;'],
  [
    'a range with both variables',
    '{{ range $i, $c := .spec.containers }}{{ $i }}{{ $c.image }} {{ end }}',
    '0i:1 1i:2 ',
  ],
  ['a range over a map is in order', '{{ range $k, $v := .metadata.labels }}{{ $k }}{{ $v }}{{ end }}', 'a1b2'],
  ['an empty range', '{{ range .spec.initContainers }}x{{ else }}none{{ end }}', 'none'],
  [
    'break and continue',
    '{{ range until 5 }}{{ if eq . 1 }}{{ continue }}{{ end }}{{ if eq . 3 }}{{ break }}{{ end }}{{ . }}{{ end }}',
    '02',
  ],
  ['else if', '{{ if .x }}x{{ else if eq .metadata.name "web" }}web{{ else }}other{{ end }}', 'web'],
  [
    'with moves the dot, for its block alone',
    '{{ with .metadata }}{{ .name }}{{ end }}{{ with .x }}x{{ else }}-{{ .metadata.name }}{{ end }}',
    'web-web',
  ],
  [
    'an assignment inside reaches the variable outside',
    '{{ $seen := false }}{{ range .spec.containers }}{{ $seen = true }}{{ end }}{{ $seen }}',
    'true',
  ],
  ['a declaration inside stays inside', '{{ $a := 1 }}{{ if true }}{{ $a := 2 }}{{ $a }}{{ end }}{{ $a }}', '21'],
  [
    'or and and give values and stop early',
    '{{ or .x .metadata.name (index nil 1) }} {{ and .metadata.name 7 }}',
    'web 7',
  ],
  ['index', '{{ (index .spec.containers 1).image }} {{ index .metadata.labels "a" }}', 'i:2 1'],
  ['trimmed white space', 'a \n {{- 1 -}} \n b', 'a1b'],
  ['comments', 'a{{/* no }} */}}b', 'ab'],
  ['raw strings', '{{ or .x `""` }}', '""'],
  ['printf', '{{ printf "%s-%03d-%q" .metadata.name 7 "x" }}', 'web-007-"x"'],
  ['quotes of what is no string', '{{ .spec.hostNetwork | Quote }}{{ 3 | Quote }}', '"false""3"'],
  ['YAML, indented', 'labels:{{ YAML .metadata.labels 1 }}', "labels:\n  b: '2'\n  a: '1'\n  "],
  ['dict, default, ternary', '{{ get (dict "a" "x") "a" }}{{ default "d" .x }}{{ ternary "y" "n" true }}', 'xdy'],
];

for (const [name, source, wanted] of cases)
  test(`a template: ${name}`, () => assert.equal(compileTemplate(source, standardFunctions)(pod), wanted));

const refused: [string, RegExp][] = [
  ['{{ .a', /"\{\{" without its "\}\}"/],
  ['{{ if .a }}x', /"end" is missing/],
  ['{{ end }}', /"end" without what it ends/],
  ['{{ nothing .a }}', /the function nothing is not known/],
  ['{{ .a 1 }}', /only functions take arguments/],
  ['\n{{ template "x" }}', /line 2: "template" is not supported/],
];

for (const [source, why] of refused)
  test(`a template is refused: ${source.trim()}`, () =>
    assert.throws(() => compileTemplate(source, standardFunctions), why));
