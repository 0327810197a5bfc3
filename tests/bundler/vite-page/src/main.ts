// An app's entry, as the README shows it; TypeScript, so that the package's types are read too.
import { createClient, type Message, PushError } from 'pulsegate';

const ask = new URLSearchParams(location.search);
const client = createClient({ url: ask.get('url') ?? undefined, app: 'shop', onError: (fault: PushError) => console.error(fault.code, fault.message) });

const subscription = client.subscribe('news', (message: Message) => {
  const item = document.createElement('li');
  item.textContent = message.notification?.title ?? message.body;
  document.getElementById('came')?.append(item);
});

await subscription.ready;
document.documentElement.dataset.ready = 'true';
