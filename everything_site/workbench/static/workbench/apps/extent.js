/** How large a message is, without writing it out. It knows no DOM. */

/**
 * Count the characters, bytes and members of a value, and stop counting above `most`.
 *
 * @param {any} value What `postMessage` can carry.
 * @param {number} most
 * @returns {number} More than `most` if the value is larger.
 */
export function extent(value, most) {
  let sum = 0;
  const rest = [value];
  const seen = new Set();
  while (rest.length && sum <= most) {
    const one = rest.pop();
    sum += 1;
    if (typeof one === "string") sum += one.length;
    else if (one instanceof ArrayBuffer || ArrayBuffer.isView(one)) sum += one.byteLength;
    else if (one !== null && typeof one === "object" && !seen.has(one)) {
      seen.add(one);
      for (const key in one) {
        sum += key.length;
        rest.push(one[key]);
        if (sum + rest.length > most) return most + 1;
      }
    }
  }
  return sum;
}
