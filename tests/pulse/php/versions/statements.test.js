// The tracking classes with PHP 8.1, 8.3 and 8.4: their interface is that of their parents, and a page sees what PDO does.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { PHP, loadPHPRuntime, setPhpIniEntries } from "@php-wasm/universal";
import { HERE, LIBRARY, SETTINGS, copy } from "./library.js";

/** The fewest operations of a comparison. */
const OPERATIONS_MIN = 40;

/** What a script prints. `argv` is as on a command line. */
async function run(version, script, argv) {
    const { getPHPLoaderModule } = await import(`@php-wasm/node-${version}`);
    const php = new PHP(await loadPHPRuntime(await getPHPLoaderModule()));
    copy(php, LIBRARY, "/library");
    php.mkdir("/scripts");
    for (const name of ["api.php", "same.inc.php", "same_pdo.php"]) {
        php.writeFile(`/scripts/${name}`, readFileSync(join(HERE, "..", name)));
    }
    // This PHP has no UDP sockets, which persistent connections use after a failure.
    const options = "['socket' => '/nonexistent/pulsed.sock', 'persistent' => false]";
    php.writeFile("/library/away.php", `<?php require_once '/library/pulse.php'; Pulse::configure(${options});`);
    await setPhpIniEntries(php, SETTINGS);
    const list = [script, "/library/away.php", ...argv].map((argument) => JSON.stringify(argument)).join(", ");
    php.writeFile("/scripts/start.php", `<?php $argv = $GLOBALS['argv'] = [${list}]; require '/scripts/${script}';`);
    try {
        return (await php.run({ scriptPath: "/scripts/start.php" })).text;
    } finally {
        php.exit();
    }
}

for (const version of ["8-1", "8-3", "8-4"]) {
    test(`PHP ${version}: the public interface is that of the parents`, async () => {
        assert.match(await run(version, "api.php", []), /^\d{3} methods\n$/);
    });

    test(`PHP ${version}: PDO is the same for the page`, async () => {
        const plain = await run(version, "same_pdo.php", ["plain", "sqlite::memory:", ""]);
        const tracked = await run(version, "same_pdo.php", ["tracked", "sqlite::memory:", ""]);
        assert.ok(plain.match(/^\d+ /gm).length > OPERATIONS_MIN);
        assert.equal(tracked, plain);
    });
}
