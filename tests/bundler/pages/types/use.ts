// A user of everything the package says about itself; compiled, never run.
import { createClient, PushError, UnauthorizedError } from 'pulsegate';
import type { Client, ClientOptions, Message, PushErrorCode, State, Status, Tier } from 'pulsegate';
import { usePushClient, usePushStatus, useSubscription } from 'pulsegate/react';
import type { SubscriptionStatus } from 'pulsegate/react';

const options: ClientOptions = {
  url: 'https://push.example.com',
  app: 'shop',
  user: 'ann',
  getToken: async ({ user, why, signal }) => {
    const answer = await fetch(`/push-token?user=${user}&why=${why}`, { signal });
    if (answer.status === 401) throw new UnauthorizedError();
    return answer.text();
  },
  clickOrigins: ['https://help.example.com'],
  onError: (error: PushError) => console.warn(error.code, error.temporary, error.help),
};
const client: Client = createClient(options);

const off: () => void = client.on('state', ({ state, tier, tabs }: Status) => {
  const known: State = state;
  const how: Tier | undefined = tier;
  console.log(known, how, tabs + 1);
});
client.on('notificationclick', ({ url, action }) => console.log(url?.length, action.length));
const subscription = client.subscribe(
  'news/sport',
  (message: Message) => message.json<{ score: number }>().score,
  { durable: false, signal: new AbortController().signal },
);
subscription.on('subscribed', ({ recovered, replayed }) => console.log(!recovered, replayed + 1));
client.notifications.foreground = 'hidden-only';
client.setTags({ add: ['vip'] }).then(off, (error: unknown) => {
  if (error instanceof PushError) {
    const code: PushErrorCode = error.code;
    console.log(code === 'tags-denied');
  }
});

export function Score(): string {
  const shared: Client | null = usePushClient(options);
  const { state } = usePushStatus(shared);
  const { ready, gaps, error }: SubscriptionStatus = useSubscription(shared, 'news/sport', (message) => message.body);
  return `${state} ${ready} ${gaps + 1} ${error?.code ?? ''}`;
}

// Were anything read as `any`, these would be no errors, and that is one.
// @ts-expect-error: an option that does not exist
createClient({ app: 'shop', workerURL: '/' });
// @ts-expect-error: a state that does not exist
export const wrong: State = 'sleeping';
