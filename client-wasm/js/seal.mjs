// Makes closures of classes: `this.#count` is seven characters that no minifier may shorten, a variable
// is one, and a function called once is inlined where a private method is not.
//
// class Tab { #out = 0; live = true; constructor(port) { … } post() { this.#out += 1; } #drop() { … } }
//
// becomes a function that holds the private members and returns the public ones:
//
// function Tab(port) { let out = 0; const self = { live: true, post() { out += 1; } }; …; return self; }
//
// It takes a bundle of esbuild's, in which names of the top level are unique. A class that extends another,
// has statics, or is used for more than `new`, stays as it is.
import * as acorn from 'acorn';

const SELF = 'self$';
const MADE = 'made$';
const local = (name) => `${name}$`;

/** The same program with closures for classes. */
export function seal(code) {
  const classes = new Map();
  visit(parse(code), (node, parent) => {
    const name = nameOf(node, parent);
    if (name && sealable(node)) classes.set(name, []);
  });
  visit(parse(code), (node, parent) => {
    if (node.type !== 'Identifier' || !classes.has(node.name) || parent.id === node || parent.key === node) return;
    if (parent.type === 'MemberExpression' && parent.property === node && !parent.computed) return;
    if (parent.type === 'NewExpression' && parent.callee === node) classes.get(node.name).push([parent.start, node.start, '']);
    else classes.delete(node.name);
  });
  // An arrow function, which a minifier may make of it, cannot be called with `new`.
  const called = apply(code, [...classes.values()].flat());
  const edits = [];
  visit(parse(called), (node, parent) => {
    const name = nameOf(node, parent);
    if (classes.has(name)) edits.push([node.start, node.end, closure(called, name, node)]);
  });
  return apply(called, edits);
}

const parse = (code) => acorn.parse(code, { ecmaVersion: 2022, sourceType: 'module' });

const nameOf = (node, parent) =>
  /^Class(Declaration|Expression)$/.test(node.type) ? node.id?.name ?? (parent.type === 'VariableDeclarator' && parent.id.name) : undefined;

/** Whether the class is of the kind that can be a closure. */
function sealable(node) {
  if (node.superClass) return false;
  let fine = true;
  for (const member of node.body.body) {
    if (member.static || member.computed || member.type === 'StaticBlock' || member.key.type === 'Literal') return false;
    const isPrivate = member.key.type === 'PrivateIdentifier';
    if (isPrivate && member.type === 'MethodDefinition' && member.kind !== 'method') return false;
    // Private members are there before `self` is, each after those above it.
    if (isPrivate && member.value && member.type === 'PropertyDefinition') {
      visit(member.value, (inner, parent, functions) => {
        fine &&= inner.type !== 'ThisExpression' || functions > 0 || parent?.property?.type === 'PrivateIdentifier';
      });
    }
  }
  visit(node.body, (inner, parent, functions, owns) => {
    // In a function with a `this` of its own, it is another object.
    if (inner.type === 'ThisExpression' && owns > 1) fine = false;
    if (inner.type === 'PrivateIdentifier' && parent.type === 'MemberExpression' && parent.object.type !== 'ThisExpression') fine = false;
    if (inner.type === 'BinaryExpression' && inner.left.type === 'PrivateIdentifier') fine = false;
    if (inner.type === 'Identifier' && inner.name === 'arguments') fine = false;
  });
  return fine;
}

/** The class as a function. */
function closure(code, name, node) {
  const text = (part, ends = false) => {
    const inner = [];
    visit(part, (found, parent, functions) => {
      if (ends && found.type === 'ReturnStatement' && functions === 0) {
        // What is made is returned in any case.
        inner.push([found.start, found.argument?.start ?? found.end, found.argument ? '{ ' : `break ${MADE};`]);
        if (found.argument) inner.push([found.argument.end, found.end, `; break ${MADE}; }`]);
      } else if (found.type === 'MemberExpression' && found.property.type === 'PrivateIdentifier') {
        inner.push([found.start, found.end, local(found.property.name)]);
      } else if (found.type === 'ThisExpression' && parent?.property?.type !== 'PrivateIdentifier') {
        inner.push([found.start, found.end, SELF]);
      }
    });
    return apply(code, inner, part.start, part.end);
  };
  const [hidden, shown, functions] = [[], [], []];
  let parameters = '';
  let made = '';
  for (const member of node.body.body) {
    const isPrivate = member.key.type === 'PrivateIdentifier';
    if (member.kind === 'constructor') {
      const { params, body } = member.value;
      // Under names of their own: what a method means by the same word is something else.
      const given = params.map((_, i) => `given${i}$`);
      parameters = params.map((p, i) => (p.type === 'AssignmentPattern' ? `${given[i]} = ${text(p.right)}` : given[i])).join(', ');
      const names = params.map((p, i) => `${text(p.type === 'AssignmentPattern' ? p.left : p)} = ${given[i]}`);
      made = `${MADE}: { ${names.length > 0 ? `let ${names.join(', ')};` : ''} ${text(body, true)} }`;
    } else if (member.type === 'PropertyDefinition') {
      const value = member.value && text(member.value);
      if (isPrivate) hidden.push(`let ${local(member.key.name)}${value ? ` = ${value}` : ''};`);
      else if (value) shown.push(`${member.key.name}: ${value}`);
    } else if (isPrivate) {
      functions.push(`${member.value.async ? 'async ' : ''}function${member.value.generator ? '*' : ''} ${local(member.key.name)}${text(member.value)}`);
    } else {
      shown.push(text(member));
    }
  }
  const body = `(${parameters}) { ${hidden.join('\n')} const ${SELF} = { ${shown.join(',\n')} }; ${functions.join('\n')} ${made} return ${SELF}; }`;
  return node.type === 'ClassDeclaration' ? `function ${name}${body}` : `function${body}`;
}

/** Replaces pieces of `code` between `from` and `to`. */
function apply(code, edits, from = 0, to = code.length) {
  let out = '';
  let at = from;
  for (const [start, end, by] of [...edits].sort((a, b) => a[0] - b[0])) {
    if (start < at) throw new Error(`two changes meet at ${code.slice(start, end)}`);
    out += code.slice(at, start) + by;
    at = end;
  }
  return out + code.slice(at, to);
}

/**
 * Shows every node with its parent, how many functions it lies in, and how many of them have a `this`
 * of their own.
 */
function visit(node, show, parent = undefined, functions = 0, owns = 0) {
  show(node, parent, functions, owns);
  const isFunction = /Function/.test(node.type) && parent !== undefined;
  const deeper = functions + (isFunction ? 1 : 0);
  const own = owns + (isFunction && node.type !== 'ArrowFunctionExpression' ? 1 : 0);
  for (const [key, value] of Object.entries(node)) {
    if (key === 'type') continue;
    for (const child of Array.isArray(value) ? value : [value]) {
      if (child && typeof child.type === 'string') visit(child, show, node, deeper, own);
    }
  }
}
