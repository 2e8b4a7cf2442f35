// Looks at pages as people see them: `node look.cjs FOLDER PAGE…` in Chromium at three widths, in both schemes and in
// print. A picture of each view is kept in FOLDER.
const { readFileSync } = require("node:fs");
const { basename, join } = require("node:path");
const { pathToFileURL } = require("node:url");
const { chromium } = require("playwright-core");

const AXE = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
const WIDTHS = [320, 768, 1280];
// The width of a sheet of A4 between its margins, in CSS pixels.
const SHEET = 718;
const VIEWS = ["light", "dark"].flatMap((colorScheme) => WIDTHS.map((width) => ({ width, colorScheme, media: "screen" })));
VIEWS.push({ width: SHEET, colorScheme: "dark", media: "print" });
// Of the largest page that freshlayer writes.
const LARGEST_BYTES = 5_000_000;

const [folder, ...files] = process.argv.slice(2);
let passed = 0;
let failed = 0;

function tell(name, problems) {
  problems.length === 0 ? (passed += 1) : (failed += 1);
  for (const problem of problems) console.log(`${name}: ${problem}`);
}

// Loads a page, and returns what it asked for beyond itself and what it complained about.
async function load(context, address) {
  const page = await context.newPage();
  const problems = [];
  page.on("request", (request) => request.url() === address || problems.push(`asks for ${request.url()}`));
  page.on("console", (message) => problems.push(`says ${message.type()}: ${message.text()}`));
  page.on("pageerror", (error) => problems.push(`fails: ${error.message}`));
  await page.goto(address);
  return { page, problems };
}

// What reaches beyond the right edge, where the page as a whole can be scrolled sideways.
function tooWide() {
  const { scrollWidth, clientWidth } = document.documentElement;
  if (scrollWidth <= clientWidth) return [];
  const scrolls = (element) => element.parentElement?.closest(".scroll") && getComputedStyle(element.closest(".scroll")).overflowX === "auto";
  const wide = [...document.querySelectorAll("body *")].filter(
    (element) => element.getBoundingClientRect().right > clientWidth + 1 && !scrolls(element),
  );
  const names = wide.slice(0, 5).map((element) => element.outerHTML.slice(0, 80));
  return [`is ${scrollWidth} px wide on ${clientWidth} px: ${names.join(" | ")}`];
}

async function look(browser, file, { width, colorScheme, media }) {
  const name = `${basename(file, ".html")}-${media === "print" ? "print" : width}-${colorScheme}`;
  const context = await browser.newContext({ viewport: { width, height: 800 }, colorScheme });
  const { page, problems } = await load(context, pathToFileURL(file).href);
  await page.emulateMedia({ media, colorScheme });
  problems.push(...(await page.evaluate(tooWide)));
  await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true });
  // What a reader can unfold is held to the same.
  await page.evaluate(() => document.querySelectorAll("details").forEach((details) => (details.open = true)));
  problems.push(...(await page.evaluate(tooWide)));
  if (colorScheme === "light") await page.screenshot({ path: join(folder, `${name}-unfolded.png`), fullPage: true });
  await page.evaluate(AXE);
  const found = await page.evaluate((rules) => axe.run({ runOnly: rules }), RULES);
  for (const { id, help, nodes } of found.violations) {
    problems.push(`axe: ${id}: ${help}: ${nodes.map(({ html }) => html.slice(0, 120)).join(" | ")}`);
  }
  tell(name, problems);
  await context.close();
}

// The sections of a page, again and again until it is as large as freshlayer lets a page become.
async function largest(browser, file) {
  const html = readFileSync(file, "utf8");
  const sections = html.slice(html.indexOf("<section"), html.lastIndexOf("</section>") + "</section>".length);
  const times = Math.floor((LARGEST_BYTES - html.length) / sections.length);
  const context = await browser.newContext({ viewport: { width: 320, height: 800 } });
  const page = await context.newPage();
  const begun = performance.now();
  await page.setContent(html.replace(sections, () => sections.repeat(times)));
  await page.screenshot();
  const secs = (performance.now() - begun) / 1000;
  console.log(`a page of ${LARGEST_BYTES / 1e6} MB is shown after ${secs.toFixed(1)} s`);
  const laidOut = await page.evaluate(() => [...document.querySelectorAll("h2")].at(-1).checkVisibility({ contentVisibilityAuto: true }));
  const problems = laidOut ? ["the last layer is laid out before it is looked at"] : [];
  tell("largest", problems);
  await context.close();
}

(async () => {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM,
    args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
  const looks = files.map(async (file) => {
    for (const view of VIEWS) await look(browser, file, view);
  });
  await Promise.all(looks);
  await largest(browser, files[0]);
  await browser.close();
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed === 0 ? 0 : 1;
})();
