/** Times, sizes and processes as people read them. */

/** Seconds since the start: +3.10, later +123.4. */
export const moment = (at) => `+${at.toFixed(at < 100 ? 2 : 1)}`;

/** How long something took: 12 ms, 4.3 s, 2 min 5 s. */
export function duration(seconds) {
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}

/** A number of bytes: 812 B, 1.9 kB, 3.1 MB. */
export function bytes(count) {
  if (count < 1000) return `${count} B`;
  if (count < 1_000_000) return `${(count / 1000).toFixed(1)} kB`;
  return `${(count / 1_000_000).toFixed(1)} MB`;
}

/** Which of the four colours and patterns a process has: by its number, else by its name. */
export function processColour(name) {
  const digits = /(\d+)$/.exec(name);
  const number = digits ? Number(digits[1]) - 1 : [...name].reduce((sum, letter) => sum + letter.codePointAt(0), 0);
  return (((number % 4) + 4) % 4) + 1;
}
