// Runs named checks one after the other; each must end in time. Tells the names, with the reasons of those that failed.
const LATE = 10_000;

export async function timed(checks, limit = LATE) {
  const told = [];
  for (const [name, check] of Object.entries(checks)) {
    const late = new Promise((_, reject) => setTimeout(() => reject(new Error('took too long')), limit).unref());
    try {
      await Promise.race([check(), late]);
      told.push({ name, reason: '' });
    } catch (error) {
      told.push({ name, reason: String(error?.message ?? JSON.stringify(error)) });
    }
  }
  return told;
}
