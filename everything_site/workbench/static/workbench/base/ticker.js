/** What shows passing time: one timer for the page, and only while something is shown that needs it. */

const EVERY = 200; // milliseconds

const ticking = new Map();
let timer = null;

/** Call `show` now and then for as long as `node` is in the page. Returns a function that ends it. */
export function tick(node, show) {
  ticking.set(show, node);
  timer ??= setInterval(run, EVERY);
  return () => ticking.delete(show);
}

function run() {
  for (const [show, node] of ticking) {
    if (node.isConnected) show();
  }
  if (ticking.size === 0) {
    clearInterval(timer);
    timer = null;
  }
}

/** "4.3 s", "2 min 5 s". */
export function duration(milliseconds) {
  const seconds = Math.max(0, milliseconds) / 1000;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  return `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`;
}

/** Whole seconds left until a moment. */
export const secondsUntil = (moment) => Math.max(0, Math.ceil((moment - Date.now()) / 1000));
