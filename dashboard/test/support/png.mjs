import { crc32, deflateSync, inflateSync } from "node:zlib";

const signature = Buffer.from("\x89PNG\r\n\x1a\n", "latin1");

/**
 * Makes a screenshot several times smaller: with a palette of its 256 most frequent colors,
 * in place of which the others get the nearest one. It takes what Chromium makes, which is
 * RGB or RGBA with 8 bits each, not interlaced.
 */
export function shrink(png) {
  const { width, height, pixels } = decode(png);
  const counts = new Map();
  for (const color of pixels) counts.set(color, (counts.get(color) ?? 0) + 1);
  const palette = [...counts].sort((a, b) => b[1] - a[1]).slice(0, 256).map(([color]) => color);
  const indexes = new Map(palette.map((color, i) => [color, i]));
  for (const color of counts.keys()) if (!indexes.has(color)) indexes.set(color, nearest(palette, color));

  const lines = Buffer.alloc(height * (width + 1)); // each line begins with its filter, which is none
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) lines[y * (width + 1) + 1 + x] = indexes.get(pixels[y * width + x]);
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 3, 0, 0, 0], 8); // 8 bits, palette
  const colors = Buffer.from(palette.flatMap((color) => [color >> 16, (color >> 8) & 255, color & 255]));
  return Buffer.concat([signature, chunk("IHDR", header), chunk("PLTE", colors), chunk("IDAT", deflateSync(lines, { level: 9 })), chunk("IEND", Buffer.alloc(0))]);
}

function nearest(palette, color) {
  const distance = (other) => [16, 8, 0].reduce((sum, shift) => sum + (((color >> shift) & 255) - ((other >> shift) & 255)) ** 2, 0);
  return palette.reduce((best, other, i) => (distance(other) < distance(palette[best]) ? i : best), 0);
}

function decode(png) {
  const [width, height, channels] = [png.readUInt32BE(16), png.readUInt32BE(20), { 2: 3, 6: 4 }[png[25]]];
  if (png[24] !== 8 || !channels || png[28]) throw new Error("This PNG is of a kind that is not expected.");
  const parts = [];
  for (let at = 8; at < png.length; at += 12 + png.readUInt32BE(at)) if (png.toString("latin1", at + 4, at + 8) === "IDAT") parts.push(png.subarray(at + 8, at + 8 + png.readUInt32BE(at)));
  const data = inflateSync(Buffer.concat(parts));
  const size = width * channels;
  const pixels = new Uint32Array(width * height);
  let above = Buffer.alloc(size);
  for (let y = 0; y < height; y++) {
    const filter = data[y * (size + 1)];
    const line = data.subarray(y * (size + 1) + 1, (y + 1) * (size + 1));
    for (let i = 0; i < size; i++) {
      const [left, up, corner] = i < channels ? [0, above[i], 0] : [line[i - channels], above[i], above[i - channels]];
      line[i] += [0, left, up, (left + up) >> 1, filter === 4 ? paeth(left, up, corner) : 0][filter];
    }
    for (let x = 0; x < width; x++) pixels[y * width + x] = (line[x * channels] << 16) | (line[x * channels + 1] << 8) | line[x * channels + 2];
    above = line;
  }
  return { width, height, pixels };
}

function paeth(left, up, corner) {
  const [a, b, c] = [Math.abs(up - corner), Math.abs(left - corner), Math.abs(left + up - 2 * corner)];
  return a <= b && a <= c ? left : b <= c ? up : corner;
}

function chunk(name, data) {
  const content = Buffer.concat([Buffer.from(name, "latin1"), data]);
  const [size, checksum] = [Buffer.alloc(4), Buffer.alloc(4)];
  size.writeUInt32BE(data.length);
  checksum.writeUInt32BE(crc32(content));
  return Buffer.concat([size, content, checksum]);
}
