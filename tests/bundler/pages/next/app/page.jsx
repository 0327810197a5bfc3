import { News } from './news.jsx';

export default async function Page({ searchParams }) {
  const { url, topic } = await searchParams;
  return <News url={url} topic={topic} />;
}
