/**
 * Plays a sound and draws its wave. It is decoded in the page: an `<audio>` element with a `data:` URL would need a
 * wider Content-Security-Policy.
 */

const SVG = "http://www.w3.org/2000/svg";
const BARS = 48;
const HEIGHT = 40;

export class Sound {
  #figure;
  #bytes;
  #buffer = null;

  constructor(figure) {
    this.#figure = figure;
    const [, text] = figure.dataset.sound.split(",");
    this.#bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    this.#draw();
  }

  async #draw() {
    this.#buffer = await new OfflineAudioContext(1, 1, 44100).decodeAudioData(this.#bytes.buffer.slice(0));
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "▶ Play";
    button.addEventListener("click", () => this.#play());
    const milliseconds = Math.round(this.#buffer.duration * 1000);
    this.#figure.querySelector("figcaption").textContent += `, ${milliseconds} ms`;
    this.#figure.prepend(button, wave(this.#buffer.getChannelData(0)));
  }

  #play() {
    const context = new AudioContext();
    const source = context.createBufferSource();
    source.buffer = this.#buffer;
    source.connect(context.destination);
    source.addEventListener("ended", () => context.close());
    source.start();
  }
}

/** The loudest sample of each part, as a bar. */
function wave(samples) {
  const part = Math.ceil(samples.length / BARS);
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", `0 0 ${BARS * 4} ${HEIGHT}`);
  svg.setAttribute("aria-hidden", "true");
  for (let index = 0; index < BARS; index += 1) {
    const loudest = samples.subarray(index * part, (index + 1) * part).reduce((most, one) => Math.max(most, Math.abs(one)), 0);
    const height = Math.max(2, loudest * HEIGHT);
    const bar = document.createElementNS(SVG, "rect");
    for (const [key, value] of Object.entries({ x: index * 4, y: (HEIGHT - height) / 2, width: 2.5, height, rx: 1 })) bar.setAttribute(key, String(value));
    svg.append(bar);
  }
  return svg;
}
