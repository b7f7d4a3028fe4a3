// Tells Vite to build the GraphiQL page into dist/, to be served below /graphiql/.
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

export default defineConfig({
  base: '/graphiql/',
  plugins: [react()],
  worker: { format: 'es' },
  build: {
    sourcemap: false,
    // Monaco, the editor, is one large chunk; splitting it further gains nothing.
    chunkSizeWarningLimit: 6000,
    // Some packages carry directives meant for the React compiler: harmless here.
    rolldownOptions: { checks: { moduleLevelDirective: false } },
  },
});
