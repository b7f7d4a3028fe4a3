// Notes what the page does wrong, and how it opens its sockets.

// Console errors, broken policies and everything that leaves the origin go to
// `faults`; the headers that each socket was opened with, to `socketHeaders`.
export async function watch(page, baseUrl, { faults, socketHeaders }) {
  const { host } = new URL(baseUrl);
  const checkHost = (url) => {
    const { protocol, host: target } = new URL(url);
    const inPage = protocol === 'data:' || protocol === 'blob:';
    if (!inPage && target !== host) faults.push(`request left: ${url}`);
  };
  page.context().on('request', (request) => checkHost(request.url()));
  page.on('pageerror', (error) => faults.push(`page error: ${error.message}`));
  page.on('console', (message) => {
    if (message.type() === 'error') faults.push(`console: ${message.text()}`);
  });
  page.on('websocket', (socket) => {
    checkHost(socket.url());
    socket.on('framesent', ({ payload }) => {
      const message = JSON.parse(payload);
      if (message.type === 'connection_init') {
        socketHeaders.push(message.payload);
      }
    });
  });
  await page.exposeFunction('reportViolation', (violation) =>
    faults.push(`content security policy: ${violation}`),
  );
  await page.addInitScript(() =>
    document.addEventListener('securitypolicyviolation', (event) =>
      window.reportViolation(
        `${event.effectiveDirective} blocked ${event.blockedURI}`,
      ),
    ),
  );
}
