/** A `pulsed` process with its configuration, socket, history and web address in a directory of its own. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Sender } from './sender.js';
import { until } from './until.js';

const run = promisify(execFile);

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

/** The directory of the tested programs. */
const BIN = path.resolve(process.env.PULSED_BIN ?? path.join(ROOT, 'target/debug'));

/** The host in every event. */
export const HOST = 'testhost';

/** Path of one of the tested programs. @param {string} name */
export const program = (name) => path.join(BIN, name);

export class Agent {
  /** @type {import('node:child_process').ChildProcess | undefined} */
  #process;
  #output = '';
  /** Open senders, closed with the agent. @type {Sender[]} */
  #senders = [];

  /**
   * @param {string} dir
   * @param {number} port
   * @param {string} host
   */
  constructor(dir, port, host) {
    this.host = host;
    this.dir = dir;
    this.port = port;
    this.socket = path.join(dir, 'pulsed.sock');
  }

  /**
   * Starts an agent and waits until it answers.
   * @param {string} [config] further lines of the configuration: tables only, for example `[[access]]`
   * @param {string} [host] the host in every event
   */
  static async start(config = '', host = HOST) {
    const dir = await mkdtemp(path.join(os.tmpdir(), 'pulse-page-'));
    // Other users need access to the socket.
    await chmod(dir, 0o755);
    const agent = new Agent(dir, await freePort(), host);
    await agent.configure(config);
    await agent.start();
    return agent;
  }

  /** Rewrites the configuration. A running agent reads it at `reload`. @param {string} config */
  async configure(config) {
    const text = `host = "${this.host}"
[socket]
path = "${this.socket}"
[history]
dir = "${path.join(this.dir, 'history')}"
[web]
listen = "127.0.0.1:${this.port}"
${config}`;
    await writeFile(path.join(this.dir, 'pulsed.toml'), text);
  }

  /** Starts it, also again after an exit, on the same address. */
  async start() {
    const started = spawn(program('pulsed'), ['--config', path.join(this.dir, 'pulsed.toml')], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    started.on('error', (error) => { this.#output += `${error}\n`; });
    for (const stream of [started.stdout, started.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => { this.#output = (this.#output + text).slice(-65536); });
    }
    this.#process = started;
    await until('an agent that answers', async () => {
      if (started.exitCode !== null || started.pid === undefined) {
        throw new Error(`pulsed exited at start:\n${this.#output}`);
      }
      return (await this.#answers()) || undefined;
    });
  }

  /** What it wrote, at most the last 64 KiB. */
  get output() {
    return this.#output;
  }

  get pid() {
    return this.#process?.pid;
  }

  async #answers() {
    try {
      const sender = await Sender.connect(this.socket);
      const answer = await sender.request('PING');
      sender.close();
      return answer.startsWith('OK ');
    } catch {
      return false;
    }
  }

  /** Applies the configuration file. The caller waits for what it changes. */
  reload() {
    this.#process?.kill('SIGHUP');
  }

  /** Ends it and waits for its exit. @param {NodeJS.Signals} [signal] */
  async end(signal = 'SIGTERM') {
    const ending = this.#process;
    this.#process = undefined;
    if (ending?.pid !== undefined && ending.exitCode === null && ending.signalCode === null) {
      const exited = once(ending, 'exit');
      ending.kill(signal);
      await exited;
    }
    // Not before: that would abandon their runs.
    this.#senders.splice(0).forEach((sender) => sender.close());
  }

  /** Ends it and removes its directory. */
  async remove() {
    await this.end('SIGKILL');
    await rm(this.dir, { recursive: true, force: true });
  }

  /** A connection that sends events, closed with the agent. */
  async sender() {
    const sender = await Sender.connect(this.socket);
    this.#senders.push(sender);
    return sender;
  }

  /** The events of the view of rates, for the user of the tests: the fold that an unfiltered page of this user shares. */
  async counted() {
    const sender = await this.sender();
    const snapshot = JSON.parse(await sender.request('VIEW {"name":"rates"}'));
    sender.close();
    return snapshot.events;
  }

  /**
   * A one-time link that signs a user in, from `pulse-tail --web`.
   * @param {string} [user] the user who runs it: root only
   */
  async link(user) {
    const call = [program('pulse-tail'), '--socket', this.socket, '--web'];
    if (user) {
      call.unshift('setpriv', `--reuid=${user}`, '--regid=nogroup', '--clear-groups');
    }
    const { stdout } = await run(call[0] ?? '', call.slice(1));
    const link = /https?:\S+/.exec(stdout)?.[0];
    if (!link) {
      throw new Error(`pulse-tail --web printed no link: ${stdout}`);
    }
    return link;
  }

  /** The page's address. */
  get url() {
    return `http://127.0.0.1:${this.port}/`;
  }
}

/** A loopback port that no socket uses now. @returns {Promise<number>} */
export async function freePort() {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address ? address.port : 0;
}
