/**
 * Go's text/template as Stages use it: fields, variables, pipelines, `if`, `with`, `range` with `break` and `continue`, trimmed white space,
 * Go's functions and the common ones of Sprig. Compiled once to closures. `define`, `template` and `block` are refused with a sentence.
 */
export { compileTemplate, type Template, type TemplateFunction, type TemplateFunctions } from './parser.ts';
export { standardFunctions } from './functions.ts';
export { TemplateError } from './tokens.ts';
