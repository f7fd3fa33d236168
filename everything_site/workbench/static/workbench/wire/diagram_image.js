/** A diagram as a picture of its own: its computed colours and fonts become attributes, since no stylesheet goes with it. */

const PROPERTIES = ["fill", "stroke", "stroke-width", "stroke-dasharray", "font-family", "font-size", "font-style", "font-weight"];
const SHARPNESS = 2; // pixels of the picture for one of the screen
const MAX_SIDE = 16_000; // pixels; browsers draw no larger canvas

/** The text of an SVG file that shows a diagram of the page. */
export function svgText(svg, { background }) {
  const copy = svg.cloneNode(true);
  const originals = svg.querySelectorAll("*");
  copy.querySelectorAll("*").forEach((element, index) => {
    const style = getComputedStyle(originals[index]);
    for (const property of PROPERTIES) element.setAttribute(property, style.getPropertyValue(property));
  });
  copy.querySelectorAll("a").forEach((link) => link.removeAttribute("href")); // they lead nowhere outside of the page
  const ground = document.createElementNS(svg.namespaceURI, "rect");
  for (const [name, value] of Object.entries({ width: "100%", height: "100%", fill: background })) ground.setAttribute(name, value);
  copy.prepend(ground);
  return new XMLSerializer().serializeToString(copy);
}

/**
 * A diagram of the page as a PNG.
 *
 * @param {SVGSVGElement} svg
 * @param {{background: string}} how
 * @returns {Promise<Blob>} Rejects if the diagram is too long for a picture.
 */
export async function png(svg, how) {
  const { width, height } = svg.viewBox.baseVal;
  const scale = Math.min(SHARPNESS, MAX_SIDE / Math.max(width, height));
  if (scale < 0.5) throw new Error("The diagram is too long for a picture. Filter the wire, or save it as SVG.");
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svgText(svg, how))}`;
  await image.decode();
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width: Math.round(width * scale), height: Math.round(height * scale) });
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve, reject) => canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("The browser could not draw the picture."))), "image/png"));
}
