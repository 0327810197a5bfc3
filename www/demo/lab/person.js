// Who is signed in, and the token their backend would sign. A real page asks its backend for one and
// never holds the secret; here the gateway of `pulsegate dev` hands out one that lives as long as it does.

const STORE = 'pulsegate-lab-user';

export const person = () => localStorage.getItem(STORE) ?? '';

/** Somebody else signs in: this tab starts anew, and so do the others, by the event that storage sends them. */
export function signIn(user) {
  if (user === person()) return;
  localStorage.setItem(STORE, user);
  location.reload();
}

addEventListener('storage', ({ key }) => { if (key === STORE) location.reload(); });

const base64url = (bytes) => btoa(String.fromCharCode(...bytes)).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
const encode = (value) => new TextEncoder().encode(value);

/** A device token of ten minutes for `user`. */
export async function token({ app, token_secret: secret }, user) {
  const now = Math.floor(Date.now() / 1000);
  const part = (value) => base64url(encode(JSON.stringify(value)));
  const text = `${part({ alg: 'HS256', typ: 'JWT', kid: 'dev' })}.${part({ iss: app, aud: app, sub: user, iat: now, exp: now + 600, topics: ['#'] })}`;
  const bytes = Uint8Array.from(atob(secret.replaceAll('-', '+').replaceAll('_', '/')), (letter) => letter.charCodeAt(0));
  const key = await crypto.subtle.importKey('raw', bytes, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
  return `${text}.${base64url(new Uint8Array(await crypto.subtle.sign('HMAC', key, encode(text))))}`;
}
