import { renderToString } from 'react-dom/server';
import { Whole } from './app.jsx';

process.stdout.write(renderToString(<Whole ask={{ url: 'https://push.example.com', topic: 'news' }} />));
