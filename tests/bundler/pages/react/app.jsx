// An app with the hooks, as strict as React can be. `page` is how a test reaches into it.
import { StrictMode, useEffect, useState } from 'react';
import { usePushClient, usePushStatus, useSubscription } from 'pulsegate/react';

const FIRST = { mounted: true, listening: true, twice: false, loggedIn: true, user: '', topic: '', round: 1 };
export const page = { mounts: 0, unmounts: 0, clients: [], handled: [], faults: [] };

export function Whole({ ask }) {
  return <StrictMode><App ask={ask} /></StrictMode>;
}

function App({ ask }) {
  const [wish, setWish] = useState(FIRST);
  page.wish = (more) => setWish((before) => ({ ...before, ...more }));
  return wish.mounted ? <Connected ask={ask} wish={wish} /> : <p id="state">unmounted</p>;
}

function Connected({ ask, wish }) {
  const options = { url: ask.url, app: 'shop' };
  const client = usePushClient(wish.loggedIn ? options : null);
  const { state, tabs } = usePushStatus(client);
  useEffect(() => {
    if (client) page.clients.push(client);
  }, [client]);
  return (
    <>
      <p id="state">{state}</p>
      <p id="tabs">{tabs}</p>
      {wish.listening && <List client={client} topic={wish.topic || ask.topic} round={wish.round} />}
      {wish.twice && <Second options={options} topic={ask.topic} />}
    </>
  );
}

function List({ client, topic, round }) {
  const [came, setCame] = useState([]);
  const { ready, error } = useSubscription(client, topic, ({ notification: { title } }) => {
    page.handled.push(`${title} in round ${round}`);
    setCame((before) => [...before, title]);
  });
  useEffect(() => {
    page.mounts += 1;
    return () => { page.unmounts += 1; };
  }, []);
  return (
    <>
      <p id="ready">{ready ? topic : `not ready: ${error?.code ?? 'nothing said'}`}</p>
      <ul id="came">{came.map((title, index) => <li key={index}>{title}</li>)}</ul>
    </>
  );
}

/** Somewhere else in the app, with the same options: it shares the client. */
function Second({ options, topic }) {
  const client = usePushClient(options);
  useSubscription(client, topic, ({ notification: { title } }) => page.handled.push(`${title} in the second`));
  useEffect(() => {
    if (client) page.second = client;
  }, [client]);
  return null;
}
