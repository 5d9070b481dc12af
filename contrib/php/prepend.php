<?php
declare(strict_types=1);

// For `auto_prepend_file`: each request is a run, with its user, its status and its errors. To set options, name a file of
// your own there, which requires pulse.php, calls `Pulse::configure([…])`, and requires this file.

// A function, because variables would be global ones of the page.
(static function (): void {
    require_once __DIR__ . '/pulse.php';
    Pulse\Page::begin();
})();
