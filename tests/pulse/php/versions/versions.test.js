// The PHP library with PHP 8.1, 8.3 and 8.4 sends what it sends with Debian's PHP 8.2, and changes no page.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { PHP, loadPHPRuntime, setPhpIniEntries } from "@php-wasm/universal";
import { HERE, LIBRARY, SETTINGS, copy } from "./library.js";

const PAGES = join(HERE, "../pages");

/**
 * The only difference. After a recursion that used all memory, PHP may have no room on its stack to call a shutdown function,
 * of the library or of any other.
 */
const STACK_OVERFLOW = /\nFatal error: Allowed memory size of \d+ bytes exhausted [^\n]* in Unknown on line 0\n/;

/** These need signals, a client or processes. */
const UNTESTED = ["time_limit.php", "abort.php", "children.php", "finish_request.php"];

/** This PHP has no UDP sockets, which persistent connections use after a failure. */
const PREPEND = `<?php
require '/library/pulse.php';
Pulse::configure(['socket' => '/nonexistent/pulsed.sock', 'persistent' => false]);
require '/library/prepend.php';
`;

/** It reads its settings only once. */
async function start(version, settings = {}) {
    const { getPHPLoaderModule } = await import(`@php-wasm/node-${version}`);
    const php = new PHP(await loadPHPRuntime(await getPHPLoaderModule()));
    copy(php, LIBRARY, "/library");
    copy(php, PAGES, "/pages");
    php.writeFile("/events.php", readFileSync(join(HERE, "events.php")));
    php.writeFile("/prepend.php", PREPEND);
    await setPhpIniEntries(php, { ...SETTINGS, ...settings });
    return php;
}

/** Everything that a page shows. */
async function request(php, path) {
    const $_SERVER = { LIBRARY: "/library", SESSION_DIR: "/tmp" };
    let response;
    try {
        response = await php.run({ scriptPath: path, relativeUri: path, method: "GET", $_SERVER });
    } catch (error) {
        // A page that fails.
        ({ response } = error);
        if (response === undefined) {
            throw error;
        }
    }
    const { exitCode, httpStatusCode, headers, text, errors } = response;
    return { exitCode, httpStatusCode, headers, text, errors };
}

function expectedEvents() {
    const own = mkdtempSync(join(tmpdir(), "pulse-php-"));
    try {
        const settings = Object.entries(SETTINGS).flatMap(([name, value]) => ["-d", `${name}=${value}`]);
        const env = { ...process.env, LIBRARY };
        return execFileSync("php", [...settings, join(HERE, "events.php")], { cwd: own, env, encoding: "utf8" });
    } finally {
        rmSync(own, { recursive: true });
    }
}

for (const version of ["8-1", "8-3", "8-4"]) {
    test(`PHP ${version} sends what Debian's PHP sends`, async () => {
        const php = await start(version);
        const { text } = await request(php, "/events.php");
        const expected = expectedEvents();
        assert.ok(expected.split("\n").length > 30, expected);
        assert.equal(text, expected);
        php.exit();
    });

    test(`PHP ${version} shows the same pages with and without the library`, async () => {
        // Two of them, because a session is part of what a page shows.
        const [plain, tracked] = [await start(version), await start(version, { auto_prepend_file: "/prepend.php" })];
        tracked.writeFile("/loaded.php", "<?php echo class_exists('Pulse', false) ? 'loaded' : '';");
        assert.equal((await request(tracked, "/loaded.php")).text, "loaded");
        const pages = readdirSync(PAGES).filter((name) => !UNTESTED.includes(name));
        assert.ok(pages.length > 40);
        for (const page of pages) {
            const expected = await request(plain, `/pages/${page}`);
            const shown = await request(tracked, `/pages/${page}`);
            shown.text = shown.text.replace(STACK_OVERFLOW, "");
            assert.deepEqual(shown, expected, page);
        }
        plain.exit();
        tracked.exit();
    });
}
