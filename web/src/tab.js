// What the default tabs have in common.

// The part of every mutation's answer that says what went wrong.
export const errors = `errors {
      code
      message
      path
    }`;

// The server answers a repeated idempotency key with the first result, so each
// browser session starts with fresh ones.
export const session = Date.now().toString(36);

const headers = `{
  // Paste an access token and remove the two slashes.
  // "Authorization": "Bearer <accessToken>"
}
`;

export function tab(query, variables) {
  return { query, variables: JSON.stringify(variables, null, 2), headers };
}
