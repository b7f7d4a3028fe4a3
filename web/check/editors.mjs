// Works GraphiQL's editors as a person would.

// Runs one operation and returns what its answer holds.
export async function execute(page, { name, text, find }, found) {
  const operation = text(found);
  await write(page, '.graphiql-query-editor', operation);
  // The tab takes the operation's name once GraphiQL has parsed the new text.
  await page.locator('.graphiql-tab-active', { hasText: name }).waitFor();
  await page.getByRole('button', { name: 'Execute query' }).click();
  const response = await readResponse(page);
  try {
    return find(JSON.parse(response).data);
  } catch {
    throw new Error(`unexpected answer to ${operation}: ${response}`);
  }
}

export async function writeHeaders(page, headers) {
  const editor = '.graphiql-editor-tool .graphiql-editor:not(.hidden)';
  await page.getByRole('button', { name: 'Headers', exact: true }).click();
  await write(page, editor, JSON.stringify(headers));
}

// Replaces the text of one of the page's editors.
async function write(page, editor, text) {
  await page.locator(editor).locator('.view-lines').click();
  await page.keyboard.press('Control+A');
  await page.keyboard.press('Delete');
  await page.keyboard.insertText(text);
  await page.keyboard.press('Escape');
}

// Waits for an answer: GraphiQL empties the response when an operation starts.
async function readResponse(page) {
  const read = await page.waitForFunction(() => {
    const isResponse = ({ uri }) => uri.path.endsWith('response.json');
    return globalThis.__MONACO.editor.getModels().find(isResponse)?.getValue();
  });
  return read.jsonValue();
}
