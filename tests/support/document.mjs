// docs/BROWSER_SUPPORT.md, as text and as rows. Rows are what CI compares; versions and figures differ by
// machine and day, stand in lines of their own, and are compared by nobody.

const TABLES = {
  browser: {
    title: 'Browsers',
    about: 'Each row is a test that runs end to end: a real gateway, a real browser, real notifications counted on the desktop’s bus.\nA dash: the test is not run in that browser, mostly since its own protocol cannot lead it there.',
  },
  bundler: { title: 'Bundlers and frameworks', about: 'The packed npm package in each tool, built or served, loaded in Chromium under a strict policy, and receiving a message.' },
};
const MARKS = { passed: 'yes', failed: 'FAILS' };
const NONE = '–';
const HEAD = `# What works where

Written by \`cargo xtask support\` from what the tests left in \`target/support\`; \`cargo xtask support --check\` fails if a row here
and a result of a test differ. Do not edit: change a test.
`;

const keyOf = (row) => JSON.stringify([row.table, row.group, row.row, row.column]);

/** The document's rows: what \`write\` made of them. */
export function parse(text) {
  const rows = [];
  let table;
  let group = '';
  let columns;
  for (const line of text.split('\n')) {
    const title = line.match(/^## (.+)$/)?.[1];
    if (title) {
      table = Object.keys(TABLES).find((name) => TABLES[name].title === title);
      group = '';
      columns = undefined;
    }
    if (!table) continue;
    const named = line.match(/^### (.+)$/)?.[1];
    if (named) {
      group = named;
      columns = undefined;
    }
    if (!line.startsWith('| ')) continue;
    const cells = line.slice(2, -2).split(' | ');
    if (!columns) columns = cells.slice(1);
    else if (!/^-+$/.test(cells[0])) {
      cells.slice(1).forEach((cell, index) => {
        const result = Object.keys(MARKS).find((name) => MARKS[name] === cell);
        if (result) rows.push({ table, group, row: cells[0], column: columns[index], result });
      });
    }
  }
  return rows;
}

/** Old rows, with those of every column that was run now in place of its old ones. */
export function merge(old, suites) {
  const fresh = suites.flatMap(({ rows }) => rows).filter(({ table }) => TABLES[table]).map((row) => ({ group: '', ...row, row: row.row.replaceAll('|', '/') }));
  const ran = new Set(fresh.map(({ table, column }) => `${table} ${column}`));
  const kept = old.filter(({ table, column }) => !ran.has(`${table} ${column}`));
  return [...new Map([...kept, ...fresh].map((row) => [keyOf(row), row])).values()];
}

/** What rows differ by: for the message of a failed check. */
export function differences(before, after) {
  const as = (rows) => new Map(rows.map((row) => [keyOf(row), row.result]));
  const [one, two] = [as(before), as(after)];
  const lines = [];
  for (const [key, result] of two) if (one.get(key) !== result) lines.push(`${JSON.parse(key).join(' · ')}: ${one.get(key) ?? 'not there'}, and now ${result}`);
  for (const key of one.keys()) if (!two.has(key)) lines.push(`${JSON.parse(key).join(' · ')}: there is no such test any more`);
  return lines;
}

/** The document. */
export function write(rows, suites) {
  const parts = [HEAD];
  const all = (name) => Object.assign({}, ...suites.map((suite) => suite[name] ?? {}));
  const versions = Object.entries(all('versions'));
  if (versions.length > 0) parts.push(`Last run with ${versions.map(([name, version]) => `${name} ${version}`).join(', ')}.\n`);
  for (const [table, { title, about }] of Object.entries(TABLES)) {
    const mine = rows.filter((row) => row.table === table);
    if (mine.length === 0) continue;
    parts.push(`## ${title}\n\n${about}\n`);
    for (const group of [...new Set(mine.map((row) => row.group))].sort()) parts.push(grid(mine.filter((row) => row.group === group), group, columnsOf(mine)));
  }
  const sizes = suites.flatMap((suite) => suite.rows).filter(({ table }) => table === 'size');
  if (sizes.length > 0) parts.push(sizeReport(sizes));
  return `${parts.join('\n').trimEnd()}\n`;
}

/** Chromium first: everything runs there. */
const columnsOf = (rows) => [...new Set(rows.map(({ column }) => column))].sort((a, b) => (b === 'Chromium') - (a === 'Chromium') || a.localeCompare(b));

function grid(rows, group, columns) {
  const names = [...new Set(rows.map(({ row }) => row))].sort();
  const results = new Map(rows.map((row) => [`${row.row}\n${row.column}`, MARKS[row.result]]));
  const lines = names.map((name) => `| ${[name, ...columns.map((column) => results.get(`${name}\n${column}`) ?? NONE)].join(' | ')} |`);
  return `${group && `### ${group}\n\n`}| what | ${columns.join(' | ')} |\n| ${['what', ...columns].map(() => '---').join(' | ')} |\n${lines.join('\n')}\n`;
}

/** One table a part, if rows name theirs in `group`. */
function sizeReport(rows) {
  const groups = [...new Set(rows.map(({ group }) => group))];
  const tables = groups.map((group) => {
    const lines = rows.filter((row) => row.group === group).map(({ row, result }) => `| ${row} | ${result} |`);
    return `### ${group}\n\n| part | brotli, bytes |\n| --- | --- |\n${lines.join('\n')}\n`;
  });
  return `## Sizes\n\nWhat a visitor downloads of the build that was measured last; \`cargo xtask sizes\` prints it against its bars.\n\n${tables.join('\n')}`;
}
