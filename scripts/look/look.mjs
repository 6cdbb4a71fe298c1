// Pictures of a page that `agent render` wrote, to look at: light, dark, as wide as a phone, and printed; and what a browser
// finds wrong with it. Needs Chromium and playwright-core:
//
//   npm install playwright-core && node scripts/look/look.mjs report.html pictures/
//
// CHROMIUM names the browser where it is not /usr/bin/chromium.
import { createRequire } from "node:module";
import { mkdirSync } from "node:fs";
import { resolve, join } from "node:path";

const { chromium } = createRequire(join(process.cwd(), "here.js"))("playwright-core");
const [page, folder] = process.argv.slice(2);
if (!page || !folder) throw new Error("usage: node look.mjs PAGE.html FOLDER");
mkdirSync(folder, { recursive: true });
const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
const faults = [];
const looks = [
  ["light", { width: 1200, height: 900 }, "light"],
  ["dark", { width: 1200, height: 900 }, "dark"],
  ["phone", { width: 375, height: 812 }, "light"],
  ["phone-dark", { width: 375, height: 812 }, "dark"],
];
for (const [name, viewport, colorScheme] of looks) {
  const context = await browser.newContext({ viewport, colorScheme, deviceScaleFactor: name.startsWith("phone") ? 2 : 1 });
  const tab = await context.newPage();
  tab.on("console", (message) => faults.push(`${name}: console: ${message.text()}`));
  tab.on("pageerror", (error) => faults.push(`${name}: ${error}`));
  tab.on("request", (request) => {
    if (!request.url().startsWith("file:")) faults.push(`${name}: asks for ${request.url()}`);
  });
  await tab.goto("file://" + resolve(page));
  const found = await tab.evaluate(() => {
    const wrong = [];
    if (document.documentElement.scrollWidth > window.innerWidth) wrong.push("is wider than the window");
    const levels = [...document.querySelectorAll("h1,h2,h3,h4")].map((heading) => Number(heading.tagName[1]));
    levels.forEach((level, at) => {
      if (level > (levels[at - 1] ?? 0) + 1) wrong.push(`heading ${at} skips a level`);
    });
    for (const table of document.querySelectorAll("table")) if (!table.caption) wrong.push("a table has no caption");
    for (const svg of document.querySelectorAll("svg")) {
      const named = (svg.getAttribute("aria-labelledby") ?? "").split(" ");
      if (!named.every((id) => document.getElementById(id)?.textContent)) wrong.push("a chart has no name");
    }
    const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
    if (new Set(ids).size !== ids.length) wrong.push("an id occurs twice");
    // Contrast of text against what is behind it, by WCAG 2.
    const rgb = (text) => text.match(/[\d.]+/g).map(Number);
    const light = ([r, g, b]) => {
      const [x, y, z] = [r, g, b].map((c) => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
      return 0.2126 * x + 0.7152 * y + 0.0722 * z;
    };
    const behind = (element) => {
      for (let at = element; at; at = at.parentElement) {
        const color = rgb(getComputedStyle(at).backgroundColor);
        if (color.length < 4 || color[3] > 0) return color;
      }
      return [255, 255, 255];
    };
    const poor = new Set();
    for (const element of document.querySelectorAll("body *")) {
      const texts = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
      if (!texts || element.closest("title,desc,style")) continue;
      const style = getComputedStyle(element);
      const [a, b] = [light(rgb(element.closest("svg") ? style.fill : style.color)), light(behind(element))];
      const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
      if (ratio < 4.5) poor.add(`${element.tagName}.${element.className.baseVal ?? element.className}: contrast ${ratio.toFixed(2)}`);
    }
    return wrong.concat([...poor]);
  });
  faults.push(...found.map((what) => `${name}: ${what}`));
  await tab.screenshot({ path: join(folder, `${name}.png`), fullPage: true });
  if (name === "light") await tab.pdf({ path: join(folder, "print.pdf"), format: "A4" });
  await context.close();
}
await browser.close();
console.log(faults.length ? faults.join("\n") : "nothing wrong found");
process.exit(faults.length ? 1 : 0);
