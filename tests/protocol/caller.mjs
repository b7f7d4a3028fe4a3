// A client that executes the example operations, and remembers which ones.
import assert from 'node:assert/strict';

import { parse } from 'graphql';
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';

import { differences } from './conforms.mjs';
import { documents, schema } from './documents.mjs';

// How long a message of a subscription may take, in milliseconds.
const PATIENCE = 5_000;

// `compiled` are relay-compiler's documents by operation name; they are called `relay/Name`.
export class Examples {
  constructor(url, compiled = new Map()) {
    this.url = url;
    this.all = documents();
    for (const [name, text] of compiled) {
      this.all.set(`relay/${name}`, { name: `relay/${name}`, text, document: parse(text) });
    }
    this.executed = new Set();
  }

  example(name) {
    const example = this.all.get(name);
    assert.ok(example, `there is no operation ${name}`);
    this.executed.add(name);
    return example;
  }

  // Returns the names of the operations that were never executed.
  left() {
    return [...this.all.keys()].filter((name) => !this.executed.has(name));
  }

  // Returns a client with this access token, or without one.
  as(token) {
    return new Caller(this, token);
  }
}

export class Caller {
  constructor(examples, token) {
    this.examples = examples;
    this.token = token;
  }

  async send(name, variables) {
    const { text, document } = this.examples.example(name);
    const headers = {
      'content-type': 'application/json',
      accept: 'application/graphql-response+json',
      ...(this.token && { authorization: `Bearer ${this.token}` }),
    };
    const response = await fetch(this.examples.url, { method: 'POST', headers, body: JSON.stringify({ query: text, variables }) });
    const { data, errors } = await response.json();
    return { document, data, errors };
  }

  // Executes an operation that succeeds. Returns the value of its root field, or the data if it has several.
  async call(name, variables = {}) {
    const { document, data, errors } = await this.send(name, variables);
    assert.equal(errors, undefined, `${name}: ${JSON.stringify(errors)}`);
    const refused = Object.values(data).flatMap((field) => field?.errors ?? []);
    assert.deepEqual(refused, [], `${name} is refused`);
    this.conforms(name, document, data);
    const fields = Object.values(data);
    return fields.length === 1 ? fields[0] : data;
  }

  // Executes a mutation that is refused with this code. Returns the first error.
  async refused(name, code, variables) {
    const { document, data, errors } = await this.send(name, variables);
    assert.equal(errors, undefined, `${name}: ${JSON.stringify(errors)}`);
    const [payload] = Object.values(data);
    assert.deepEqual([...new Set(payload?.errors.map((error) => error.code))], [code], `${name}: ${JSON.stringify(payload)}`);
    this.conforms(name, document, data);
    return payload.errors[0];
  }

  // Executes an operation that fails at its root field with this code.
  async fails(name, code, variables = {}) {
    const { document, data, errors } = await this.send(name, variables);
    assert.deepEqual(errors?.map(({ extensions }) => extensions.code), [code], `${name}: ${JSON.stringify({ data, errors })}`);
    if (data) this.conforms(name, document, data, errors.map(({ path }) => path.join('.')));
  }

  conforms(name, document, data, nulled) {
    assert.deepEqual(differences(schema, document, data, nulled), [], `${name} breaks the contract`);
  }

  // Subscribes. Calls `work` with a function that returns the value of the next message; then ends the subscription.
  async watch(name, variables, work) {
    const { text, document } = this.examples.example(name);
    const client = createClient({
      url: this.examples.url.replace(/^http/, 'ws'),
      webSocketImpl: WebSocket,
      retryAttempts: 0,
      connectionParams: this.token ? { Authorization: `Bearer ${this.token}` } : {},
    });
    const messages = client.iterate({ query: text, variables });
    const next = async () => {
      const late = new Promise((_, reject) => {
        setTimeout(() => reject(new Error(`${name}: no message`)), PATIENCE).unref();
      });
      const { value, done } = await Promise.race([messages.next(), late]);
      assert.ok(!done, `${name} has ended`);
      assert.equal(value.errors, undefined, `${name}: ${JSON.stringify(value.errors)}`);
      this.conforms(name, document, value.data);
      return Object.values(value.data)[0];
    };
    // Returns the first message that fits. Several changes may come as one message, or a change as several.
    const until = async (fits) => {
      for (;;) {
        const value = await next();
        if (fits(value)) return value;
      }
    };
    try {
      return await work({ next, until });
    } finally {
      await messages.return?.();
      await client.dispose();
    }
  }
}
