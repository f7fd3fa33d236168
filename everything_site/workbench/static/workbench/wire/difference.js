/**
 * Align two lists of lines by their longest common subsequence: `[[left, right]]`, with null where a side has no line.
 * Beyond `most` lines the rest is paired line by line, so that the work stays bounded.
 */
export function lineDifference(left, right, most = 1500) {
  const [a, b] = [left.slice(0, most), right.slice(0, most)];
  const width = b.length + 1;
  const common = new Uint16Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) {
      const below = common[(i + 1) * width + j];
      const beside = common[i * width + j + 1];
      common[i * width + j] = a[i] === b[j] ? common[(i + 1) * width + j + 1] + 1 : Math.max(below, beside);
    }
  }
  const aligned = [];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) aligned.push([a[i++], b[j++]]);
    else if (j >= b.length || (i < a.length && common[(i + 1) * width + j] >= common[i * width + j + 1])) aligned.push([a[i++], null]);
    else aligned.push([null, b[j++]]);
  }
  return [...paired(aligned), ...rest(left.slice(most), right.slice(most))];
}

/** Lines that were removed and those that came instead stand beside each other. */
function paired(aligned) {
  const rows = [];
  let removed = [];
  let added = [];
  const flush = () => {
    rows.push(...rest(removed, added));
    [removed, added] = [[], []];
  };
  for (const [one, other] of aligned) {
    if (one !== null && other !== null) {
      flush();
      rows.push([one, other]);
    } else if (one !== null) removed.push(one);
    else added.push(other);
  }
  flush();
  return rows;
}

function rest(left, right) {
  return Array.from({ length: Math.max(left.length, right.length) }, (_, index) => [left[index] ?? null, right[index] ?? null]);
}
