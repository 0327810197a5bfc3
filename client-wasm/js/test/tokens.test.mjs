// One token at a time, from the tab that can fetch it.
import assert from 'node:assert/strict';
import { beforeEach, mock, test } from 'node:test';
import { load } from './support/load.mjs';

const { Tokens, Tab, claimsOf, answerToken, UnauthorizedError } = await load('worker/tokens.ts', 'worker/tab.ts', 'page/token.ts', 'page/error.ts');

beforeEach(() => mock.timers.reset());
const turn = async () => { for (let i = 0; i < 30; i++) await Promise.resolve(); };
const jwt = (claims) => `x.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.x`;

function stage(user = 'ann') {
  mock.timers.enable({ apis: ['setTimeout'] });
  const tabs = [];
  const heard = [];
  const tokens = new Tokens(user, () => tabs, {
    token: (token, expires) => heard.push({ token, expires }),
    unavailable: () => heard.push('unavailable'),
    denied: () => heard.push('denied'),
    error: ({ code }) => heard.push(code),
  });
  const open = (answer, { visible = false, live = true } = {}) => {
    const asked = [];
    const tab = new Tab({
      postMessage(said) {
        asked.push(said.t === 'token' ? said.why : said.t);
        if (said.t === 'token' && answer) queueMicrotask(() => tab.replied(said.i, answer));
      },
    }, {}, 0);
    Object.assign(tab, { live, visible, tokens: true, asked });
    tabs.push(tab);
    return tab;
  };
  return { tokens, heard, open };
}

test('a visible tab is asked, and only that one', async () => {
  const { tokens, heard, open } = stage();
  const token = jwt({ sub: 'ann', exp: 77 });
  const [hidden, visible] = [open({ token }), open({ token }, { visible: true })];
  void tokens.need('connect');
  void tokens.need('connect');
  await turn();
  assert.deepEqual(visible.asked, ['connect']);
  assert.deepEqual(hidden.asked, []);
  assert.deepEqual(heard, [{ token, expires: 77_000 }]);
});

test('the next tab is asked after five seconds, or at once if one failed or went', async () => {
  const { tokens, heard, open } = stage();
  const silent = open(null, { visible: true });
  open({ failed: 'offline' });
  const third = open(null);
  open({ token: jwt({ sub: 'ann' }) });
  void tokens.need('refresh');
  await turn();
  mock.timers.tick(5_000);
  await turn();
  assert.deepEqual(silent.asked, ['refresh']);
  third.end();
  await turn();
  assert.equal(heard[0].token, jwt({ sub: 'ann' }));
});

test('nobody has one: the session tries again later', async () => {
  const { tokens, heard, open } = stage();
  open({ failed: 'offline' });
  await tokens.need('connect');
  assert.deepEqual(heard, ['token-failed', 'unavailable']);
});

test('a user who is logged out ends it, without asking the other tabs', async () => {
  const { tokens, heard, open } = stage();
  open({ unauthorized: 'logged out' }, { visible: true });
  const other = open({ token: jwt({ sub: 'ann' }) });
  await tokens.need('connect');
  assert.deepEqual(heard, ['unauthorized', 'denied']);
  assert.deepEqual(other.asked, []);
});

test('a token of another user is never sent', async () => {
  const { tokens, heard, open } = stage();
  open({ token: jwt({ sub: 'bob' }) });
  await tokens.need('connect');
  assert.deepEqual(heard, ['user-mismatch', 'denied']);
});

test('null means anonymous; a frozen tab is not asked', async () => {
  const { tokens, heard, open } = stage();
  const frozen = open({ token: jwt({ sub: 'ann' }) }, { visible: true, live: false });
  open({ token: null });
  await tokens.need('connect');
  assert.deepEqual(heard, [{ token: undefined, expires: 0 }]);
  assert.deepEqual(frozen.asked, []);
});

test('claims are read whatever the alphabet of the name, and nonsense is no claim', () => {
  assert.equal(claimsOf(jwt({ sub: 'Zoë ☃' })).sub, 'Zoë ☃');
  for (const text of ['', 'a', 'a.b', 'a.!.c', `a.${Buffer.from('no json').toString('base64url')}.c`]) assert.deepEqual(claimsOf(text), {});
});

test('what getToken does becomes an answer, never a throw', async () => {
  const request = { user: 'ann', why: 'connect', signal: new AbortController().signal };
  assert.deepEqual(await answerToken(() => 'abc', request), { token: 'abc' });
  assert.deepEqual(await answerToken(async () => null, request), { token: null });
  assert.deepEqual(await answerToken(() => { throw new UnauthorizedError('bye'); }, request), { unauthorized: 'bye' });
  assert.deepEqual(await answerToken(async () => { throw new Error('down'); }, request), { failed: 'Error: down' });
  assert.ok('failed' in await answerToken(() => undefined, request));
  assert.ok('failed' in await answerToken(undefined, request));
});

test('the core may ask again in the breath in which it is answered', async () => {
  const { open } = stage();
  const tab = open({ token: jwt({ sub: 'ann' }) });
  const tokens = new Tokens('ann', () => [tab], { token: () => { if (tab.asked.length < 2) void tokens.need('connect'); } });
  await tokens.need('connect');
  await turn();
  assert.equal(tab.asked.length, 2);
});
