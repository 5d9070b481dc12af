// What all tests of PHP versions need: where the library is, the settings of PHP, and the copy into its file system.

import { readFileSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const HERE = fileURLToPath(new URL(".", import.meta.url));
export const LIBRARY = join(HERE, "../../../../contrib/php");
export const SETTINGS = { display_errors: "1", html_errors: "0", log_errors: "0", error_reporting: "32767", "date.timezone": "UTC" };

/** Copies a directory into the file system of a PHP. */
export function copy(php, from, to) {
    php.mkdir(to);
    for (const name of readdirSync(from)) {
        const path = join(from, name);
        if (statSync(path).isDirectory()) {
            copy(php, path, `${to}/${name}`);
        } else {
            php.writeFile(`${to}/${name}`, readFileSync(path));
        }
    }
}
