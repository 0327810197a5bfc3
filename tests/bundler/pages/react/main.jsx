import { hydrateRoot } from 'react-dom/client';
import { page, Whole } from './app.jsx';

globalThis.page = page;
document.addEventListener('securitypolicyviolation', ({ violatedDirective }) => page.faults.push(violatedDirective));
const ask = Object.fromEntries(new URLSearchParams(location.search));
page.root = hydrateRoot(document.getElementById('root'), <Whole ask={ask} />, {
  onRecoverableError: (error) => page.faults.push(String(error)),
});
