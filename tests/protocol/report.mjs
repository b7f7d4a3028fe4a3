// Prints the failed checks and a table of the suites. Returns the exit status.
export function report(suites) {
  let failed = 0;
  for (const [suite, results] of suites) {
    for (const { name, reason } of results.filter(({ reason }) => reason)) {
      failed += 1;
      console.log(`FAILED  ${suite}: ${name}\n        ${reason}`);
    }
  }
  console.log('suite                 good  of');
  for (const [suite, results] of suites) {
    const good = results.filter(({ reason }) => !reason).length;
    console.log(`${suite.padEnd(20)} ${String(good).padStart(5)} ${String(results.length).padStart(3)}`);
  }
  return failed === 0 ? 0 : 1;
}
