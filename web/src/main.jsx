// Starts the page: GraphiQL with our fetcher, plugins and default tabs.
import './workers.js';
import { explorerPlugin } from '@graphiql/plugin-explorer';
import { GraphiQL, HISTORY_PLUGIN } from 'graphiql';
import { createRoot } from 'react-dom/client';
import { fetcher } from './fetcher.js';
import { journeys } from './journeys.js';
import { storage } from './storage.js';
import 'graphiql/style.css';
import '@graphiql/plugin-explorer/style.css';
import './page.css';

// Outside the component: a new list on every render would reset the open plugin.
const plugins = [HISTORY_PLUGIN, explorerPlugin()];

createRoot(document.getElementById('root')).render(
  <GraphiQL
    fetcher={fetcher}
    plugins={plugins}
    defaultTabs={journeys}
    defaultEditorToolsVisibility="headers"
    shouldPersistHeaders
    storage={storage}
  >
    <GraphiQL.Logo>Tessera</GraphiQL.Logo>
  </GraphiQL>,
);
