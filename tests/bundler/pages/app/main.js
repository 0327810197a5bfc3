// An app's entry, the same for every bundler. It shows what came and what broke the page's policy.
import { createClient } from 'pulsegate';

const page = document.documentElement.dataset;
document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) => {
  page.violations = `${page.violations ?? ''}${violatedDirective} ${blockedURI}; `;
});

const ask = new URLSearchParams(location.search);
const client = createClient({
  url: ask.get('url') ?? '/',
  app: 'shop',
  onError: (error) => {
    page.error = error.code;
    page.help = error.help;
  },
});
const subscription = client.subscribe(ask.get('topic') ?? 'news', (message) => {
  const item = document.createElement('li');
  item.textContent = message.notification?.title ?? message.body;
  document.getElementById('came')?.append(item);
});
subscription.ready.then(() => { page.ready = 'true'; });
