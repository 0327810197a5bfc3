export const metadata = { title: 'a page rendered by Next' };

export default function Layout({ children }) {
  return <html lang="en"><body>{children}</body></html>;
}
