// The audits of GraphQL over HTTP: all 61 of them must be good, the optional ones too.
import { serverAudits } from 'graphql-http';

const EXPECTED = 61;

export async function audits(url) {
  const results = [];
  for (const audit of serverAudits({ url, fetchFn: fetch })) {
    const result = await audit.fn();
    const reason = result.status === 'ok' ? '' : `${result.status}: ${result.reason}`;
    results.push({ name: `${audit.id} ${audit.name}`, reason });
  }
  if (results.length !== EXPECTED) {
    results.push({ name: 'the suite is the one we know', reason: `${results.length} audits, not ${EXPECTED}` });
  }
  return results;
}
