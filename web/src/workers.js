// Tells the Monaco editor where its web workers are, so that Vite bundles them.
import EditorWorker from 'monaco-editor/esm/vs/editor/editor.worker.js?worker';
import JsonWorker from 'monaco-editor/esm/vs/language/json/json.worker.js?worker';
import GraphQLWorker from 'monaco-graphql/esm/graphql.worker.js?worker';

const workers = { json: JsonWorker, graphql: GraphQLWorker };

globalThis.MonacoEnvironment = {
  getWorker(_id, label) {
    const Worker = workers[label] ?? EditorWorker;
    return new Worker();
  },
};
