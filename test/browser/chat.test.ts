import assert from 'node:assert/strict';
import { existsSync, mkdirSync } from 'node:fs';
import test from 'node:test';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { freePort, scratchDir, ServerProcess } from '../support/server-process.ts';

const CHROMIUM = '/usr/bin/chromium';
const ARGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
/** For people to look at after a run. */
const PICTURES = new URL('../../test-results/', import.meta.url).pathname;
const WAIT_MS_MAX = 10_000;

const lacksChromium = !existsSync(CHROMIUM) && process.env.CARILLON_REQUIRE_SERVICES !== '1';

/** A person at a browser of their own. Whatever the page complains about fails the test. */
class Person {
  readonly page: Page;
  readonly name: string;
  readonly complaints: string[] = [];

  private constructor(page: Page, name: string) {
    this.page = page;
    this.name = name;
    page.setDefaultTimeout(WAIT_MS_MAX);
    page.on('pageerror', (error) => this.complaints.push(error.message));
    page.on('console', (line) => {
      // A server that is away on purpose is no complaint.
      if (line.type() === 'error' && !line.text().includes('WebSocket')) this.complaints.push(line.text());
    });
  }

  static async arrives(
    browser: Browser,
    url: string,
    name: string,
    options: BrowserContextOptions,
  ): Promise<Person> {
    const context = await browser.newContext(options);
    const person = new Person(await context.newPage(), name);
    const { page } = person;
    await page.goto(url);
    await page.getByLabel('Your name').fill(name);
    await page.keyboard.press('Enter');
    await page.getByRole('navigation', { name: 'Conversations' }).waitFor();
    return person;
  }

  async startChat(names: string, title = ''): Promise<void> {
    await this.page.getByRole('button', { name: 'New chat' }).click();
    await this.page.getByLabel('With whom?').fill(names);
    await this.page.getByLabel('Group name').fill(title);
    await this.page.getByRole('button', { name: 'Start', exact: true }).click();
    await this.page.getByRole('dialog').waitFor({ state: 'detached' });
    await this.page.getByRole('log', { name: 'Messages' }).waitFor();
  }

  async open(name: string): Promise<void> {
    await this.page.locator('.conversation', { hasText: name }).click();
    await this.page.getByRole('log', { name: 'Messages' }).waitFor();
  }

  async writes(text: string): Promise<void> {
    const input = this.page.getByRole('textbox', { name: 'Message' });
    await input.fill(text);
    await input.press('Enter');
  }

  /** Waits until the message is shown; an own one, until it is acked. */
  async sees(text: string): Promise<void> {
    const body = this.page.locator('.message:not(.sending) .body').getByText(text, { exact: true });
    try {
      await body.waitFor();
    } catch (error) {
      await this.picture('failed');
      throw error;
    }
  }

  async texts(): Promise<string[]> {
    return this.page.locator('.message .body').allTextContents();
  }

  /** As the browser says it: the page does not wait out its backoff then, which may be up to 30 s. */
  async networkIsBack(): Promise<void> {
    await this.page.evaluate(() => dispatchEvent(new Event('online')));
  }

  async picture(what: string): Promise<void> {
    await this.page.screenshot({ path: `${PICTURES}chat-${this.name}-${what}.png` });
  }
}

test('two pages chat; reload, and a restart of the server, keep the history', {
  skip: lacksChromium,
  timeout: 120_000,
}, async (t) => {
  mkdirSync(PICTURES, { recursive: true });
  const data = scratchDir('browser');
  const port = await freePort();
  let server = await ServerProcess.start({ dataDir: data.path, port });
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: ARGS });
  t.after(async () => {
    await browser.close();
    await server.kill();
    data.remove();
  });
  const ann = await Person.arrives(browser, server.url, 'ann', { viewport: { width: 1100, height: 720 } });
  const bob = await Person.arrives(browser, server.url, 'bob', {
    viewport: { width: 390, height: 780 },
    colorScheme: 'dark',
    hasTouch: true,
    isMobile: true,
  });

  await t.test('a direct chat, both ways, markup staying text', async () => {
    await ann.startChat('bob');
    await ann.writes('<img src=x onerror=alert(1)> & <b>hello</b>');
    await ann.sees('<img src=x onerror=alert(1)> & <b>hello</b>');
    assert.equal(await ann.page.locator('.message img, .message b').count(), 0);
    await bob.page.locator('.conversation .unread').waitFor();
    await bob.picture('list');
    await bob.open('ann');
    await bob.sees('<img src=x onerror=alert(1)> & <b>hello</b>');
    await bob.writes('Hello Ann');
    await ann.sees('Hello Ann');
    for (const person of [ann, bob]) await person.page.locator('.subtitle', { hasText: 'Online' }).waitFor();
    assert.deepEqual(await ann.texts(), await bob.texts());
    assert.equal(await bob.page.locator('.unread').count(), 0);
  });

  await t.test('a reload comes back to the same conversation, as the same device', async () => {
    const device = await ann.page.evaluate(() => sessionStorage.getItem('carillon.device'));
    await ann.page.reload();
    await ann.sees('Hello Ann');
    assert.equal(await ann.page.evaluate(() => sessionStorage.getItem('carillon.device')), device);
    assert.equal((await ann.texts()).length, 2);
  });

  await t.test('while the server is away the banner says so, and what is written arrives later', async () => {
    assert.equal(await server.stop(), 0);
    await ann.page.getByRole('status').getByText('Trying again').waitFor();
    await ann.writes('Written meanwhile');
    await ann.page.locator('.message.sending').waitFor();
    await ann.picture('away');
    server = await ServerProcess.start({ dataDir: data.path, port });
    await ann.networkIsBack();
    await bob.networkIsBack();
    await ann.sees('Written meanwhile');
    await bob.sees('Written meanwhile');
    assert.deepEqual(await ann.texts(), await bob.texts());
    await ann.page.reload();
    await ann.sees('Hello Ann');
    assert.equal((await ann.texts()).length, 3);
  });

  await t.test('a group: messages older than a page load on scrolling up, members come and go', async () => {
    await ann.startChat('bob, cleo', 'Tower');
    for (let i = 1; i <= 70; i++) await ann.writes(`line ${i}`);
    await ann.sees('line 70');
    await bob.page.getByRole('button', { name: 'Back to the list' }).click();
    await bob.open('Tower');
    await bob.sees('line 70');
    await bob.page.getByRole('log').evaluate((log) => (log.scrollTop = 0));
    await bob.sees('line 1');
    assert.deepEqual(
      await bob.texts(),
      Array.from({ length: 70 }, (_, i) => `line ${i + 1}`),
    );
    await ann.picture('group');

    await ann.page.getByRole('button', { name: 'Members' }).click();
    await ann.page.getByRole('button', { name: 'Remove cleo' }).click();
    await ann.page.getByText('ann removed cleo').waitFor();
    await ann.page.getByLabel('Names to add').fill('dan');
    await ann.page.keyboard.press('Enter');
    await ann.page.getByText('ann added dan').waitFor();
    await ann.picture('members');
    await ann.page.keyboard.press('Escape');
    await bob.page.getByRole('button', { name: 'Members' }).click();
    await bob.page.getByRole('button', { name: 'Leave group' }).click();
    await ann.page.getByText('bob left').waitFor();
    await bob.page.locator('.conversation', { hasText: 'Tower' }).waitFor({ state: 'detached' });
    await bob.picture('left');
  });

  assert.deepEqual(ann.complaints, []);
  assert.deepEqual(bob.complaints, []);
});
