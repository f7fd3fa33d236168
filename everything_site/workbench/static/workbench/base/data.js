/** Binary data as it comes in results: Base64 to bytes, sizes, names for files. */

const IMAGES = new Set(["image/png", "image/jpeg", "image/gif", "image/webp", "image/avif", "image/bmp", "image/svg+xml", "image/x-icon"]);
const EXTENSIONS = { "image/png": "png", "image/jpeg": "jpg", "image/gif": "gif", "image/svg+xml": "svg", "audio/wav": "wav", "audio/mpeg": "mp3", "application/json": "json", "application/gzip": "gz", "application/pdf": "pdf", "application/zip": "zip", "text/plain": "txt", "text/html": "html", "text/markdown": "md" };

/** The type without its parameters. */
export const essence = (mimeType) => String(mimeType ?? "").split(";")[0].trim().toLowerCase();

export const isImage = (mimeType) => IMAGES.has(essence(mimeType));
export const isAudio = (mimeType) => essence(mimeType).startsWith("audio/");

/**
 * Decode Base64, also without padding and in the URL's alphabet.
 *
 * @returns {Uint8Array|null} `null` if it is not Base64.
 */
export function bytesOf(base64) {
  try {
    const text = atob(base64.replace(/\s/g, "").replaceAll("-", "+").replaceAll("_", "/"));
    return Uint8Array.from(text, (character) => character.charCodeAt(0));
  } catch {
    return null;
  }
}

/** A size for people: `93 bytes`, `1.9 kB`, `2.4 MB`. */
export function size(bytes) {
  if (bytes < 1000) return `${bytes} ${bytes === 1 ? "byte" : "bytes"}`;
  const [value, unit] = bytes < 1e6 ? [bytes / 1e3, "kB"] : [bytes / 1e6, "MB"];
  return `${value.toFixed(value < 10 ? 1 : 0)} ${unit}`;
}

/** A name to save a resource under. */
export function fileName(uri, mimeType) {
  const last = decodeURIComponentSafely(String(uri ?? "").split(/[?#]/)[0].split("/").filter(Boolean).at(-1) ?? "");
  const name = last.replace(/[^\w.\- ]+/g, "_").replace(/^\.+/, "").slice(-80) || "content";
  return /\.[a-z0-9]{1,5}$/i.test(name) ? name : `${name}.${EXTENSIONS[essence(mimeType)] ?? "bin"}`;
}

function decodeURIComponentSafely(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The first bytes as a hex dump. */
export function hexDump(bytes, most = 128) {
  const lines = [];
  for (let start = 0; start < Math.min(bytes.length, most); start += 16) {
    const part = [...bytes.slice(start, Math.min(start + 16, most))];
    const hex = part.map((byte) => byte.toString(16).padStart(2, "0")).join(" ").padEnd(47);
    lines.push(`${start.toString(16).padStart(4, "0")}  ${hex}  ${part.map((byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : ".")).join("")}`);
  }
  return lines.join("\n");
}
