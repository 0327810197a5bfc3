'use client';

import { useEffect, useState } from 'react';
import { usePushClient, usePushStatus, useSubscription } from 'pulsegate/react';

export function News({ url, topic }) {
  const [came, setCame] = useState([]);
  const client = usePushClient({ url, app: 'shop' });
  const { state } = usePushStatus(client);
  const { ready } = useSubscription(client, topic, (message) => setCame((before) => [...before, message.notification.title]));
  useEffect(() => {
    if (ready) document.documentElement.dataset.ready = 'true';
  }, [ready]);
  return (
    <>
      <p id="state">{state}</p>
      <ul id="came">{came.map((title) => <li key={title}>{title}</li>)}</ul>
    </>
  );
}
