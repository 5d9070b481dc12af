/** A real nats-server with JetStream, in a directory of its own. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { freePort } from './agent.js';
import { until } from './until.js';

/** Where Debian has the server, which is not in every user's path. */
const PATH = `${process.env.PATH}:/usr/sbin`;

export class Engine {
  /** @type {import('node:child_process').ChildProcess | undefined} */
  #process;

  /** @param {string} dir @param {number} port */
  constructor(dir, port) {
    this.dir = dir;
    this.port = port;
  }

  static async start() {
    const engine = new Engine(await mkdtemp(path.join(os.tmpdir(), 'pulse-engine-')), await freePort());
    await engine.start();
    return engine;
  }

  /** The table that makes an agent forward to it. */
  get config() {
    return `[nats]\nurl = "nats://127.0.0.1:${this.port}"\n`;
  }

  /** Starts it, also again after its end. */
  async start() {
    const args = ['-a', '127.0.0.1', '-p', String(this.port), '-js', '-sd', this.dir];
    this.#process = spawn('nats-server', args, { stdio: 'ignore', env: { ...process.env, PATH } });
    await once(this.#process, 'spawn');
    await until('an engine that listens', async () => {
      const socket = net.connect(this.port, '127.0.0.1');
      const listens = await once(socket, 'connect').then(
        () => true,
        () => undefined,
      );
      socket.destroy();
      return listens;
    });
  }

  /** Kills it. */
  async kill() {
    const ending = this.#process;
    this.#process = undefined;
    if (!ending) return;
    const exited = once(ending, 'exit');
    ending.kill('SIGKILL');
    await exited;
  }

  async remove() {
    await this.kill();
    await rm(this.dir, { recursive: true, force: true });
  }
}
