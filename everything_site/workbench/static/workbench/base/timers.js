/** Timers as functions to pass in, so that tests need not wait. */

/** Do something after so many milliseconds; gives a function that cancels it. */
export function later(milliseconds, act) {
  const timer = setTimeout(act, milliseconds);
  return () => clearTimeout(timer);
}
